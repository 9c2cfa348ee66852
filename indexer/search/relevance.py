"""Which products a query asks for: relevance in 0..1 for each product of the catalog.

Words first: a product is asked for as far as the query's words, rare ones counting more, stand in
what the shop says of it, and as far as its name stands in the query. Meaning second: query and
product text as sentences. The best product holds the field, and the others fall behind it fast: a
shopper who names one apple does not ask for all of them. A broad query does: one that names a
category or a brand, and no product.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.breadth import Facets, Products, places_of
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import CatalogIndex, Name
from reelshelf.indexer.text.names import NameIndex
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.spaces import cosine_scale

_TITLE, _CATEGORY, _DESCRIPTION = 1.0, 0.9, 0.6
# Cosines of sentences below the first have nothing in common, above the second say the same.
_UNLIKE, _ALIKE = 0.15, 0.95
# A name found this far counts as named; less of it is a few shared words.
_NAMED = 0.9
# What the words themselves count beside their meaning.
_LEXICAL = 0.3
_BESIDES = 0.8
_RIVALRY = 0.12
# A product outside of a brand that the query names is hardly what it asks for. A category is often
# named in passing: "apple drink" asks for no apple.
_OUTSIDE_BRAND, _OUTSIDE_CATEGORY, _OUTSIDE_VALUES = 0.5, 0.85, 0.85
# What a broad query asks for; how near a product comes besides orders them a little.
_BROADLY, _NEARNESS = 0.8, 0.1


@dataclass(frozen=True, slots=True)
class _Described:
    """The words of a product with what a match there is worth."""

    words: Mapping[str, float]
    brand: tuple[str, ...]
    categories: frozenset[tuple[str, ...]]
    values: frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Posting:
    """The products that have a word, in order, and what it is worth in each."""

    products: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]


class ProductRelevance:
    """The catalog prepared for many queries."""

    def __init__(self, catalog: CatalogIndex, text_space: str = "") -> None:
        self._catalog = catalog
        self._cosine_scale = cosine_scale(text_space)
        self._facets = Facets(catalog)
        self._words = catalog.analyzer
        described = [_describe(item.product, self._words) for item in catalog.products]
        self._products = len(described)
        self._worth = _postings([item.words.items() for item in described])
        self._brands = places_of([item.brand] for item in described)
        self._categories = places_of(item.categories for item in described)
        self._values = places_of(item.values for item in described)
        self._named = _postings([_by_form(name, self._words).items() for name in catalog.names])
        self._names = NameIndex(catalog.names, catalog.words.codes, catalog.analyzer)
        self._totals = np.array([name.total or 1.0 for name in catalog.names])
        count = max(self._products, 1)
        self._rarity = {
            word: math.log(1.0 + count / len(posting.products))
            for word, posting in self._worth.items()
        }
        self._rarest = math.log(1.0 + count)

    def of_text(
        self, query: Query, vector: Vectors, admitted: Vectors, broad: Products | None = None
    ) -> Vectors:
        """`(products,)` relevance of an analyzed query whose sentence vector is `vector`.

        `admitted`, `(products,)`, is 0 for products that a filter leaves out: they hold no field.
        `broad` is what `broad` says of the query.
        """
        relevance = self._plain(query, vector)
        if broad is None:
            return _rivaled(relevance * admitted)
        # A product that is named as well stays ahead of the others.
        asked = np.where(relevance >= 1, 1.0, _BROADLY + _NEARNESS * relevance)
        # The rest rivals what is asked for, and not the other way round.
        rest = _rivaled(np.where(broad, 1.0, relevance).astype(np.float32) * admitted)
        return np.asarray(np.where(broad, asked * admitted, rest), np.float32)

    def broad(self, query: Query) -> Products | None:
        """`(products,)` which a broad query asks for alike; all where it names only a price.

        None where it asks for something of its own.
        """
        if not query.corrected and query.price is not None:
            return np.ones(len(self._catalog), bool)
        return self._facets.named_by(query.corrected)

    def _plain(self, query: Query, vector: Vectors) -> Vectors:
        """`(products,)` how near each product comes to a query, by words, names and meaning."""
        similarity = self._catalog.facts_vectors @ vector / self._cosine_scale
        meaning = np.clip((similarity - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
        relevance = _LEXICAL * self._lexical(query) + (1.0 - _LEXICAL) * meaning
        relevance *= self._inside(query)
        for match in self._names.find(query.corrected):
            if match.coverage >= _NAMED:
                relevance[match.number] = max(relevance[match.number], match.coverage)
        return np.asarray(relevance, np.float32)

    def of_image(self, similarity: Mapping[int, float], admitted: Vectors) -> Vectors:
        """The same for a picture, from the cosine of each near product's best picture."""
        relevance = np.zeros(len(self._catalog), np.float32)
        for product, cosine in similarity.items():
            relevance[product] = max(cosine, 0.0)
        return _rivaled(relevance * admitted)

    def named(self, text: str) -> Products:
        """`(products,)` which have all words of a text in their names, categories and values."""
        found = np.ones(self._products, bool)
        for word in self._words.words(text):
            found &= self._best(self._worth, word) >= _CATEGORY
        return found

    def _lexical(self, query: Query) -> Vectors:
        """Share of the query's words, by rarity, that stand in each product.

        Of two products that have them all, the one whose title says less besides is meant.
        """
        asked = [word for word in dict.fromkeys(self._words.words(query.corrected)) if _says(word)]
        weights = {word: self.weight(word) for word in asked}
        total = sum(weights.values()) or 1.0
        found = np.zeros(self._products)
        for word, weight in weights.items():
            found += weight * self._best(self._worth, word)
        own = np.zeros(self._products)
        for word in asked:
            own += self._best(self._named, word)
        own = np.minimum(own, self._totals)
        share = found / total * (_BESIDES + (1.0 - _BESIDES) * own / self._totals)
        return np.asarray(share**2, np.float32)

    def _best(self, postings: Mapping[str, _Posting], word: str) -> npt.NDArray[np.float64]:
        """`(products,)` what a word, in any of its forms, is worth in each product."""
        best = np.zeros(self._products)
        for form in self._words.forms(word):
            if (posting := postings.get(form)) is not None:
                best[posting.products] = np.maximum(best[posting.products], posting.values)
        return best

    def weight(self, word: str) -> float:
        """How much a word narrows down what is asked for; one that no product has does most."""
        forms = [self._rarity[f] for f in self._words.forms(word) if f in self._rarity]
        return min(forms) if forms else self._rarest

    def _inside(self, query: Query) -> Vectors:
        """1 for products of the brand, category and values that the query names, else less."""
        factors = np.ones(self._products, np.float32)
        for asked, having, outside in (
            (query.brands, self._brands, _OUTSIDE_BRAND),
            (query.categories, self._categories, _OUTSIDE_CATEGORY),
            (query.values, self._values, _OUTSIDE_VALUES),
        ):
            if asked:
                others = np.ones(self._products, bool)
                for phrase in asked:
                    others[having.get(phrase, [])] = False
                factors[others] *= outside
        return factors


