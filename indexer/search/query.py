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

_NUMBER = r"(\d+(?:[.,]\d{1,2})?)"
_MONEY = r"(?:[€$£]|\b(?:eur|euros?|usd|dollars?|gbp|pounds?|sek|kr|chf)\b)?"
_AMOUNT = rf"{_MONEY}\s*{_NUMBER}\s*{_MONEY}"
_UNDER = r"(?:under|below|up to|less than|cheaper than|at most|max|unter|bis|moins de|menos de|<=?)"
_OVER = r"(?:over|above|more than|from|at least|min|über|ab|plus de|más de|>=?)"
_BETWEEN = r"(?:between|zwischen|entre)"
_AND = r"(?:and|und|et|y|-|to)"
_PRICES = (
    (re.compile(rf"{_BETWEEN}\s+{_AMOUNT}\s*{_AND}\s*{_AMOUNT}", re.IGNORECASE), "between"),
    (re.compile(rf"(?<!\w){_UNDER}\s*{_AMOUNT}", re.IGNORECASE), "most"),
    (re.compile(rf"(?<!\w){_OVER}\s*{_AMOUNT}", re.IGNORECASE), "least"),
)
_HAS_MONEY = re.compile(r"[€$£]|\b(?:eur|euros?|usd|dollars?|gbp|pounds?|sek|kr|chf)\b", re.I)


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
    """The price asked for, and the text without it. A bare number is a price only with money."""
    for pattern, kind in _PRICES:
        match = pattern.search(text)
        if match is None or not (_HAS_MONEY.search(match[0]) or kind == "between"):
            continue
        amounts = [decimal.Decimal(group.replace(",", ".")) for group in match.groups()]
        rest = f"{text[: match.start()]} {text[match.end() :]}".strip()
        if kind == "between":
            return PriceRange(min(amounts), max(amounts)), rest
        bounds = (None, amounts[0]) if kind == "most" else (amounts[0], None)
        return PriceRange(*bounds), rest
    return None, text
