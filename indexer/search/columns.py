"""The products of a catalog as columns: what is filtered, counted, sorted and shown of them."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.labels import Labels, LabelsReader
from reelshelf.indexer.text import Numbering, Rows, Strings, Texts
from reelshelf.schemas.catalog import Product

# A product's rating counts as far as it has been reviewed: with none it is the shop's mean, with
# this many it is half its own (a Bayesian mean).
_PRIOR_REVIEWS = 20.0
# And the mean of a category as far as it has products.
_PRIOR_PRODUCTS = 5.0
# Parts a name from its value, and the levels of a category: neither is in a text from a catalog.
PART = "\x1f"
UNKNOWN_DATE = np.iinfo(np.int64).min
_LABELS = (
    *("currencies", "brands", "merchants", "languages", "availability"),
    *("categories", "paths", "values", "attributes"),
)


@dataclass(frozen=True, slots=True, eq=False)
class ProductColumns:
    """n products in SKU order.

    `groups`, `(n,)`, numbers what each is a variant of, and `variants` are the products of each
    group. `prices` are NaN where there is none,
    `published` are milliseconds of UTC, `UNKNOWN_DATE` where it is not known. `categories` are
    names of any level, `paths` the levels from the top down to each, parted by `PART`; `values` are
    those of attributes, `attributes` the same behind their names. `authority`, in -1..1, is the
    standing of each among its category.
    """

    skus: Strings
    titles: Texts
    groups: npt.NDArray[np.int32]
    variants: Rows
    prices: npt.NDArray[np.float64]
    published: npt.NDArray[np.int64]
    authority: npt.NDArray[np.float32]
    currencies: Labels
    brands: Labels
    merchants: Labels
    languages: Labels
    availability: Labels
    categories: Labels
    paths: Labels
    values: Labels
    attributes: Labels

    def __len__(self) -> int:
        return len(self.groups)

    def category(self, place: int) -> tuple[str, ...]:
        """The levels of a product's category from the top; none where it has no category."""
        paths = [self.paths.written[int(number)] for number in self.paths.of[place]]
        return tuple(max(paths, key=len).split(PART)) if paths else ()


class ColumnsReader:
    """Reads products that come one after the other, in SKU order."""

    def __init__(self) -> None:
        self._skus: list[str] = []
        self._titles: list[str] = []
        self._prices = array("d")
        self._published = array("q")
        self._standing = _Standing()
        self._labels = {name: LabelsReader() for name in _LABELS}

    def add(self, product: Product) -> None:
        """The next product."""
        self._skus.append(product.sku)
        self._titles.append(product.title)
        self._prices.append(math.nan if product.price is None else float(product.price))
        self._published.append(_milliseconds(product))
        self._standing.add(product)
        own: dict[str, Sequence[str]] = {
            "currencies": _one(product.currency),
            "brands": _one(product.brand),
            "merchants": _one(product.merchant_id),
            "languages": _one(product.language),
            "availability": _one(product.availability),
            "categories": product.category,
            "paths": _paths(product.category),
            "values": [value for _, value in product.attributes],
            "attributes": [PART.join(pair) for pair in product.attributes],
        }
        for name, reader in self._labels.items():
            reader.add(own[name])

    def made(self, groups: npt.NDArray[np.int32]) -> ProductColumns:
        """The columns of all of them; `groups`, `(products,)`, numbers the group of each."""
        count = int(groups.max(initial=-1)) + 1
        return ProductColumns(
            skus=Strings(Texts.of(self._skus)),
            titles=Texts.of(self._titles),
            groups=groups,
            variants=Rows.of_pairs(groups, np.arange(len(groups)), count),
            prices=np.array(self._prices, np.float64),
            published=np.array(self._published, np.int64),
            authority=self._standing.made(),
            **{name: reader.made() for name, reader in self._labels.items()},
        )


class _Standing:
    """The standing of each product in -1..1 against others of its category.

    It comes from reviews and sales. 0 is the mean, and a product without reviews and sales is
    there: new is not bad. The mean of a category of few products is near that of the shop.
    """

    def __init__(self) -> None:
        self._ratings, self._reviews, self._sales = array("d"), array("d"), array("d")
        self._categories = Numbering()

    def add(self, product: Product) -> None:
        self._ratings.append(math.nan if product.rating is None else product.rating)
        self._reviews.append(product.review_count or 0)
        self._sales.append(product.sales or math.nan)
        self._categories.add((PART.join(product.category),))

    def made(self) -> npt.NDArray[np.float32]:
        """`(products,)`."""
        columns = (self._ratings, self._reviews, self._sales)
        ratings, reviews, sales = (np.array(column, np.float64) for column in columns)
        category = self._categories.made()[1].values.astype(np.intp)
        standing = np.zeros(len(ratings))
        rated, sold = ~np.isnan(ratings), ~np.isnan(sales)
        if rated.any():
            above = _above_mean(ratings[rated], category[rated]) / 5.0
            standing[rated] += 0.5 * above * (reviews / (reviews + _PRIOR_REVIEWS))[rated]
        if sold.any():
            amounts = np.log1p(sales[sold])
            standing[sold] += 0.5 * _above_mean(amounts / amounts.max(), category[sold])
        return np.clip(standing, -1.0, 1.0).astype(np.float32)


def _above_mean(
    values: npt.NDArray[np.float64], category: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    counts, sums = np.bincount(category), np.bincount(category, values)
    means = (sums + _PRIOR_PRODUCTS * values.mean()) / (counts + _PRIOR_PRODUCTS)
    return np.asarray(values - means[category], np.float64)


def _one(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


def _paths(category: Sequence[str]) -> list[str]:
    return [PART.join(category[: level + 1]) for level in range(len(category))]


def _milliseconds(product: Product) -> int:
    at = product.published_at
    return UNKNOWN_DATE if at is None else int(at.timestamp() * 1000)
