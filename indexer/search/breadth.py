"""Broad queries: those that name a category or a brand, and no product.

"shoes" asks for the shoes of a shop, all of them alike; "red shoes" for the red ones. Words are
compared by their stems.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer, base_form
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.catalog import Product

Key = TypeVar("Key", bound=Hashable)
Phrase: TypeAlias = tuple[str, ...]
Products: TypeAlias = npt.NDArray[np.bool_]


class Facets:
    """The products of each category, brand and attribute value, by its words."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._analyzer = analyzer = catalog.analyzer
        products = [item.product for item in catalog.products]
        self._facets = places_of(_phrases(_facet_names(p), analyzer) for p in products)
        self._values = places_of(_phrases((v for _, v in p.attributes), analyzer) for p in products)
        self._longest = max(map(len, [*self._facets, *self._values]), default=0)
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


def places_of(keys: Iterable[Iterable[Key]]) -> dict[Key, Numbers]:
    """For each key the places of those that have it, in order."""
    found: dict[Key, list[int]] = defaultdict(list)
    for place, own in enumerate(keys):
        for key in own:
            found[key].append(place)
    return {key: np.array(places, np.intp) for key, places in found.items()}


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
