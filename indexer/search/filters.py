"""Which products of a catalog a query may ask for, as arrays: nothing looks at them one by one."""

from collections.abc import Sequence

import numpy as np

from reelshelf.indexer.search.breadth import Products, places_of
from reelshelf.indexer.search.prices import PriceRange, currencies_of
from reelshelf.schemas.catalog import Product


class Filters:
    """Prices and categories of the products of a catalog, in its order."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._count = len(products)
        priced = (float(p.price) if p.price is not None else np.nan for p in products)
        self._prices = np.fromiter(priced, np.float64, self._count)
        names = [product.currency or "" for product in products]
        self._currencies = sorted(set(names))
        number = {name: place for place, name in enumerate(self._currencies)}
        self._currency = np.fromiter((number[name] for name in names), np.intp, self._count)
        self._categories = places_of({part.casefold() for part in p.category} for p in products)

    def in_price(self, price: PriceRange) -> Products:
        """`(products,)` whose price lies inside. An unknown one does not."""
        inside = ~np.isnan(self._prices)
        if price.least is not None:
            inside &= self._prices >= float(price.least)
        if price.most is not None:
            inside &= self._prices <= float(price.most)
        if price.currencies is not None:
            # A product that names no currency is in whatever was asked.
            meant = [
                not currencies_of(name) or not currencies_of(name).isdisjoint(price.currencies)
                for name in self._currencies
            ]
            inside &= np.array(meant, bool)[self._currency]
        return inside

    def in_category(self, name: str) -> Products:
        """`(products,)` of a category, whatever its level and case."""
        inside = np.zeros(self._count, bool)
        inside[self._categories.get(name.casefold(), [])] = True
        return inside
