"""The price that a query asks for, taken out of its text.

Bounds stand before an amount ("no more than 20 euro", "不超过100元") or behind it ("20 € or less",
"1000円以下"); two amounts are a range, and what is wanted around an amount may be a third cheaper
or dearer. The words are those of `reelshelf.indexer.search.price_words`, of all languages at once.
An amount is a price where a currency stands at it, or where its words say so and nothing beside it
tells of a size, an age or a number of pieces; it is then in the currency of the shop.
"""

import decimal
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache

from reelshelf.indexer.search.phrases import any_of
from reelshelf.indexer.search.price_words import LANGUAGES, Phrases, PriceWords
from reelshelf.indexer.text import unit_names
from reelshelf.schemas.errors import InputError

# What stands at an amount, and the currencies it may mean. "$" is the dollar of the shop.
_DOLLARS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS")
_PESOS = ("MXN", "CLP", "COP", "ARS", "PHP")
_CROWNS = ("SEK", "NOK", "DKK", "ISK")
_RUPEES = ("INR", "PKR", "LKR", "NPR")
_SYMBOLS = {
    "US$": ("USD",), "CA$": ("CAD",), "AU$": ("AUD",), "R$": ("BRL",), "$": _DOLLARS,
    "€": ("EUR",), "£": ("GBP",), "¥": ("JPY", "CNY"), "円": ("JPY",), "圓": ("JPY", "TWD"),
    "日元": ("JPY",), "日圆": ("JPY",), "元": ("CNY", "TWD"), "块": ("CNY",), "塊": ("TWD",),
    "人民币": ("CNY",), "人民元": ("CNY",), "美元": ("USD",), "美金": ("USD",), "欧元": ("EUR",),
    "歐元": ("EUR",), "英镑": ("GBP",), "英鎊": ("GBP",), "港元": ("HKD",), "港币": ("HKD",),
    "ドル": _DOLLARS, "米ドル": ("USD",), "ユーロ": ("EUR",), "ポンド": ("GBP",),
    "ウォン": ("KRW",),
    "₹": ("INR",), "₩": ("KRW",), "₽": ("RUB",), "₺": ("TRY",), "₫": ("VND",), "฿": ("THB",),
    "₪": ("ILS",), "₴": ("UAH",), "₱": ("PHP",),
}  # fmt: skip
_WORDS = {
    "us dollar": ("USD",), "us dollars": ("USD",), "us-dollar": ("USD",),
    "euro": ("EUR",), "euros": ("EUR",), "dollar": _DOLLARS, "dollars": _DOLLARS,
    "dólar": _DOLLARS, "dólares": _DOLLARS, "dolares": _DOLLARS, "bucks": _DOLLARS,
    "pound": ("GBP",), "pounds": ("GBP",), "quid": ("GBP",), "livres sterling": ("GBP",),
    "libras": ("GBP",), "pfund sterling": ("GBP",), "yen": ("JPY",), "yens": ("JPY",),
    "yenes": ("JPY",), "yuan": ("CNY",), "yuans": ("CNY",), "yuanes": ("CNY",), "rmb": ("CNY",),
    "pesos": _PESOS, "rupees": _RUPEES, "rs": _RUPEES, "kr": _CROWNS, "kronor": _CROWNS,
    "kroner": _CROWNS, "kronen": _CROWNS, "couronnes": _CROWNS, "franken": ("CHF",),
    "francs": ("CHF",), "francos": ("CHF",), "zloty": ("PLN",), "zł": ("PLN",), "kč": ("CZK",),
    "forint": ("HUF",), "rubles": ("RUB",), "lira": ("TRY",), "tl": ("TRY",), "rupiah": ("IDR",),
    "rp": ("IDR",), "baht": ("THB",), "reais": ("BRL",), "dirham": ("AED", "MAD"), "won": ("KRW",),
}  # fmt: skip
_CODES = (
    "EUR", "USD", "GBP", "SEK", "NOK", "DKK", "ISK", "CHF", "JPY", "CNY", "CAD", "AUD", "NZD",
    "SGD", "HKD", "TWD", "MXN", "BRL", "CLP", "COP", "ARS", "PLN", "CZK", "HUF", "RON", "BGN",
    "UAH", "RUB", "INR", "PKR", "LKR", "NPR", "KRW", "IDR", "THB", "VND", "MYR", "PHP", "ILS",
    "AED", "SAR", "ZAR", "EGP", "MAD",
)  # fmt: skip
# Hundredths of what the shop's prices are in.
_CENTS = ("cent", "cents", "¢", "centime", "centimes", "céntimo", "céntimos", "centimos", "pence")
_ORDER = {code: place for place, code in enumerate(("USD", "EUR", "JPY", *_CODES))}
_MEANS = (
    {sign.casefold(): frozenset(codes) for sign, codes in (_SYMBOLS | _WORDS).items()}
    | {code.casefold(): frozenset([code]) for code in _CODES}
)  # fmt: skip

