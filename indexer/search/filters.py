"""Which products of a catalog a query may ask for, as arrays: nothing looks at them one by one."""

import numpy as np

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.prices import PriceRange, currencies_of


def in_price(price: PriceRange, columns: ProductColumns) -> Products:
    """`(products,)` whose price lies inside. An unknown one does not."""
    inside = ~np.isnan(columns.prices)
    if price.least is not None:
        inside &= columns.prices >= float(price.least)
    if price.most is not None:
        inside &= columns.prices <= float(price.most)
    if price.currencies is not None:
        # A product that names no currency is in whatever was asked.
        others = [
            number
            for number, name in enumerate(columns.currencies.written)
            if currencies_of(name) and currencies_of(name).isdisjoint(price.currencies)
        ]
        inside &= ~columns.currencies.products(others)
    return inside


def in_category(name: str, columns: ProductColumns) -> Products:
    """`(products,)` of a category, whatever its level and case."""
    number = columns.categories.find(name)
    return columns.categories.products([] if number is None else [number])
