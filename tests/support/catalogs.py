"""A small catalog, as the tests of queries ask for it."""

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.columns import ColumnsReader, ProductColumns
from reelshelf.indexer.search.videos import VIDEO_COLUMNS, SearchedVideos
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.catalog import EncodedProduct, Product
from tests.support.fakes import FakeTexts

TEXTS = FakeTexts()


def product(sku: str, title: str, price: str, **more: object) -> EncodedProduct:
    item = Product(sku, title, price=Decimal(price), **more)  # type: ignore[arg-type]
    text, facts = TEXTS.encode_texts([item.text, item.facts])
    return EncodedProduct(item, text, facts, ())


CATALOG = CatalogIndex.of(
    [
        product("SHOE-R", "Tempo Running Shoe", "49.00", brand="Fjellvind",
                category=("Shoes", "Sport"), attributes=(("color", "red"),)),
        product("SHOE-B", "Tempo Running Shoe", "29.00", brand="Fjellvind",
                category=("Shoes", "Sport"), attributes=(("color", "blue"),)),
        product("BOOT", "Granite Trail Boot", "149.00", brand="Nordwind",
                category=("Shoes", "Outdoor"), attributes=(("color", "red"),)),
        product("JUICE", "Orange Juice", "2.50", brand="Apple",
                category=("Food", "Juice"), description="Pressed in the morning."),
        product("APPLE", "Ruby Orchard Apple", "0.79", category=("Food", "Apple")),
    ]
)  # fmt: skip


def columns_of(products: Sequence[Product]) -> ProductColumns:
    """Products that are no variants of each other, as columns."""
    reader = ColumnsReader()
    for each in products:
        reader.add(each)
    return reader.made(np.arange(len(products), dtype=np.int32))


def videos_of(keys: Sequence[str]) -> SearchedVideos:
    """Videos of which none is a copy, by their keys."""
    names = pa.array(keys, pa.string())
    instants = pa.nulls(len(keys), pa.timestamp("us", tz="UTC"))
    nothing = pa.nulls(len(keys), pa.string())
    cells = [names, names, names, instants, nothing, nothing]
    return SearchedVideos.of_table(pa.table(cells, names=VIDEO_COLUMNS))


SEARCHED = SearchedCatalog.of(CATALOG)
