"""The price that a query asks for, taken out of its text.

Bounds stand before an amount ("no more than 20 euro") or after it ("20 € or less"); two amounts are
a range. A number is a price where a currency stands at it, and in "from 100 to 120" where nothing
says that it is a size. The words for a bound stand in one table, for English, German, French and
Spanish; a negation turns a comparison around.
"""

import decimal
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# What stands at an amount, and the currencies it may mean. "$" is the dollar of the shop.
_DOLLARS = ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN", "CLP", "COP", "ARS")
_CROWNS = ("SEK", "NOK", "DKK", "ISK")
_SYMBOLS = {
    "US$": ("USD",), "CA$": ("CAD",), "AU$": ("AUD",), "R$": ("BRL",), "$": _DOLLARS,
    "€": ("EUR",), "£": ("GBP",), "¥": ("JPY", "CNY"), "￥": ("JPY", "CNY"), "円": ("JPY",),
    "元": ("CNY", "TWD"), "₹": ("INR",), "₩": ("KRW",), "₽": ("RUB",), "₺": ("TRY",),
    "₫": ("VND",), "฿": ("THB",), "₪": ("ILS",), "₴": ("UAH",), "₱": ("PHP",),
}  # fmt: skip
_WORDS = {
    "us dollar": ("USD",), "us dollars": ("USD",),
    "euro": ("EUR",), "euros": ("EUR",), "dollar": _DOLLARS, "dollars": _DOLLARS,
    "bucks": _DOLLARS, "pound": ("GBP",), "pounds": ("GBP",), "quid": ("GBP",), "yen": ("JPY",),
    "yuan": ("CNY",), "rmb": ("CNY",), "rupees": ("INR", "PKR", "LKR", "NPR"),
    "rs": ("INR", "PKR", "LKR", "NPR"), "kr": _CROWNS, "kronor": _CROWNS, "kroner": _CROWNS,
    "franken": ("CHF",), "francs": ("CHF",), "zloty": ("PLN",), "zł": ("PLN",), "kč": ("CZK",),
    "forint": ("HUF",), "rubles": ("RUB",), "lira": ("TRY",), "tl": ("TRY",), "rupiah": ("IDR",),
    "rp": ("IDR",), "baht": ("THB",), "reais": ("BRL",), "dirham": ("AED", "MAD"),
}  # fmt: skip
_CODES = (
    "EUR", "USD", "GBP", "SEK", "NOK", "DKK", "ISK", "CHF", "JPY", "CNY", "CAD", "AUD", "NZD",
    "SGD", "HKD", "TWD", "MXN", "BRL", "CLP", "COP", "ARS", "PLN", "CZK", "HUF", "RON", "BGN",
    "UAH", "RUB", "INR", "PKR", "LKR", "NPR", "KRW", "IDR", "THB", "VND", "MYR", "PHP", "ILS",
    "AED", "SAR", "ZAR", "EGP", "MAD",
)  # fmt: skip
_MEANS = (
    {sign.casefold(): frozenset(codes) for sign, codes in (_SYMBOLS | _WORDS).items()}
    | {code.casefold(): frozenset([code]) for code in _CODES}
)  # fmt: skip

