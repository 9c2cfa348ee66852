"""Catalogs as shops export them: which program wrote a list, and its rows as products.

A layout is recognized by the names of its columns. Programs differ in more than names: Shopify
writes a product over several rows (its variants, then more pictures), WooCommerce a parent above
its variations. Here each becomes one row for each thing that can be bought, in reelshelf's columns.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from reelshelf.indexer.sources.rows import Cell, Cells, NoRow, RawRows
from reelshelf.schemas.config import CatalogFormat

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_GAPS = re.compile(r"[\s_\-]+")
_NUMBER = re.compile(r"\d+(?:\.0)?")
_COMMAS = re.compile(r"(?<!\\),")
_TOLD_BY_GOOGLE = ("color", "size", "material", "pattern", "gender", "age_group")
_NO_OPTION = "default title"


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind of list, by `column_name`.

    One name of each group in `needed` must be there, and one of `telling` if any are listed.
    `uses` tells whether a column is read at all. `convert` makes rows of ours.
    """

    name: str
    needed: tuple[tuple[str, ...], ...]
    uses: Callable[[str], bool]
    telling: tuple[str, ...] = ()
    convert: Callable[[RawRows], RawRows] = lambda rows: rows

    def fits(self, columns: Iterable[str]) -> bool:
        """Whether a list with these columns is one of this kind."""
        there = set(columns)
        whole = all(there.intersection(group) for group in self.needed)
        return whole and (not self.telling or bool(there.intersection(self.telling)))

    @property
    def columns(self) -> str:
        """The columns needed, in words."""
        told = " and ".join("/".join(group) for group in self.needed)
        return f"{told} and one of {', '.join(self.telling)}" if self.telling else told


@lru_cache(maxsize=4096)
def column_name(given: str) -> str:
    """The name of a column without what differs from export to export: `g:Item Group-ID`."""
    name = _CAMEL.sub("_", given.strip().lstrip("\ufeff"))
    return _GAPS.sub("_", name).casefold().removeprefix("g:")


def _google(rows: RawRows) -> RawRows:
    for line, row in rows:
        yield line, row if isinstance(row, NoRow) else _google_row(row)


def _google_row(row: Cells) -> Cells:
    return _present(
        sku=row.get("id"),
        title=row.get("title"),
        description=row.get("description"),
        brand=row.get("brand"),
        category=_path(_worded(row, "product_type", "google_product_category")),
        attributes={name: row[name] for name in _TOLD_BY_GOOGLE if row.get(name)},
        images=[
            *([row["image_link"]] if isinstance(row.get("image_link"), str) else []),
            *_links(row.get("additional_image_link")),
        ],
        language=row.get("content_language") or row.get("language"),
        availability=row.get("availability"),
        group_id=row.get("item_group_id"),
        **_price_of_google(row.get("sale_price") or row.get("price")),
    )


def _price_of_google(cell: Cell) -> Cells:
    """Its programming interface has an object where its files have "19.90 EUR"."""
    if isinstance(cell, Mapping):
        return {"price": cell.get("value"), "currency": cell.get("currency")}
    return {"price": cell}


def _shopify(rows: RawRows) -> RawRows:
    held: list[tuple[int, Cells]] = []
    for line, row in rows:
        if isinstance(row, NoRow):
            yield line, row
            continue
        # Without a handle nobody can tell what a row belongs to.
        handle = row.get("handle")
        if held and (handle is None or handle != held[0][1].get("handle")):
            yield from _shopify_product(held)
            held = []
        held.append((line, row))
    if held:
        yield from _shopify_product(held)


