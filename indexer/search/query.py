"""What a shopper's words ask for: spelling mended, and filters recognised in the text.

Nothing here is bound to one language but the few words for "under", "over" and "between", which
stand in a table. Everything else is learned from the catalogue: its words, brands, categories and
attribute values.
"""

import decimal
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from indexer.linking.catalogue import LinkingCatalogue, words
from schemas.catalog import Product

# Digits in groups of three, or plain; then cents. "1,000" is a thousand, "12,50" is not.
_NUMBER = r"(\d{1,3}(?:[,.']\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?![.,]?\d)"
_GROUPING = re.compile(r"[,.'](?=\d{3}(?!\d))")
_CURRENCY = r"(?:[€$£]|(?<![^\W\d])(?:eur|euros?|usd|dollars?|gbp|pounds?|sek|kr|chf)(?![^\W\d]))"
# A sign before a number belongs to that number: in "90 $120" the 90 costs nothing.
_AMOUNT = rf"(?:{_CURRENCY}\s*)?{_NUMBER}(?:\s*{_CURRENCY}(?!\s*\d))?"
_UNDER = r"(?:under|below|up to|less than|cheaper than|at most|max|unter|bis|moins de|menos de|<=?)"
_OVER = r"(?:over|above|more than|from|at least|min|über|ab|plus de|más de|>=?)"
_BETWEEN = r"(?:between|zwischen|entre)"
_AND = r"(?:and|und|et|y|-|to)"
_RANGE = re.compile(rf"(?<!\w){_BETWEEN}\s+{_AMOUNT}\s*{_AND}\s*{_AMOUNT}", re.IGNORECASE)
_MOST = re.compile(rf"(?<!\w){_UNDER}\s*{_AMOUNT}", re.IGNORECASE)
_LEAST = re.compile(rf"(?<!\w){_OVER}\s*{_AMOUNT}", re.IGNORECASE)
_HAS_MONEY = re.compile(_CURRENCY, re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PriceRange:
    """A wanted price; None where there is no bound."""

    least: decimal.Decimal | None
    most: decimal.Decimal | None

    def admits(self, price: decimal.Decimal | None) -> bool:
        """Whether a price lies inside. An unknown price does not."""
        if price is None:
            return False
        low = self.least is None or price >= self.least
        return low and (self.most is None or price <= self.most)


@dataclass(frozen=True, slots=True)
class Query:
    """A query after analysis.

    `text` is what was asked without its price; `mended` the same with spelling mended against the
    catalogue. `brands`, `categories` and `values` (of attributes, colours among them) are those of
    the catalogue that the text names, as word tuples.
    """

    text: str
    mended: str
    price: PriceRange | None
    brands: frozenset[tuple[str, ...]]
    categories: frozenset[tuple[str, ...]]
    values: frozenset[tuple[str, ...]]


class QueryAnalyser:
    """Knows the words of one catalogue."""

    def __init__(self, catalogue: LinkingCatalogue) -> None:
        products = [item.product for item in catalogue.products]
        self._categories = _phrases(part for p in products for part in p.category)
        self._values = _phrases(value for p in products for _, value in p.attributes)
        # "apple" is a brand and a fruit: where a word may mean either, nothing is left out for it.
        brands = _phrases(p.brand for p in products if p.brand)
        self._brands = brands - self._categories - self._values
        named = [w for p in products for text in _names(p) for w in words(text)]
        self._vocabulary = sorted({word for word in named if len(word) >= 4})
        # A word that any description uses is spelt right, whatever it resembles.
        described = {w for p in products for w in words(p.description or "")}
        self._known = described | set(named)

    def analyse(self, text: str) -> Query:
        """Analyse what a shopper typed."""
        price, rest = _price(text)
        mended = [self._mend(word) for word in words(rest)]
        return Query(
            text=rest,
            mended=" ".join(mended),
            price=price,
            brands=_named_in(mended, self._brands),
            categories=_named_in(mended, self._categories),
            values=_named_in(mended, self._values),
        )

    def _mend(self, word: str) -> str:
        """The catalogue's word that a misspelt one is nearest to, by edits and swaps (OSA)."""
        if word in self._known or len(word) < 4 or any(c.isdigit() for c in word):
            return word
        most = 1 if len(word) <= 5 else 2
        hit = process.extractOne(word, self._vocabulary, scorer=OSA.distance, score_cutoff=most)
        return hit[0] if hit else word


def _names(product: Product) -> list[str]:
    values = [value for _, value in product.attributes]
    return [product.title, product.brand or "", *product.category, *values]


def _phrases(texts: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(phrase for text in texts if (phrase := tuple(words(text))))


def _named_in(
    asked: Sequence[str], phrases: frozenset[tuple[str, ...]]
) -> frozenset[tuple[str, ...]]:
    found = [p for p in phrases if any(
        tuple(asked[i : i + len(p)]) == p for i in range(len(asked) - len(p) + 1)
    )]  # fmt: skip
    return frozenset(found)


def _price(text: str) -> tuple[PriceRange | None, str]:
    """The price asked for, and the text without it. Without a currency a number is no price."""
    both, rest = _amounts(_RANGE, text)
    if both:
        return PriceRange(min(both), max(both)), rest
    most, rest = _amounts(_MOST, text)
    least, rest = _amounts(_LEAST, rest)
    if not most and not least:
        return None, text
    return PriceRange(least[0] if least else None, most[0] if most else None), rest


def _amounts(pattern: re.Pattern[str], text: str) -> tuple[list[decimal.Decimal], str]:
    """The amounts of the first match that names a currency, and the text without it."""
    for match in pattern.finditer(text):
        if _HAS_MONEY.search(match[0]):
            found = [_GROUPING.sub("", group).replace(",", ".") for group in match.groups()]
            rest = f"{text[: match.start()].rstrip()} {text[match.end() :].lstrip()}".strip()
            return [decimal.Decimal(amount) for amount in found], rest
    return [], text
