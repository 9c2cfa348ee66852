"""A catalog in memory: its vectors as matrices, and the words that name its products."""

import decimal
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from sys import intern

import numpy as np

from reelshelf.indexer.text.analyzer import Analyzer, AnalyzerKind, analyzer_of
from reelshelf.indexer.text.groups import Groups, common_words, groups_of
from reelshelf.indexer.text.languages import languages_of
from reelshelf.indexer.text.lookup import Numbers, Rows, Strings, Texts, numbered
from reelshelf.indexer.text.money import usual_currency
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import CatalogCounts

# So many products tell the languages of a catalog.
_LOOKED_AT = 300
_NAMES_SEVERAL = re.compile(r"[+&＋＆]")


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


@dataclass(frozen=True, slots=True, eq=False)
class CatalogWords:
    """What is read once of each product in order, for all that is made of a catalog.

    `titles` and `brands` are words, `printed` rows of the words that may stand on a product, by
    number in `print_words`. `bundles` are titles that name several things, by place.
    """

    skus: Texts
    titles: Sequence[tuple[str, ...]]
    brands: Sequence[tuple[str, ...]]
    prices: Sequence[decimal.Decimal | None]
    currencies: Sequence[str | None]
    languages: Sequence[str | None]
    codes: Mapping[str, int]
    print_words: Strings
    printed: Rows
    bundles: Mapping[int, str]

    @classmethod
    def read(cls, products: Iterable[EncodedProduct], analyzer: Analyzer) -> "CatalogWords":
        """Read products."""
        skus, titles, brands, prices, currencies, languages = [], [], [], [], [], []
        codes: dict[str, int] = {}
        bundles: dict[int, str] = {}

        def read(place: int, item: EncodedProduct) -> Iterable[str]:
            product = item.product
            skus.append(product.sku)
            titles.append(_title_words(product.title, analyzer))
            brands.append(tuple(map(intern, analyzer.words(product.brand or ""))))
            prices.append(product.price)
            currencies.append(product.currency and intern(product.currency))
            languages.append(product.language and intern(product.language))
            if (code := code_of(product, analyzer)) is not None:
                codes[code] = place
            if _NAMES_SEVERAL.search(product.title):
                bundles[place] = product.title
            return _print_words(item, analyzer)

        words, printed = numbered(read(place, item) for place, item in enumerate(products))
        return cls(
            Texts.of(skus),
            titles,
            brands,
            prices,
            currencies,
            languages,
            codes,
            words,
            printed,
            bundles,
        )


def _stacked(vectors: Sequence[Vectors]) -> Vectors:
    return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)


