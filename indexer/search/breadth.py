"""Broad queries: those that name a category or a brand, and no product.

"shoes" asks for the shoes of a shop, all of them alike; "red shoes" for the red ones. Words are
compared by their stems.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer, base_form
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import Product

Phrase: TypeAlias = tuple[str, ...]
Products: TypeAlias = npt.NDArray[np.bool_]


class Facets:
    """The products of each category, brand and attribute value, by its words."""

    def __init__(self, catalog: CatalogIndex) -> None:
        facets: dict[Phrase, list[int]] = defaultdict(list)
        values: dict[Phrase, list[int]] = defaultdict(list)
        self._analyzer = analyzer = catalog.analyzer
        for place, item in enumerate(catalog.products):
            for phrase in _phrases(_facet_names(item.product), analyzer):
                facets[phrase].append(place)
            for phrase in _phrases((value for _, value in item.product.attributes), analyzer):
                values[phrase].append(place)
        self._facets = {phrase: np.array(places, np.intp) for phrase, places in facets.items()}
        self._values = {phrase: np.array(places, np.intp) for phrase, places in values.items()}
        self._longest = max(map(len, [*facets, *values]), default=0)
        self._products = len(catalog)

    def named_by(self, query: str) -> Products | None:
        """`(products,)` which have all that a query names; None where it names anything else."""
        phrases = self._split(_told(query, self._analyzer))
        if not any(phrase in self._facets for phrase in phrases):
            return None
        inside = np.ones(self._products, bool)
        for phrase in phrases:
            own = np.zeros(self._products, bool)
            for places in (self._facets.get(phrase), self._values.get(phrase)):
                if places is not None:
                    own[places] = True
            inside &= own
        return inside if inside.any() else None

    def _split(self, asked: Sequence[str]) -> list[Phrase]:
        """The query as names of facets and values, longest first; none where a word is left."""
        phrases: list[Phrase] = []
        at = 0
        while at < len(asked):
            lengths = range(min(self._longest, len(asked) - at), 0, -1)
            named = (tuple(asked[at : at + length]) for length in lengths)
            phrase = next((p for p in named if p in self._facets or p in self._values), None)
            if phrase is None:
                return []
            phrases.append(phrase)
            at += len(phrase)
        return phrases


def _facet_names(product: Product) -> list[str]:
    return [*product.category, *([product.brand] if product.brand else [])]


def _phrases(names: Iterable[str], analyzer: Analyzer) -> set[Phrase]:
    # Stopwords are taken out of queries, so out of names too: "Home and Garden".
    found = (
        _told(name, analyzer) or [base_form(word, analyzer) for word in analyzer.words(name)]
        for name in names
    )
    return {tuple(phrase) for phrase in found if phrase}


def _told(text: str, analyzer: Analyzer) -> list[str]:
    """The words of a text that say something, each in the form that its other forms share."""
    said = (word for word in analyzer.words(text) if not analyzer.is_stopword(word))
    return [base_form(word, analyzer) for word in said]