_TIMES = {"k": 1000, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000}
_DIGITS = {sign: "〇一二三四五六七八九".index(sign) for sign in "〇一二三四五六七八九"}
_DIGITS |= {"零": 0, "两": 2, "兩": 2}
_TENS = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000}
# Of the same length as what they stand for, so that places in a text stay what they are.
_PLAIN = str.maketrans(
    {chr(0xFF01 + i): chr(0x21 + i) for i in range(94)}
    | {"￥": "¥", "\u3000": " ", "’": "'", "〜": "~", "\u2012": "-", "\u2212": "-"}
)
# Digits in groups of three, or plain; then cents. "1,000" is a thousand, "12,50" is not.
_GROUP = "[ \u00a0\u2009\u202f.,']"
_GROUPED = rf"\d{{1,3}}(?:{_GROUP}\d{{3}}){{1,3}}"
_NUMBER = rf"(?<![\d.,])(?:{_GROUPED}|\d+)(?:[.,]\d{{1,2}})?"
_GROUPING = re.compile(rf"{_GROUP}(?=\d{{3}}(?!\d))")
# What stands behind a number that is no price.
_SHARE = re.compile(r"\s*(?:[%‰°\"″′×/:]|x\s*\d)")
# What stands behind two amounts, of languages that say it there.
_SPAN = "(?:之间|之間|间|の間の?)?"
_NEXT = re.compile(r"[\s-]*([^\W\d_]+)")
# Two thirds and four thirds.
_CHEAPER, _DEARER = decimal.Decimal(2), decimal.Decimal(4)


@dataclass(frozen=True, slots=True)
class PriceRange:
    """A wanted price; None where there is no bound.

    `currencies` are those that the amounts may be in, None where the shop has no other.
    """

    least: decimal.Decimal | None
    most: decimal.Decimal | None
    currencies: frozenset[str] | None = None

    def admits(self, price: decimal.Decimal | None, currency: str | None = None) -> bool:
        """Whether a price lies inside. An unknown price does not, nor one in another currency."""
        if price is None:
            return False
        if self.currencies is not None and currency is not None:
            own = currencies_of(currency)
            if own and not own & self.currencies:
                return False
        low = self.least is None or price >= self.least
        return low and (self.most is None or price <= self.most)


@dataclass(frozen=True, slots=True)
class FoundPrice:
    """A text without its price, and the price.

    `currency` is what the amounts are in: an ISO code, that of the shop where nothing else is said.
    `foreign` is a price in a currency that the shop does not use, which filters nothing, and
    `left_out` are its words.
    """

    text: str
    price: PriceRange | None
    currency: str | None = None
    foreign: PriceRange | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bound:
    """One phrase of a text that bounds the price."""

    start: int
    end: int
    least: decimal.Decimal | None
    most: decimal.Decimal | None
    currencies: frozenset[str] | None


def currencies_of(name: str) -> frozenset[str]:
    """The ISO codes that a sign, a word or a code may mean; a code that we do not know is one."""
    plain = name.strip()
    found = _MEANS.get(plain.translate(_PLAIN).casefold())
    if found is not None:
        return found
    return frozenset([plain.upper()]) if plain else frozenset()


