"""Reading the catalog of products that a shop hands over.

Rows come from strangers. Each is checked on its own: a bad row is reported with file, line and
reason, and does not stop the rest. Pictures are taken from below the catalog's own folder, or from
the prefixes that the config allows.
"""

import decimal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, Field, ValidationInfo, field_validator

from reelshelf.indexer.sources.cells import (
    Count,
    Id,
    Instant,
    Labels,
    Names,
    Pairs,
    Prose,
    Rating,
    Text,
    Title,
    none_if_nothing,
)
from reelshelf.indexer.sources.feeds import layouts_of
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.lists import GivenList, GivenRow, layout_of
from reelshelf.indexer.sources.opened import opened_lists
from reelshelf.indexer.sources.packed import Packed
from reelshelf.indexer.sources.rows import Cell, is_missing
from reelshelf.indexer.text.clean import same_id
from reelshelf.indexer.text.money import Money, currency_code, read_money
from reelshelf.schemas.catalog import Product, RejectedRow
from reelshelf.schemas.config import CatalogFormat

_PLACES = decimal.Decimal("0.0001")  # what the table's decimal column holds
TWICE = "sku: stands in an earlier row already"
_TOO_MUCH = decimal.Decimal(10) ** 14


class ProductRow(GivenRow):
    """One row of a catalog, as written."""

    sku: Id
    title: Title
    brand: Prose = None
    category: Labels = ()
    description: Prose = None
    attributes: Pairs = ()
    images: Names = ()
    merchant_id: Text = None
    language: Text = None
    currency: Text = None
    price: Money | None = None
    availability: Text = None
    rating: Rating = None
    review_count: Count = None
    sales: Count = None
    published_at: Instant = None
    updated_at: Instant = None
    group_id: Annotated[Text, Field(validation_alias=AliasChoices("group_id", "item_group_id"))] = (
        None
    )

    @field_validator("currency")
    @classmethod
    def _known(cls, currency: str | None, info: ValidationInfo) -> str | None:
        """The code of a currency that is named by its symbol; other words stay as they are."""
        return currency and (currency_code(currency, info.data.get("language")) or currency)

    @field_validator("price", mode="before")
    @classmethod
    def _price(cls, value: Cell, info: ValidationInfo) -> Money | None:
        """A price as a number or in words; raises ValueError where it is none."""
        value = none_if_nothing(value)
        if value is None or is_missing(value):
            return None
        currency = info.data.get("currency")
        if isinstance(value, str):
            known = currency if currency and currency_code(currency) else None
            money = read_money(value, currency=known, language=info.data.get("language"))
        elif isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
            # By its shortest text, 2.74 stays as the shop wrote it.
            money = Money(decimal.Decimal(str(value)), currency)
        else:
            raise ValueError("is no price")
        if not money.amount.is_finite() or not 0 <= money.amount < _TOO_MUCH:
            raise ValueError("is no price: it is negative, or larger than any")
        return Money(money.amount.quantize(_PLACES), money.currency)

    def record(self) -> Product:
        """The product this row describes."""
        cells = {name: getattr(self, name) for name in type(self).model_fields}
        if self.price is not None:
            # What a price says itself stands where no column does.
            cells |= {
                "price": self.price.amount,
                "currency": self.currency or self.price.currency,
            }
        return Product(**cells)


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """The products of a catalog and the rows that were refused."""

    products: Packed[Product]
    rejected: tuple[RejectedRow, ...]
    root: str


def catalog_lists(
    uri: str, files: Files, layout: CatalogFormat = CatalogFormat.AUTO
) -> Iterator[GivenList[ProductRow]]:
    """The files of a catalog, one after the other. Raises InputError where it is none."""
    return opened_lists(uri, files, ProductRow, layouts_of(layout_of(ProductRow), layout))


def read_catalog(uri: str, files: Files, layout: CatalogFormat = CatalogFormat.AUTO) -> CatalogRead:
    """Read a catalog, whole. Raises InputError if it cannot be read, or lacks columns."""
    # Two spellings of one id, as Unicode has it, are one SKU; it is kept as it came first.
    seen: set[str] = set()
    rejected: list[RejectedRow] = []

    def usable() -> Iterator[Product]:
        for given in catalog_lists(uri, files, layout):
            for line, item in given:
                if isinstance(item, RejectedRow):
                    rejected.append(item)
                elif (name := same_id(item.sku)) in seen:
                    rejected.append(RejectedRow(given.name, line, item.sku, TWICE))
                else:
                    seen.add(name)
                    yield item.record()

    products = Packed(Product, usable())
    return CatalogRead(products, tuple(rejected), files.home_of(uri))