_NEGATION = (
    r"(?:no|not|nothing|never|without|cannot|\w+n['’]t|(?:do|does|wo|ca|should|must)nt|nicht"
    r"|nichts|nie|keine?n?|pas|non|sin|sans)"
)
# What may stand between a negation and the comparison that it turns around.
_BETWEEN = (
    r"(?:(?:want(?:ing)?|to|spend(?:ing)?|costs?|costing|pay(?:ing)?|be|being|is|it|that|which|go"
    r"(?:ing)?|priced|anything|much|mehr|kosten|ausgeben|sein|darf|soll|de|coûte[rz]?|cueste|costar"
    r")\s+){0,6}"
)
_MORE = (
    r"(?:more than|greater than|higher than|dearer than|exceed(?:s|ing)?|beyond|over|above|>"
    r"|mehr als|teurer als|über|plus de|m[aá]s de)"
)
_LESS = (
    r"(?:less than|cheaper than|lower than|under|below|<|weniger als|billiger als|günstiger als"
    r"|unter|moins de|moins cher que|menos de)"
)
_COMPARISON = rf"(?:(?P<no>{_NEGATION})\s+{_BETWEEN})?(?:(?P<more>{_MORE})|(?P<less>{_LESS}))"
_AT_MOST = (
    r"(?:up to|at (?:the )?most|max(?:imum|imal|imo)?\.?(?: of)?|bis(?: zu)?|höchstens"
    r"|jusqu['’]?(?:à|a)|au (?:plus|maximum)|hasta|como m[aá]ximo|<=|≤)"
)
_AT_LEAST = (
    r"(?:from|starting (?:at|from)|at (?:the )?least|min(?:imum|imal|imo)?\.?(?: of)?|mindestens|ab"
    r"|(?:à|a) partir de|au moins|desde|como m[ií]nimo|al menos|>=|≥)"
)
_MOST_AFTER = (
    r"(?:(?:or|and) (?:less|under|below|cheaper|lower)|at (?:the )?most|tops|max(?:imum|imal|imo)?"
    r"|(?:oder|und) (?:weniger|günstiger|billiger|darunter)|höchstens|ou moins|o menos|以下|以内)"
)
_LEAST_AFTER = (
    r"(?:(?:or|and) (?:more|over|above|up|higher)|at (?:the )?least|min(?:imum|imal|imo)?"
    r"|(?:oder|und) (?:mehr|teurer|darüber)|aufwärts|(?:ou|et) plus|(?:o|y) m[aá]s|\+|以上)"
)
_LEAD = r"(?:between|from|zwischen|von|entre|desde)"
_JOIN = r"(?:[-–—]|(?<!\w)(?:to|and|until|bis|und|et|à|a|y|hasta)(?!\w))"
_PLAIN_JOIN = r"(?:[-–—]|(?<!\w)(?:to|bis|à|a|hasta)(?!\w))"
# A bare range after one of these is a size or an age.
_MEASURE = re.compile(
    r"(?<!\w)(?:sizes?|ages?|aged|years?|numbers?|größen?|alter|tailles?|tallas?|âge|edad)\W*$",
    re.IGNORECASE,
)

_SIGN = "|".join(sorted(map(re.escape, _SYMBOLS), key=len, reverse=True))
_WORD = "|".join(sorted(map(re.escape, [*_WORDS, *_CODES]), key=len, reverse=True))
_CURRENCY = rf"(?:{_SIGN}|(?<![^\W\d])(?:{_WORD})(?![^\W\d]))"
# Digits in groups of three, or plain; then cents. "1,000" is a thousand, "12,50" is not.
_GROUP = "[ \u00a0\u2009\u202f.,'’]"
_NUMBER = rf"(?<![\d.,])(?:\d{{1,3}}(?:{_GROUP}\d{{3}})+(?:[.,]\d{{1,2}})?|\d+(?:[.,]\d{{1,2}})?)"
_GROUPING = re.compile(rf"{_GROUP}(?=\d{{3}}(?!\d))")


def _amount(n: int) -> str:
    # A sign before a number belongs to that number: in "90 $120" the 90 costs nothing.
    return (
        rf"(?:(?P<before{n}>{_CURRENCY})\s*)?(?P<number{n}>{_NUMBER})(?![.,]?\d)"
        rf"(?:[.,][-–—]+)?(?:\s*(?P<after{n}>{_CURRENCY})(?!\s*\d))?"
    )


_FORMS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?<!\w)(?P<lead>{_LEAD})\s+{_amount(1)}\s*{_JOIN}\s*{_amount(2)}",
        rf"(?<![\w.,])(?:de\s+)?{_amount(1)}\s*{_PLAIN_JOIN}\s*{_amount(2)}",
        rf"(?<!\w){_COMPARISON}\s*{_amount(1)}",
        rf"(?<!\w)(?:(?P<at_most>{_AT_MOST})|(?P<at_least>{_AT_LEAST}))\s*{_amount(1)}",
        rf"(?<![\w.,]){_amount(1)}\s*(?:(?P<most>{_MOST_AFTER})|(?P<least>{_LEAST_AFTER}))(?!\w)",
    )
]


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
    """A text without its price, and the price; `left_out` are those that filter nothing."""

    text: str
    price: PriceRange | None
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
    found = _MEANS.get(plain.casefold())
    if found is not None:
        return found
    return frozenset([plain.upper()]) if plain else frozenset()


