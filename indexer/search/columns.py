"""The products of a catalog as columns: what is filtered, counted, sorted and shown of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.labels import Labels
from reelshelf.indexer.text import Rows, Strings, Texts
from reelshelf.schemas.catalog import Product

# A product's rating counts as far as it has been reviewed: with none it is the shop's mean, with
# this many it is half its own (a Bayesian mean).
_PRIOR_REVIEWS = 20.0
# And the mean of a category as far as it has products.
_PRIOR_PRODUCTS = 5.0
# Parts a name from its value, and the levels of a category: neither is in a text from a catalog.
PART = "\x1f"
UNKNOWN_DATE = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class ProductColumns:
    """n products in SKU order.

    `groups`, `(n,)`, numbers what each is a variant of, and `variants` are the products of each
    group. `prices` are NaN where there is none,
    `published` are milliseconds of UTC, `UNKNOWN_DATE` where it is not known. `categories` are
    names of any level, `paths` the levels from the top down to each, parted by `PART`; `values` are
    those of attributes, `attributes` the same behind their names. `authority` is what
    `authority_of` says.
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

    @classmethod
    def read(cls, products: Sequence[Product], groups: npt.NDArray[np.int32]) -> "ProductColumns":
        """Those of products in SKU order; `groups`, `(products,)`, numbers the group of each."""
        return cls(
            skus=Strings(Texts.of(p.sku for p in products)),
            titles=Texts.of(p.title for p in products),
            groups=groups,
            variants=Rows.of_pairs(groups, np.arange(len(groups)), int(groups.max(initial=-1)) + 1),
            prices=np.array(
                [np.nan if p.price is None else float(p.price) for p in products], np.float64
            ),
            published=np.array([_milliseconds(p) for p in products], np.int64),
            authority=authority_of(products),
            currencies=Labels.read(_one(p.currency) for p in products),
            brands=Labels.read(_one(p.brand) for p in products),
            merchants=Labels.read(_one(p.merchant_id) for p in products),
            languages=Labels.read(_one(p.language) for p in products),
            availability=Labels.read(_one(p.availability) for p in products),
            categories=Labels.read(p.category for p in products),
            paths=Labels.read(_paths(p.category) for p in products),
            values=Labels.read([value for _, value in p.attributes] for p in products),
            attributes=Labels.read([PART.join(pair) for pair in p.attributes] for p in products),
        )

    def __len__(self) -> int:
        return len(self.groups)

    def category(self, place: int) -> tuple[str, ...]:
        """The levels of a product's category from the top; none where it has no category."""
        paths = [self.paths.written[int(number)] for number in self.paths.of[place]]
        return tuple(max(paths, key=len).split(PART)) if paths else ()


def authority_of(products: Sequence[Product]) -> npt.NDArray[np.float32]:
    """`(products,)` the standing of each in -1..1 against others of its category.

    It comes from reviews and sales. 0 is the mean, and a product without reviews and sales is
    there: new is not bad. The mean of a category of few products is near that of the shop.
    """
    ratings, reviews, sales = (
        np.array([np.nan if value is None else value for value in values], np.float64)
        for values in (
            [p.rating for p in products],
            [p.review_count or 0 for p in products],
            [p.sales or None for p in products],
        )
    )
    _, category = np.unique([PART.join(p.category) for p in products], return_inverse=True)
    standing = np.zeros(len(products))
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