def _shopify_product(rows: Sequence[tuple[int, Cells]]) -> RawRows:
    """The variants of a product. Its first row says what it is; rows may add pictures alone."""
    first = rows[0][1]
    variants = [
        (line, row)
        for line, row in rows
        if row is first or any(row.get(name) for name in _OF_A_VARIANT)
    ]
    pictures = dict.fromkeys(str(row["image_src"]) for _, row in rows if row.get("image_src"))
    kinds = (first.get("product_category"), first.get("type"))
    for line, row in variants:
        options = _options(first, row)
        values = "-".join(options.values()) if len(variants) > 1 else ""
        own = "-".join(part for part in (str(first.get("handle", "")), values) if part)
        picture = [str(row["variant_image"])] if row.get("variant_image") else []
        yield (
            line,
            _present(
                # Before numbers, spreadsheets want an apostrophe.
                sku=str(row.get("variant_sku") or own).lstrip("'"),
                title=first.get("title"),
                description=first.get("body_(html)") or first.get("body_html"),
                brand=first.get("vendor"),
                category=[part for kind in kinds for part in _path(kind)],
                attributes=options,
                images=[*dict.fromkeys([*picture, *pictures])],
                price=row.get("variant_price"),
                availability=_stock_of_shopify(first, row),
                group_id=first.get("handle"),
            ),
        )


# What a row has that is more than another picture of its product.
_OF_A_VARIANT = (
    "variant_sku", "variant_price", "title", "option1_value", "option2_value", "option3_value",
)  # fmt: skip


def _options(first: Cells, row: Cells) -> dict[str, str]:
    found = {}
    for number in (1, 2, 3):
        name = str(first.get(f"option{number}_name") or f"option {number}")
        value = str(row.get(f"option{number}_value") or "")
        if value and value.casefold() != _NO_OPTION:
            found[name] = value
    return found


def _stock_of_shopify(first: Cells, row: Cells) -> str | None:
    status = str(first.get("status") or "active").casefold()
    if status != "active":
        return status
    none_left = str(row.get("variant_inventory_qty") or "") == "0"
    denied = str(row.get("variant_inventory_policy") or "").casefold() == "deny"
    return "out of stock" if none_left and denied else None


def _woocommerce(rows: RawRows) -> RawRows:
    parents: dict[str, int] = {}  # by what variations call them: the line
    above: dict[int, Cells] = {}
    used: set[int] = set()
    waiting: list[tuple[int, Cells]] = []
    for line, row in rows:
        if isinstance(row, NoRow):
            yield line, row
            continue
        kinds = {part.strip().casefold() for part in str(row.get("type") or "").split(",")}
        if "variable" in kinds:
            above[line] = row
            for name in _names_of(row):
                parents.setdefault(name, line)
        elif "variation" not in kinds:
            yield line, _woocommerce_row(row)
        elif (parent := parents.get(str(row.get("parent")))) is None:
            waiting.append((line, row))
        else:
            used.add(parent)
            yield line, _woocommerce_row(row, above[parent])
    for line, row in waiting:
        parent = parents.get(str(row.get("parent")))
        if parent is not None:
            used.add(parent)
        yield line, _woocommerce_row(row, above.get(parent or -1))
    # A product without variations can be bought as it is; so can one that is none's parent.
    for line, row in above.items():
        if line not in used:
            yield line, _woocommerce_row(row)


def _names_of(row: Cells) -> list[str]:
    """What variations may call a product."""
    names = [str(row["sku"])] if row.get("sku") else []
    return [*names, f"id:{row['id']}"] if row.get("id") else names


def _woocommerce_row(row: Cells, parent: Cells | None = None) -> Cells:
    above = parent or {}

    def own(name: str) -> Cell:
        return row.get(name) or above.get(name)

    names = _names_of(row)
    return _present(
        sku=names[0] if names else None,
        title=own("name"),
        description=own("description") or own("short_description"),
        brand=own("brands"),
        category=[*dict.fromkeys(p for path in _listed(own("categories")) for p in _path(path))],
        attributes=_attributes_of_woocommerce(row) or _attributes_of_woocommerce(above),
        images=[*dict.fromkeys([*_listed(row.get("images")), *_listed(above.get("images"))])],
        price=row.get("sale_price") or row.get("regular_price"),
        availability=_STOCK_OF_WOOCOMMERCE.get(str(row.get("in_stock?", "")).casefold()),
        group_id=next(iter(_names_of(above)), row.get("parent")),
    )


_STOCK_OF_WOOCOMMERCE = {"1": "in stock", "0": "out of stock", "backorder": "backorder"}