def read_amount(text: str) -> decimal.Decimal:
    """An amount as a filter has it: "19.90", "1,299". Raises InputError where it is none."""
    match = re.fullmatch(_NUMBER, text.translate(_PLAIN).strip())
    if match is None:
        raise InputError(f"{text!r} is no amount: write it as 19.90")
    return _decimal(match[0])


def find_price(
    text: str, shop: Sequence[str], is_word: Callable[[str], bool] = lambda _: False
) -> FoundPrice:
    """The price that a text asks for.

    `shop` are the ISO codes that the catalog's prices are in, the most usual first. A bound in a
    currency that the shop does not use filters nothing, and is named. `is_word` tells
    numbers that the catalog writes (sizes, models): a range of those without a currency is no
    price.
    """
    left_out: list[str] = []
    own, foreign = _Bounds(), _Bounds()
    bounds = _bounds(text.translate(_PLAIN), is_word)
    for bound in bounds:
        if shop and bound.currencies is not None and bound.currencies.isdisjoint(shop):
            left_out.append(" ".join(text[bound.start : bound.end].split()))
            foreign.add(bound)
        else:
            own.add(bound)
    rest = _without(text, bounds) if bounds else text
    used = own if own.are_there else foreign
    others = own.currencies is not None and not own.currencies.issuperset(shop)
    return FoundPrice(
        rest,
        PriceRange(own.least, own.most, own.currencies if others else None)
        if own.are_there
        else None,
        _currency(used.currencies, shop) if used.are_there else None,
        PriceRange(foreign.least, foreign.most, foreign.currencies) if foreign.are_there else None,
        tuple(left_out),
    )


@dataclass(slots=True)
class _Bounds:
    """What the bounds of a text come to; later ones win."""

    least: decimal.Decimal | None = None
    most: decimal.Decimal | None = None
    currencies: frozenset[str] | None = None

    def add(self, bound: "_Bound") -> None:
        """Take in one more."""
        self.least = bound.least if bound.least is not None else self.least
        self.most = bound.most if bound.most is not None else self.most
        self.currencies = bound.currencies if bound.currencies is not None else self.currencies

    @property
    def are_there(self) -> bool:
        """Whether there is any."""
        return self.least is not None or self.most is not None