def find_price(
    text: str, shop: frozenset[str], is_word: Callable[[str], bool] = lambda _: False
) -> FoundPrice:
    """The price that a text asks for. `shop` are the ISO codes that the catalog's prices are in.

    A bound in a currency that the shop does not use filters nothing, and is named. `is_word` tells
    numbers that the catalog writes (sizes, models): a range of those without a currency is no
    price.
    """
    least: decimal.Decimal | None = None
    most: decimal.Decimal | None = None
    asked: frozenset[str] | None = None
    left_out: list[str] = []
    bounds = list(_bounds(text, is_word))
    for bound in bounds:
        if shop and bound.currencies is not None and not bound.currencies & shop:
            left_out.append(" ".join(text[bound.start : bound.end].split()))
            continue
        least = bound.least if bound.least is not None else least
        most = bound.most if bound.most is not None else most
        asked = bound.currencies if bound.currencies is not None else asked
    rest = _without(text, bounds) if bounds else text
    if least is None and most is None:
        return FoundPrice(rest, None, tuple(left_out))
    others = asked is not None and bool(shop - asked)
    return FoundPrice(rest, PriceRange(least, most, asked if others else None), tuple(left_out))


def _bounds(text: str, is_word: Callable[[str], bool]) -> Iterator[_Bound]:
    """The phrases that bound the price, from left to right; none lies inside another."""
    taken: list[tuple[int, int]] = []
    found: list[_Bound] = []
    # A range says more than either of its ends, a comparison more than the limit inside of it.
    for form in _FORMS:
        for match in form.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            bound = _bound(match, text, is_word)
            if bound is not None:
                taken.append((bound.start, bound.end))
                found.append(bound)
    yield from sorted(found, key=lambda bound: bound.start)


def _bound(match: re.Match[str], text: str, is_word: Callable[[str], bool]) -> _Bound | None:
    parts = match.groupdict()
    signs = [parts.get(f"{side}{n}") for n in (1, 2) for side in ("before", "after")]
    meant = [_MEANS.get(sign.casefold(), frozenset()) for sign in signs if sign]
    numbers = [parts[name] for name in ("number1", "number2") if parts.get(name)]
    if not meant and not (len(numbers) == 2 and _is_bare_range(match, text, numbers, is_word)):
        return None
    # "air max 90 100-120 eur": what looks like a group may be a number of its own.
    apart = _apart(match, numbers, is_word)
    numbers[0] = numbers[0][apart:]
    amounts = [_decimal(number) for number in numbers]
    currencies = frozenset.intersection(*meant) if meant else None
    if meant and not currencies:
        return None
    least, most = _sides(parts, amounts)
    start = match.start("number1") + apart if apart else match.start()
    return _Bound(start, match.end(), least, most, currencies)


def _decimal(number: str) -> decimal.Decimal:
    return decimal.Decimal(_GROUPING.sub("", number).replace(",", "."))


def _apart(match: re.Match[str], numbers: list[str], is_word: Callable[[str], bool]) -> int:
    """How much of the first number is another one that only stands before it.

    Nothing where a bound or a currency introduces it: "under 1 000 eur".
    """
    parts = match.groupdict()
    groups = numbers[0].split(" ")
    introduced = parts.get("before1") or not (len(numbers) == 2 or parts.get("most") or
                                              parts.get("least"))  # fmt: skip
    if len(groups) == 1 or introduced or parts.get("lead"):
        return 0
    apart = len(groups[0]) + 1
    if len(numbers) == 2:
        whole, rest, other = map(_decimal, (numbers[0], numbers[0][apart:], numbers[1]))
        return apart if whole > other >= rest else 0
    return apart if is_word(groups[0]) else 0


def _sides(
    parts: dict[str, str | None], amounts: list[decimal.Decimal]
) -> tuple[decimal.Decimal | None, decimal.Decimal | None]:
    if len(amounts) == 2:
        return min(amounts), max(amounts)
    names = ("at_most", "most")
    upper = any(parts.get(name) for name in names)
    if parts.get("more") or parts.get("less"):
        upper = bool(parts.get("less")) != bool(parts.get("no"))
    return (None, amounts[0]) if upper else (amounts[0], None)


def _is_bare_range(
    match: re.Match[str], text: str, numbers: list[str], is_word: Callable[[str], bool]
) -> bool:
    """Whether "from 100 to 120" is about money: at the end of a text, and no size of the shop."""
    if not match.groupdict().get("lead") or text[match.end() :].strip(" .!?"):
        return False
    return not _MEASURE.search(text[: match.start()]) and not all(map(is_word, numbers))


def _without(text: str, bounds: list[_Bound]) -> str:
    pieces, at = [], 0
    for bound in bounds:
        pieces.append(text[at : bound.start].strip())
        at = bound.end
    pieces.append(text[at:].strip())
    return " ".join(piece for piece in pieces if piece)