def _attributes_of_woocommerce(row: Cells) -> dict[str, Cell]:
    found = {}
    for column, name in row.items():
        if column.startswith("attribute_") and column.endswith("_name"):
            value = row.get(f"{column.removesuffix('name')}value(s)")
            if value and name:
                found[str(name)] = value
    return found


def _worded(row: Cells, *names: str) -> Cell:
    """The first of some cells that holds words, and not the number of an entry of a taxonomy."""
    cells = (row.get(name) for name in names)
    return next((cell for cell in cells if cell and not _NUMBER.fullmatch(str(cell))), None)


def _path(cell: Cell) -> list[str]:
    """`Home > Kitchen` as its parts; a list of such paths: the first."""
    text = cell[0] if isinstance(cell, list) and cell else cell
    parts = (part.strip() for part in str(text or "").split(">"))
    return [part for part in parts if part]


def _links(cell: Cell) -> list[str]:
    """Links parted by commas; a comma that no link follows is part of one."""
    if isinstance(cell, list):
        return [str(link) for link in cell if link]
    links = re.split(r",(?=\s|https?://|s3://|[^,/]+\.\w+(?:,|$))", str(cell or ""))
    return [link.strip() for link in links if link.strip()]


def _listed(cell: Cell) -> list[str]:
    """`a, b` as its parts; a comma behind a backslash is part of one."""
    parts = cell if isinstance(cell, list) else _COMMAS.split(str(cell or ""))
    texts = (str(part).strip().replace("\\,", ",") for part in parts)
    return [text for text in texts if text]


def _present(**cells: Cell) -> Cells:
    return {name: cell for name, cell in cells.items() if cell not in (None, "", [], {})}


_SHOPIFY_COLUMNS = frozenset(
    (
        "handle", "title", "body_(html)", "body_html", "vendor", "product_category", "type",
        "status", "image_src", "option1_name", "option1_value", "option2_name", "option2_value",
        "option3_name", "option3_value", "variant_sku", "variant_price", "variant_image",
        "variant_inventory_qty", "variant_inventory_policy",
    )
)  # fmt: skip
_GOOGLE_COLUMNS = frozenset(
    (
        "id", "title", "description", "brand", "product_type", "google_product_category",
        "content_language", "language", "availability", "item_group_id", "price", "sale_price",
        "image_link", "additional_image_link", *_TOLD_BY_GOOGLE,
    )
)  # fmt: skip
_WOOCOMMERCE_COLUMNS = frozenset(
    (
        "id", "type", "sku", "name", "description", "short_description", "brands", "categories",
        "images", "sale_price", "regular_price", "in_stock?", "parent",
    )
)  # fmt: skip


def _used_of_woocommerce(name: str) -> bool:
    return name in _WOOCOMMERCE_COLUMNS or name.startswith("attribute_")


EXPORTS: Mapping[CatalogFormat, Layout] = {
    CatalogFormat.SHOPIFY: Layout(
        "shopify",
        (("handle",), ("title",)),
        _SHOPIFY_COLUMNS.__contains__,
        ("variant_sku", "variant_price", "option1_name"),
        _shopify,
    ),
    CatalogFormat.WOOCOMMERCE: Layout(
        "woocommerce",
        (("name",), ("type",), ("sku", "id")),
        _used_of_woocommerce,
        ("regular_price", "parent", "categories", "images"),
        _woocommerce,
    ),
    CatalogFormat.GOOGLE: Layout(
        "google",
        (("id",), ("title",)),
        _GOOGLE_COLUMNS.__contains__,
        ("image_link", "item_group_id", "google_product_category", "product_type", "link",
         "availability", "price"),
        _google,
    ),
}  # fmt: skip


def layouts_of(own: Layout, asked: CatalogFormat) -> tuple[Layout, ...]:
    """The layouts that a catalog may have, ours first."""
    if asked is CatalogFormat.AUTO:
        return (own, *EXPORTS.values())
    return (own,) if asked is CatalogFormat.REELSHELF else (EXPORTS[asked],)