def _describe(product: Product, analyzer: Analyzer) -> _Described:
    words = analyzer.words
    worth: dict[str, float] = {}
    values = [value for _, value in product.attributes]
    for texts, value in (
        ([product.title, product.brand or ""], _TITLE),
        ([*product.category, *values], _CATEGORY),
        ([product.description or ""], _DESCRIPTION),
    ):
        for word in (word for text in texts for word in words(text)):
            for form in (word, *analyzer.stems(word)):
                worth.setdefault(form, value)
    return _Described(
        worth,
        tuple(words(product.brand or "")),
        frozenset(tuple(words(part)) for part in product.category),
        frozenset(tuple(words(value)) for value in values),
    )


def _postings(described: Iterable[Iterable[tuple[str, float]]]) -> dict[str, _Posting]:
    """For each word, the products that have it: a query looks at those and at no others."""
    stored: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for product, pairs in enumerate(described):
        for word, value in pairs:
            stored[word].append((product, value))
    return {
        word: _Posting(
            np.array([product for product, _ in pairs], np.intp),
            np.array([value for _, value in pairs], np.float64),
        )
        for word, pairs in stored.items()
    }


def _by_form(name: Name, analyzer: Analyzer) -> dict[str, float]:
    """The weights of a name's words, by each form that a query may have them in."""
    found: dict[str, float] = {}
    for word, weight in zip(name.words, name.weights, strict=True):
        for form in (word, *analyzer.stems(word)):
            found[form] = max(found.get(form, 0.0), weight)
    return found


def _says(word: str) -> bool:
    """Whether a word is more than a letter; a Chinese character, or a Korean one, is a word."""
    return len(word) > 1 or not word.isascii()


def _rivaled(relevance: Vectors) -> Vectors:
    """Each relevance, falling off with its distance to the best one."""
    if not relevance.size:
        return relevance
    return np.asarray(relevance * np.exp((relevance - relevance.max()) / _RIVALRY), np.float32)
