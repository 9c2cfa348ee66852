"""A catalog in memory: its vectors as matrices, and the words that name its products."""

import decimal
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer, AnalyzerKind, analyzer_of
from reelshelf.indexer.text.groups import Groups, common_words, groups_of
from reelshelf.indexer.text.languages import languages_of
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


@dataclass(frozen=True)
class CatalogIndex:
    """Products in SKU order with everything that is computed once for all videos."""

    products: tuple[EncodedProduct, ...]
    analyzer: Analyzer

    @classmethod
    def of(cls, products: Sequence[EncodedProduct], kind: AnalyzerKind = "icu") -> "CatalogIndex":
        """Sort by SKU, so that ties fall the same way in every run.

        Words are those of the analyzer `kind` for the languages of the catalog.
        """
        ranked = tuple(sorted(products, key=lambda item: item.product.sku))
        return cls(ranked, analyzer_for([item.product for item in ranked], kind))

    def __len__(self) -> int:
        return len(self.products)

    @cached_property
    def index_of(self) -> dict[str, int]:
        """Place of each SKU."""
        return {item.product.sku: i for i, item in enumerate(self.products)}

    @cached_property
    def text_vectors(self) -> Vectors:
        """`(products, text_dim)`."""
        return np.stack([item.text_vector for item in self.products])

    @cached_property
    def facts_vectors(self) -> Vectors:
        """`(products, text_dim)`."""
        return np.stack([item.facts_vector for item in self.products])

    @cached_property
    def image_vectors(self) -> Vectors:
        """`(pictures, image_dim)` of all products."""
        return np.stack([image.vector for item in self.products for image in item.images])

    @cached_property
    def image_owner(self) -> npt.NDArray[np.intp]:
        """`(pictures,)` place of the product each picture shows."""
        return np.array(
            [i for i, item in enumerate(self.products) for _ in item.images], dtype=np.intp
        )

    @cached_property
    def image_uris(self) -> tuple[str, ...]:
        """Name of each picture."""
        return tuple(image.uri for item in self.products for image in item.images)

    @cached_property
    def groups(self) -> Groups:
        """Which products are variants of one thing."""
        return groups_of(self.products, self.analyzer)

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
        return tuple(
            replace(name, brand=tuple(self.analyzer.words(brand)))
            if (brand := self.products[int(members[0])].product.brand)
            else name
            for name, members in zip(names, self.groups.members, strict=True)
        )

    @cached_property
    def packaging_terms(self) -> dict[str, npt.NDArray[np.intp]]:
        """Words that may stand on products (of pictures, title and brand), and on which groups."""
        owners: dict[str, set[int]] = defaultdict(set)
        for place, item in enumerate(self.products):
            for word in _packaging_words(item, self.analyzer):
                owners[word].add(int(self.groups.of[place]))
        return {word: np.array(sorted(own), np.intp) for word, own in sorted(owners.items())}

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
            if len(code := "".join(self.analyzer.words(item.product.sku))) >= 5
            and any(c.isdigit() for c in code)
        }


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
    return tuple([word for word in all_words if not analyzer.is_stopword(word)] or all_words)


def _weighed(titles: Sequence[tuple[str, ...]]) -> tuple[Name, ...]:
    """Names whose words weigh their inverse document frequency (Spärck Jones 1972)."""
    seen = Counter(word for title in titles for word in set(title))
    count = len(titles)
    return tuple(
        Name(title, tuple(math.log(1.0 + count / seen[word]) for word in title)) for title in titles
    )


def _packaging_words(item: EncodedProduct, analyzer: Analyzer) -> list[str]:
    """Words of three letters and more; shorter ones are misread too easily."""
    lines = [*(line for image in item.images for line in image.packaging_text), item.product.title]
    lines.append(item.product.brand or "")
    found = dict.fromkeys(word for line in lines for word in analyzer.words(line))
    return [word for word in found if len(word) >= 3 and any(c.isalpha() for c in word)]