@dataclass(frozen=True)
class CatalogIndex:
    """Products in SKU order with everything that is computed once for all videos.

    `given` are their vectors, where they are not with the products themselves. `counts` are those
    of an earlier catalog, where words are to weigh what they did in it.
    """

    products: Sequence[EncodedProduct]
    analyzer: Analyzer
    given: CatalogVectors | None = None
    counts: CatalogCounts | None = None

    @classmethod
    def of(
        cls,
        products: Sequence[EncodedProduct],
        kind: AnalyzerKind = "icu",
        counts: CatalogCounts | None = None,
    ) -> "CatalogIndex":
        """Sort by SKU, so that ties fall the same way in every run.

        Words are those of the analyzer `kind` for the languages of the catalog.
        """
        ordered = tuple(sorted(products, key=lambda item: item.product.sku))
        return cls.of_sorted(ordered, kind, counts=counts)

    @classmethod
    def of_sorted(
        cls,
        products: Sequence[EncodedProduct],
        kind: AnalyzerKind,
        vectors: CatalogVectors | None = None,
        counts: CatalogCounts | None = None,
    ) -> "CatalogIndex":
        """The same of products that are in order, with their vectors if these are at hand."""
        if counts is not None:
            return cls(products, analyzer_of(kind, counts.languages), vectors, counts)
        step = -(-len(products) // _LOOKED_AT) or 1
        some = [products[place].product for place in range(0, len(products), step)]
        return cls(products, analyzer_for(some, kind), vectors)

    def __len__(self) -> int:
        return len(self.products)

    def __getstate__(self) -> dict[str, object]:
        # Names and words are what matchers are made of: they keep what they need of them. What is
        # asked of the catalog itself is made before, since it is made of these.
        kept = {"index_of": self.index_of, "groups": self.groups}
        return {n: v for n, v in (self.__dict__ | kept).items() if n not in _MADE_AGAIN}

    def product(self, place: int) -> Product:
        """The product at a place."""
        return self.products[place].product

    def sku(self, place: int) -> str:
        """The SKU of the product at a place, for less than the product takes."""
        return self.index_of.at(place)

    @cached_property
    def index_of(self) -> Strings:
        """Place of each SKU."""
        return Strings(self.words.skus)

    @cached_property
    def words(self) -> CatalogWords:
        """What is read of each product."""
        return CatalogWords.read(self.products, self.analyzer)

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
    def names(self) -> tuple[Name, ...]:
        """Each title with its words weighed by their rarity among all titles."""
        return _weighed(self.words.titles)

    @cached_property
    def group_names(self) -> tuple[Name, ...]:
        """For each group the words that its titles have in common, weighed among groups."""
        titles, members = self.words.titles, self.groups.members
        names = _weighed(
            [tuple(common_words([titles[place] for place in own.tolist()])) for own in members],
            self.counts,
        )
        brands = (self.words.brands[place] for place in self.groups.firsts.tolist())
        return tuple(
            replace(name, brand=brand) if brand else name
            for name, brand in zip(names, brands, strict=True)
        )

    @property
    def size(self) -> int:
        """How many groups words weigh among."""
        return self.counts.groups if self.counts else len(self.groups)

    @cached_property
    def printed_on_groups(self) -> tuple[Strings, Rows]:
        """The words that may stand on products, each with the groups that it stands on."""
        words, of_product = self.words.print_words, self.words.printed
        # A word is on a group once, however many of its products have it.
        many = max(len(self.groups), 1)
        group = self.groups.of[of_product.owners()].astype(np.int64)
        word, group = np.divmod(np.unique(of_product.values * np.int64(many) + group), many)
        return words, Rows.of_pairs(word, group, len(words))

    @property
    def usual_currency(self) -> str | None:
        """What a number without a currency is in."""
        if self.counts is not None:
            return self.counts.currency
        return usual_currency(Counter(currency or "" for currency in self.words.currencies))

    @cached_property
    def prices(self) -> Mapping[decimal.Decimal, int]:
        """How many groups have a product of each price; what is not in it, one."""
        if self.counts is not None:
            return self.counts.prices
        priced = {
            (group, price)
            for group, price in zip(self.groups.of.tolist(), self.words.prices, strict=True)
            if price is not None
        }
        return Counter(price for _, price in priced)


def code_of(product: Product, analyzer: Analyzer) -> str | None:
    """The SKU of a product in the form that it has in a text; None where it says nothing there."""
    code = "".join(analyzer.words(product.sku))
    return code if len(code) >= 5 and any(c.isdigit() for c in code) else None


_MADE_AGAIN = frozenset(["words", "names", "group_names", "printed_on_groups"])


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


def _weighed(
    titles: Sequence[tuple[str, ...]], counts: CatalogCounts | None = None
) -> tuple[Name, ...]:
    """Names whose words weigh their inverse document frequency (Spärck Jones 1972)."""
    size = counts.groups if counts else len(titles)
    seen = counts.names if counts else Counter(w for title in titles for w in set(title))
    alone = math.log(1.0 + size)
    weights = {word: math.log(1.0 + size / count) for word, count in seen.items()}
    return tuple(Name(title, tuple(weights.get(word, alone) for word in title)) for title in titles)


def _print_words(item: EncodedProduct, analyzer: Analyzer) -> list[str]:
    """The words that may stand on a product, of three letters and more: short ones are misread."""
    lines = [*(line for image in item.images for line in image.packaging_text), item.product.title]
    lines.append(item.product.brand or "")
    found = dict.fromkeys(word for line in lines for word in analyzer.words(line))
    return [word for word in found if len(word) >= 3 and any(c.isalpha() for c in word)]