def _currency(said: frozenset[str] | None, shop: Sequence[str]) -> str | None:
    """One currency: the shop's where that may be meant, else the one that most people mean."""
    meant = [code for code in shop if said is None or code in said]
    if meant or not said:
        return meant[0] if meant else None
    return min(said, key=lambda code: (_ORDER.get(code, len(_ORDER)), code))


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Where prices may stand, what introduces them, and what tells that a number is none."""

    forms: tuple[re.Pattern[str], ...]
    lead: re.Pattern[str]
    numbered: re.Pattern[str]
    counted: frozenset[str]
    weak: frozenset[str]


def _any(field: str) -> str:
    """A pattern for the phrases of a field in all languages."""
    found: dict[str, bool] = {}
    for words in LANGUAGES:
        phrases: Phrases = getattr(words, field)
        for phrase in phrases:
            found.setdefault(phrase, words.is_spaced)
    return any_of(found)


def _amount(n: int) -> str:
    sign = "|".join(sorted(map(re.escape, _SYMBOLS), key=len, reverse=True))
    word = "|".join(sorted(map(re.escape, [*_WORDS, *_CODES, *_CENTS]), key=len, reverse=True))
    currency = rf"(?:{sign}|(?<![^\W\d])(?:{word})(?![^\W\d]))"
    kanji = "".join([*_DIGITS, *_TENS])
    # A sign before a number belongs to that number: in "90 $120" the 90 costs nothing.
    return (
        rf"(?:(?P<before{n}>{currency})\s*)?"
        rf"(?:(?P<number{n}>{_NUMBER})(?![.,]?\d)(?:\s?(?P<times{n}>[百千万萬]|k(?![^\W\d_])))?"
        rf"|(?<![{kanji}])(?P<kanji{n}>[{kanji}]{{1,9}}))"
        rf"(?:[.,][-–—]+)?(?:\s*(?P<after{n}>{currency})(?!\s*\d))?"
    )


@cache
def _grammar() -> _Grammar:
    own = {field.name: _any(field.name) for field in fields(PriceWords) if field.default == ()}
    named = {name: f"(?P<{name}>{pattern})" for name, pattern in own.items()}
    turned = rf"(?:(?P<no>{own['negation']})\s+(?:{own['filler']}\s+){{0,6}})?"
    one, two = _amount(1), _amount(2)
    before = "|".join(named[name] for name in ("at_most", "at_least", "around"))
    behind = "|".join(named[name] for name in ("or_less", "or_more", "or_so"))
    forms = (
        rf"{named['between']}\s*{one}\s*(?:{named['to']}|{own['dash']})\s*{two}{_SPAN}",
        rf"(?<![\w.,]){one}\s*{named['dash']}\s*{two}{_SPAN}",
        rf"{turned}(?:{named['more']}|{named['less']})\s*{one}",
        rf"(?:{before})\s*{one}",
        rf"{one}\s*(?:{behind})",
    )
    counted = {p for words in LANGUAGES for p in words.counted}
    units = unit_names(tuple(_LANGUAGES)).keys() - {"in"}
    return _Grammar(
        tuple(re.compile(form, re.IGNORECASE) for form in forms),
        re.compile(rf"(?:{own['lead']}\s*)+$", re.IGNORECASE),
        re.compile(rf"{own['numbered']}\W*$", re.IGNORECASE),
        frozenset(counted | units),
        frozenset(p for words in LANGUAGES for p in words.weak),
    )


# Those whose names of units are known.
_LANGUAGES = ("en", "de", "fr", "es", "ja", "zh")


_DIGIT = re.compile(rf"[\d{''.join([*_DIGITS, *_TENS])}]")


def _bounds(text: str, is_word: Callable[[str], bool]) -> list[_Bound]:
    """The phrases that bound the price, from left to right; none lies inside another."""
    found: list[_Bound] = []
    # Most queries name no amount: one look at them tells.
    if not _DIGIT.search(text):
        return found
    # A range says more than either of its ends, a comparison more than the limit inside of it.
    for form in _grammar().forms:
        for match in form.finditer(text):
            if any(match.start() < bound.end and bound.start < match.end() for bound in found):
                continue
            bound = _bound(match, text, is_word)
            if bound is not None:
                found.append(bound)
    return sorted(found, key=lambda bound: bound.start)


def _bound(match: re.Match[str], text: str, is_word: Callable[[str], bool]) -> _Bound | None:
    parts = match.groupdict()
    places = [n for n in (1, 2) if parts.get(f"number{n}") or parts.get(f"kanji{n}")]
    signs = [parts.get(f"{side}{n}") for n in places for side in ("before", "after")]
    meant = [_MEANS.get(s.casefold(), frozenset()) for s in signs if s and not _is_cents(s)]
    numbers = [parts.get(f"number{n}") or "" for n in places]
    if not any(signs) and not _is_bare(match, parts, text, numbers, is_word):
        return None
    if "" in numbers and not any(signs):
        return None
    # "air max 90 100-120 eur": what looks like a group may be a number of its own.
    apart = _apart(parts, numbers, is_word)
    numbers[0] = numbers[0][apart:]
    currencies = frozenset.intersection(*meant) if meant else None
    if meant and not currencies:
        return None
    amounts = [_value(number, parts, n) for number, n in zip(numbers, places, strict=True)]
    if len(amounts) == 2 and amounts[0] < 1000 <= amounts[1] and parts.get("times2"):
        # "1-2万円", "2-5k": the unit behind the second is that of both.
        whole = amounts[0] * _TIMES[str(parts["times2"]).casefold()]
        amounts[0] = amounts[0] if parts.get("times1") or whole > amounts[1] else whole
    least, most = _sides(parts, amounts)
    start = match.start("number1") + apart if apart else match.start()
    if not apart:
        lead = _grammar().lead.search(text[:start])
        start = lead.start() if lead else start
    return _Bound(start, match.end(), least, most, currencies)


def _is_cents(sign: str) -> bool:
    return sign.casefold() in _CENTS


def _value(number: str, parts: dict[str, str | None], n: int) -> decimal.Decimal:
    value = _decimal(number) if number else decimal.Decimal(_of_kanji(str(parts[f"kanji{n}"])))
    value *= _TIMES.get((parts.get(f"times{n}") or "").casefold(), 1)
    sign = parts.get(f"after{n}")
    return value / 100 if sign and _is_cents(sign) else value


def _decimal(number: str) -> decimal.Decimal:
    return decimal.Decimal(_GROUPING.sub("", number).replace(",", "."))


def _of_kanji(text: str) -> int:
    """The value of a number in Chinese characters, as far as prices go: 三百五十, 一万二千."""
    whole, part, digit = 0, 0, 0
    for sign in text:
        if sign in _DIGITS:
            digit = digit * 10 + _DIGITS[sign]
        elif _TENS[sign] == 10_000:
            whole, part, digit = (whole + part + digit or 1) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * _TENS[sign], 0
    return whole + part + digit


def _apart(parts: dict[str, str | None], numbers: list[str], is_word: Callable[[str], bool]) -> int:
    """How much of the first number is another one that only stands before it.

    Nothing where a bound or a currency introduces it: "under 1 000 eur".
    """
    groups = numbers[0].split(" ")
    behind = any(parts.get(name) for name in ("or_less", "or_more", "or_so", "dash"))
    if len(groups) == 1 or parts.get("before1") or not behind:
        return 0
    apart = len(groups[0]) + 1
    if len(numbers) == 2 and numbers[1]:
        whole, rest, other = map(_decimal, (numbers[0], numbers[0][apart:], numbers[1]))
        return apart if whole > other >= rest else 0
    return apart if is_word(groups[0]) else 0


def _sides(
    parts: dict[str, str | None], amounts: list[decimal.Decimal]
) -> tuple[decimal.Decimal | None, decimal.Decimal | None]:
    if len(amounts) == 2:
        return min(amounts), max(amounts)
    (amount,) = amounts
    if parts.get("around") or parts.get("or_so"):
        return amount * _CHEAPER / 3, amount * _DEARER / 3
    upper = bool(parts.get("at_most") or parts.get("or_less"))
    if parts.get("more") or parts.get("less"):
        upper = bool(parts.get("less")) != bool(parts.get("no"))
    return (None, amount) if upper else (amount, None)


_BOUNDS = ("more", "less", "at_most", "at_least", "around", "or_less", "or_more", "or_so")


def _is_bare(
    match: re.Match[str],
    parts: dict[str, str | None],
    text: str,
    numbers: list[str],
    is_word: Callable[[str], bool],
) -> bool:
    """Whether a number without a currency is a price all the same."""
    grammar = _grammar()
    before, after = text[: match.start()], text[match.end() :]
    if grammar.numbered.search(before) or _SHARE.match(after):
        return False
    following = _NEXT.match(after)
    if following and _counts(following[1], grammar.counted):
        return False
    if len(numbers) == 2:
        # "from 100 to 120", at the end of a text, and no sizes of the shop.
        if not parts.get("between") or all(map(is_word, numbers)):
            return False
        weak = _said(parts, "between") in grammar.weak
        return not (weak and after.strip(" .!?"))
    said = next(_said(parts, name) for name in _BOUNDS if parts.get(name))
    return said not in grammar.weak


def _said(parts: dict[str, str | None], name: str) -> str:
    return " ".join((parts.get(name) or "").casefold().split())


def _counts(word: str, counted: Iterable[str]) -> bool:
    """Whether a word is what numbers count; of a language without spaces, its beginning."""
    plain = word.casefold()
    if plain.isascii() or plain in counted:
        return plain in counted
    return any(plain.startswith(one) for one in counted if not one.isascii() and len(one) <= 3)


def _without(text: str, bounds: Iterable[_Bound]) -> str:
    return " ".join(filter(None, _between(text, bounds)))


def _between(text: str, bounds: Iterable[_Bound]) -> Iterator[str]:
    at = 0
    for bound in bounds:
        yield text[at : bound.start].strip()
        at = bound.end
    yield text[at:].strip()
