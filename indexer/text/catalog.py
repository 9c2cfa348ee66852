"""A catalog in memory: its vectors as matrices, and the words that name its products."""

import decimal
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from sys import intern

import numpy as np

from reelshelf.indexer.text.analyzer import Analyzer, AnalyzerKind, analyzer_of
from reelshelf.indexer.text.groups import Groups, common_words, groups_of
from reelshelf.indexer.text.languages import languages_of
from reelshelf.indexer.text.lookup import Numbers, Strings, Texts
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.media import Vectors

# So many products tell the languages of a catalog.
_LOOKED_AT = 300


@dataclass(frozen=True, slots=True)
class Name:
    """A product's name as words with their weights; rare words weigh more.

    `brand` are the words of its brand, which may stand beside it.
    """

    words: tuple[str, ...]
    weights: tuple[float, ...]
    brand: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """Sum of all weights."""
        return sum(self.weights)


@dataclass(frozen=True, slots=True, eq=False)
class CatalogVectors:
    """The vectors of a catalog's products, which are `n`, and of their pictures, which are `m`.

    `text` and `facts` are `(n, text_dim)`, `image` is `(m, image_dim)`; the pictures of one product
    are beside each other. `image_owner`, `(m,)`, is the place of the product that each shows.
    """

    text: Vectors
    facts: Vectors
    image: Vectors
    image_owner: Numbers
    image_uris: Sequence[str]

    @classmethod
    def of(cls, products: Sequence[EncodedProduct]) -> "CatalogVectors":
        """Those of products that are at hand."""
        images = [(i, image) for i, item in enumerate(products) for image in item.images]
        return cls(
            _stacked([item.text_vector for item in products]),
            _stacked([item.facts_vector for item in products]),
            _stacked([image.vector for _, image in images]),
            np.array([i for i, _ in images], np.intp),
            Texts.of(image.uri for _, image in images),
        )


def _stacked(vectors: Sequence[Vectors]) -> Vectors:
    return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class CatalogIndex:
    """Products in SKU order with everything that is computed once for all videos.

    `given` are their vectors, where they are not with the products themselves.
    """

    products: Sequence[EncodedProduct]
    analyzer: Analyzer
    given: CatalogVectors | None = None

    @classmethod
    def of(cls, products: Sequence[EncodedProduct], kind: AnalyzerKind = "icu") -> "CatalogIndex":
        """Sort by SKU, so that ties fall the same way in every run.

        Words are those of the analyzer `kind` for the languages of the catalog.
        """
        ranked = tuple(sorted(products, key=lambda item: item.product.sku))
        return cls(ranked, analyzer_for([item.product for item in ranked], kind))

    def __len__(self) -> int:
        return len(self.products)

    def __getstate__(self) -> dict[str, object]:
        # Names and words are what matchers are made of: they keep what they need of them.
        return {name: value for name, value in self.__dict__.items() if name not in _MADE_AGAIN}

    def product(self, place: int) -> Product:
        """The product at a place."""
        return self.products[place].product

    @cached_property
    def index_of(self) -> Strings:
        """Place of each SKU."""
        return Strings(Texts.of(item.product.sku for item in self.products))

    @cached_property
    def vectors(self) -> CatalogVectors:
        """All vectors."""
        return self.given or CatalogVectors.of(self.products)

    @property
    def text_vectors(self) -> Vectors:
        """`(products, text_dim)`."""
        return self.vectors.text

    @property
    def facts_vectors(self) -> Vectors:
        """`(products, text_dim)`."""
        return self.vectors.facts

    @cached_property
    def groups(self) -> Groups:
        """Which products are variants of one thing."""
        return groups_of(self.products, self.analyzer)

    def group_id(self, group: int) -> str | None:
        """What a group of several is called; None for a product alone."""
        members = self.groups.members[group]
        if len(members) < 2:
            return None
        first = self.product(int(members[0]))
        return first.group_id or first.sku

    def groups_with(self, skus: Iterable[str]) -> list[int]:
        """The groups that some SKUs are of, each once; SKUs that are not there are of none."""
        places = (self.index_of.get(sku) for sku in skus)
        return list(dict.fromkeys(int(self.groups.of[p]) for p in places if p is not None))

    @cached_property
    def titles(self) -> tuple[tuple[str, ...], ...]:
        """The words that each product is named by."""
        return tuple(_title_words(item.product.title, self.analyzer) for item in self.products)

    @cached_property
    def names(self) -> tuple[Name, ...]:
        """Each title with its words weighed by their rarity among all titles."""
        return _weighed(self.titles)

    @cached_property
    def group_names(self) -> tuple[Name, ...]:
        """For each group the words that its titles have in common, weighed among groups."""
        own = (
            [self.titles[place] for place in members.tolist()] for members in self.groups.members
        )
        names = _weighed([tuple(common_words(titles)) for titles in own])
        firsts = self.groups.members.values[self.groups.members.starts[:-1]].tolist()
        brands = {
            place: tuple(self.analyzer.words(brand))
            for place, item in enumerate(self.products)
            if (brand := item.product.brand)
        }
        return tuple(
            replace(name, brand=brands[first]) if first in brands else name
            for name, first in zip(names, firsts, strict=True)
        )

    @cached_property
    def prices(self) -> Counter[decimal.Decimal]:
        """How many groups have a product of each price."""
        priced = {
            (int(self.groups.of[place]), item.product.price)
            for place, item in enumerate(self.products)
            if item.product.price is not None
        }
        return Counter(price for _, price in priced)

    @cached_property
    def codes(self) -> dict[str, int]:
        """SKUs that may stand in a text, in the form that they have there, with their products."""
        return {
            code: i
            for i, item in enumerate(self.products)
            if (code := self.code_of(item.product)) is not None
        }

    def code_of(self, product: Product) -> str | None:
        """The SKU of a product in the form that it has in a text; None where it says nothing."""
        code = "".join(self.analyzer.words(product.sku))
        return code if len(code) >= 5 and any(c.isdigit() for c in code) else None


_MADE_AGAIN = frozenset(["titles", "names", "group_names", "codes"])


def analyzer_for(products: Sequence[Product], kind: AnalyzerKind) -> Analyzer:
    """The analyzer of that name for the languages of a catalog.

    They are given, or else found in some of its products, spread over all.
    """
    if kind == "simple":
        return analyzer_of(kind)
    step = -(-len(products) // _LOOKED_AT)
    languages = languages_of(
        (f"{product.title}. {product.description or ''}", product.language)
        for product in products[:: step or 1]
    )
    return analyzer_of(kind, languages)


def _title_words(title: str, analyzer: Analyzer) -> tuple[str, ...]:
    all_words = list(dict.fromkeys(analyzer.words(title)))
    kept = [word for word in all_words if not analyzer.is_stopword(word)] or all_words
    # One object for a word that many titles have.
    return tuple(map(intern, kept))


def _weighed(titles: Sequence[tuple[str, ...]]) -> tuple[Name, ...]:
    """Names whose words weigh their inverse document frequency (Spärck Jones 1972)."""
    seen = Counter(word for title in titles for word in set(title))
    weights = {word: math.log(1.0 + len(titles) / count) for word, count in seen.items()}
    return tuple(Name(title, tuple(weights[word] for word in title)) for title in titles)
