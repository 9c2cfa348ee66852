"""Prices as shops write them: "1.299,00 EUR", "$1,299.00", "Rp 150.000", "¥1,999".

Codes, symbols and how many decimals a currency has are those of Unicode's CLDR, by Babel. Which
sign parts thousands is read from the number itself, or from its currency. A number that may be read
in two ways is refused: "1.299" without a currency is 1299 to one shop and 1.299 to another.
"""

import decimal
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.languages import get_official_languages
from babel.numbers import get_currency_precision, get_territory_currencies, list_currencies

# What people write and CLDR does not list, since there it is a word of a pattern.
_WORDS: Mapping[str, str] = {
    "元": "CNY", "円": "JPY", "원": "KRW", "บาท": "THB", "руб": "RUB", "р": "RUB", "грн": "UAH",
}  # fmt: skip
_LONGEST = 80
_DIGIT_SIGNS = str.maketrans({"٫": ".", "٬": "'", "’": "'", "ʼ": "'", "´": "'"})
# A point behind a letter belongs to an abbreviation: "Rs.999" is no fraction.
_MONEY = re.compile(
    r"(?P<before>[^\d]*?)\s*(?P<number>(?:(?<![^\W\d_])[.,])?\d[\d.,' ]*?)(?P<after>\s*[^\d]*)"
)
# A number in a text with what stands beside it: a sign, or a word as short as a currency's.
_NUMBERS = re.compile(
    r"(?:(?P<before>[^\W\d_]{0,2}[^\w\s.,;:!?()/+-]{1,2}|[^\W\d_]{1,4}\.?)\s?)?"
    r"(?<![\d.,])(?P<number>\d{1,3}(?:[' ]\d{3})+(?:[.,]\d{1,2})?|\d[\d.,']*\d|\d)(?![\d])"
    r"(?:\s?(?P<after>[^\W\d_]{1,4}\b|[^\w\s.,;:!?()/+-]{1,2}))?"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+|\d{1,3}(?:,\d{3})+")
_WITH_CENTS = re.compile(r"[.,]\d\d$")
_LONGEST_TEXT = 2000
_NO_CENTS = re.compile(r"[.,]\s*[-–—]+$")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount, and the ISO 4217 code of its currency where one is known."""

    amount: decimal.Decimal
    currency: str | None


def read_money(text: str, *, currency: str | None = None, language: str | None = None) -> Money:
    """The price that a text states; `currency` is what is known of it from elsewhere.

    Raises ValueError in words where the text is no price, may be read in two ways, or contradicts
    `currency`.
    """
    if len(text) > _LONGEST:
        raise ValueError("is too long for a price")
    plain = "".join(_ascii_digit(c) for c in unicodedata.normalize("NFKC", text))
    plain = " ".join(plain.translate(_DIGIT_SIGNS).split())
    plain = _NO_CENTS.sub("", plain)
    found = _MONEY.fullmatch(plain)
    if found is None:
        raise ValueError("is no price")
    words = [part.strip() for part in (found["before"], found["after"])]
    named = [word for word in words if word]
    if any(word in ("-", "–", "—", "−") for word in words) or words[0].endswith("-"):
        raise ValueError("is no price: it has a sign of its own")
    codes = {_code(word, currency, language) for word in named} - {None}
    if len(codes) > 1 or (currency is not None and codes and codes != {currency}):
        others = sorted(str(code) for code in {*codes, currency} - {None})
        raise ValueError(f"names several currencies: {', '.join(others)}")
    code = next(iter(codes), currency)
    # Where a symbol may mean several currencies, all of them have to agree on the number.
    meant = {code} if code else {c for word in named for c in _symbols().get(_bare(word), ())}
    decimals = frozenset(get_currency_precision(one) for one in meant)
    return Money(_amount(found["number"].strip(), decimals), code)


def usual_currency(used: Mapping[str, int]) -> str | None:
    """What a number without a currency is in: what most products are in, "" being none."""
    named = {currency: count for currency, count in used.items() if currency}
    return max(sorted(named), key=named.__getitem__, default=None)


def prices_in(text: str, *, currency: str | None = None) -> list[Money]:
    """The prices that stand in a text.

    A number is one where a currency stands beside it, or where it has cents. `currency` is that of
    numbers without one, and what a sign means that several countries share.
    """
    plain = "".join(_ascii_digit(c) for c in unicodedata.normalize("NFKC", text[:_LONGEST_TEXT]))
    found = (
        _price_of(match, currency) for match in _NUMBERS.finditer(plain.translate(_DIGIT_SIGNS))
    )
    return [price for price in found if price is not None]


def _price_of(match: re.Match[str], currency: str | None) -> Money | None:
    """The price that a number with its neighbors is; None where it is none."""
    number = match["number"].strip()
    for sign in filter(None, (match["before"], match["after"])):
        meant = _symbols().get(_bare(sign), frozenset())
        code = currency if currency in meant else currency_code(sign)
        # "top 5" is no five paʻanga: codes are written in capitals.
        if code is not None and not (code == sign.upper() != sign and code != currency):
            written = number
            # Three decimals are cents of few currencies, whatever a catalog would have to be asked.
            if _THOUSANDS.fullmatch(number) and get_currency_precision(code) != 3:
                written = number.replace(".", "").replace(",", "")
            with suppress(ValueError):
                return read_money(written, currency=code)
    if _WITH_CENTS.search(number):
        with suppress(ValueError):
            return read_money(number, currency=currency)
    return None


def currency_code(text: str, language: str | None = None) -> str | None:
    """The ISO 4217 code that a code or symbol stands for; None where it is none or may be several.

    Of a symbol that several countries share, the one in `language` is meant, else that which CLDR
    gives it in English ("$" is USD).
    """
    word = text.strip().strip("\u200e\u200f").strip()
    if word.upper() in list_currencies():
        return word.upper()
    for locale in (_locale(language), Locale("en")):
        own = _own_symbols(locale) if locale is not None else {}
        if word in own:
            return own[word]
    meant = _symbols().get(_bare(word), frozenset())
    return next(iter(meant)) if len(meant) == 1 else _WORDS.get(_bare(word))


def _code(word: str, currency: str | None, language: str | None) -> str | None:
    """What a word beside a number says of its currency. Raises ValueError where it is none."""
    code = currency_code(word, language)
    meant = _symbols().get(_bare(word), frozenset())
    if code is None and not meant:
        raise ValueError(f"is no price: {word[:20]!r} is no currency")
    # "$" beside a column that says CAD means that.
    return currency if currency in meant else code


def _amount(number: str, decimals: frozenset[int]) -> decimal.Decimal:
    """A number without its currency, of which `decimals` says how many decimals it may have.

    Raises ValueError where it is none, or may be two.
    """
    signs = [c for c in number if not c.isdigit()]
    kinds = set(signs)
    if not kinds:
        return decimal.Decimal(number)
    last = signs[-1]
    if len(kinds) == 1 and len(signs) > 1:
        return _grouped(number, last)
    if len(kinds) == 1:
        return _one_sign(number, last, decimals)
    whole, _, cents = number.rpartition(last)
    grouping = kinds - {last}
    if last in "' " or len(grouping) > 1 or signs.count(last) > 1 or not cents:
        raise ValueError("is no price: its separators contradict each other")
    return _grouped(whole, next(iter(grouping))) + decimal.Decimal(f"0.{cents}")


def _one_sign(number: str, sign: str, decimals: frozenset[int]) -> decimal.Decimal:
    whole, _, rest = number.partition(sign)
    if sign in "' ":
        return _grouped(number, sign)
    fraction = decimal.Decimal(f"{whole or '0'}.{rest or '0'}")
    if len(rest) != 3 or len(whole) > 3 or not whole.strip("0"):
        if sign == "," and len(rest) > 3:
            raise ValueError("is no price: more than three digits follow its comma")
        return fraction
    if decimals == {3} and sign == ".":
        return fraction
    # Nobody writes a comma before a third decimal of a currency that has two.
    if decimals == {0} or (decimals and decimals <= {0, 2} and sign == ","):
        return _grouped(number, sign)
    raise ValueError(
        f"is ambiguous: it may be {whole}{rest} or {whole}.{rest}; write {whole}{rest}.00 or "
        f"{whole}.{rest}0"
    )


def _grouped(number: str, sign: str) -> decimal.Decimal:
    """A number whose thousands are parted; in India all but the last group have two digits."""
    groups = number.split(sign)
    sizes = [len(group) for group in groups]
    middle = set(sizes[1:-1])
    whole = 1 <= sizes[0] <= 3 and sizes[-1] == 3 and (middle <= {3} or middle <= {2})
    if not whole:
        raise ValueError("is no price: its separators stand at places where none parts thousands")
    return decimal.Decimal("".join(groups))


def _ascii_digit(char: str) -> str:
    """Arabic, Devanagari and other decimal digits as 0 to 9."""
    digit = unicodedata.decimal(char, None)
    return char if digit is None else str(digit)


def _bare(symbol: str) -> str:
    return "".join(symbol.split()).strip("\u200b\u200e\u200f").rstrip(".").casefold()


def _locale(language: str | None) -> Locale | None:
    if not language:
        return None
    try:
        return Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return None


@cache
def _own_symbols(locale: Locale) -> dict[str, str]:
    """Symbols as one language has them, each with its code; those of codes alone left out."""
    return {
        unicodedata.normalize("NFKC", symbol).strip("\u200e\u200f"): code
        for code, symbol in locale.currency_symbols.items()
        if symbol != code and code in list_currencies()
    }


@cache
def _symbols() -> dict[str, frozenset[str]]:
    """Symbols as the countries write them that use the currency, with the codes that each means."""
    found: dict[str, set[str]] = defaultdict(set)
    for territory in get_global("territory_currencies"):
        codes = get_territory_currencies(territory)
        for language in get_official_languages(territory):
            locale = _locale(f"{language}_{territory}")
            if locale is None:
                continue
            for code in codes:
                symbol = locale.currency_symbols.get(code, code)
                if symbol != code and _bare(symbol):
                    found[_bare(unicodedata.normalize("NFKC", symbol))].add(code)
    for symbol, code in _own_symbols(Locale("en")).items():
        found[_bare(symbol)].add(code)
    return {symbol: frozenset(codes) for symbol, codes in found.items()}
