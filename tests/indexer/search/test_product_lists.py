"""Lists of products: filters, facets whose counts add up, sorting, pages."""

import contextlib
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.facets import count_facets
from reelshelf.indexer.search.filters import Filter, admitted, read_filter
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.text import CatalogIndex
from reelshelf.schemas.catalog import EncodedProduct, Product
from reelshelf.schemas.errors import InputError

_NONE = np.zeros(0, np.float32)
_COLORS = ["red", "blue", "green"]


def search_of(products: list[Product]) -> ProductSearch:
    encoded = [EncodedProduct(product, _NONE, _NONE, ()) for product in products]
    return ProductSearch(SearchedCatalog.of(CatalogIndex.of(encoded)))


@st.composite
def _catalogs(draw: st.DrawFn) -> list[Product]:
    found = []
    for number in range(draw(st.integers(1, 12))):
        colors = draw(st.lists(st.sampled_from(_COLORS), max_size=2, unique=True))
        price = draw(st.one_of(st.none(), st.integers(1, 99)))
        found.append(
            Product(
                f"S-{number:02}",
                draw(st.sampled_from(["Copper Kettle", "Copper Mug", "Stone Mug"])),
                brand=draw(st.sampled_from([None, "Acme", "Norda"])),
                category=draw(st.sampled_from([(), ("Home",), ("Home", "Kitchen"), ("Garden",)])),
                attributes=tuple(("color", color) for color in colors),
                price=None if price is None else Decimal(price),
                currency="EUR",
                availability=draw(st.sampled_from([None, "in_stock", "out_of_stock"])),
                group_id=draw(st.sampled_from([None, "G-1", "G-2"])),
            )
        )
    return found


def _results(search: ProductSearch, text: str, wanted: Filter) -> set[int]:
    """The groups that are listed."""
    inside = admitted(wanted, search.catalog.columns)
    found = search.list(search.ask(search.analyze(text), inside))
    return set(search.catalog.columns.groups[found.places].tolist())


@settings(max_examples=150, deadline=None)
@given(
    products=_catalogs(), text=st.sampled_from(["copper", "mug", "copper kettle", "acme", "home"])
)
def test_narrowed_down_to_a_value_there_are_as_many_as_its_count(
    products: list[Product], text: str
) -> None:
    search = search_of(products)
    columns = search.catalog.columns
    places = search.list(search.ask(search.analyze(text))).places
    groups = columns.groups[places].astype(np.intp)
    fields = [f for f in ("brand", "category", "availability") if len(places)]
    if any(product.attributes for product in products):
        fields.append("color")
    for facet in count_facets(fields, places, groups, columns):
        for value in facet.values:
            narrowed = _results(search, text, read_filter([f"{facet.field}={value.name}"]))
            assert len(narrowed) == value.count
        having = {
            group
            for value in facet.values
            for group in _results(search, text, read_filter([f"{facet.field}={value.name}"]))
        }
        assert facet.without == len(set(groups.tolist()) - having)


@settings(max_examples=100, deadline=None)
@given(products=_catalogs(), data=st.data())
def test_a_filter_admits_what_a_look_at_each_product_would(
    products: list[Product], data: st.DataObject
) -> None:
    brands = data.draw(st.lists(st.sampled_from(["ACME", "Norda", "None"]), min_size=1))
    category = data.draw(st.sampled_from(["Home", "kitchen", "Home > Kitchen", "Kitchen > Home"]))
    wanted = read_filter(["brand=" + "|".join(brands), f"category={category}", "price=10..50"])
    columns = search_of(products).catalog.columns
    asked = {brand.casefold() for brand in brands}
    paths = {"Home": "home", "kitchen": "kitchen"}

    def is_inside(product: Product) -> bool:
        levels = [level.casefold() for level in product.category]
        of_category = (
            levels[:2] == ["home", "kitchen"]
            if category == "Home > Kitchen"
            else paths.get(category) in levels
        )
        brand = (product.brand or "").casefold() in asked
        return brand and of_category and product.price is not None and 10 <= product.price <= 50

    ordered = sorted(products, key=lambda product: product.sku)
    inside = admitted(wanted, columns)
    assert inside is not None
    assert inside.tolist() == list(map(is_inside, ordered))


def test_an_attribute_that_no_product_has_is_no_field() -> None:
    search = search_of([Product("S", "Mug", attributes=(("color", "red"),))])
    with pytest.raises(InputError, match="has an attribute 'colour'"):
        _results(search, "mug", read_filter(["colour=red"]))
    with pytest.raises(InputError, match="facet 'size'"):
        count_facets(["size"], np.zeros(0, np.intp), np.zeros(0, np.intp), search.catalog.columns)


def test_words_as_typed_come_before_other_ways_to_write_them() -> None:
    search = search_of([Product("A", "Headset"), Product("B", "Head Set"), Product("C", "Mug")])
    places = search.list(search.ask(search.analyze("head set"))).places
    assert search.catalog.columns.skus.some(places) == ["B", "A"]


def test_a_code_finds_its_product() -> None:
    search = search_of([Product("AB-1234", "Copper Kettle"), Product("AB-1235", "Copper Kettle")])
    places = search.list(search.ask(search.analyze("kettle ab 1235"))).places
    assert search.catalog.columns.skus.at(int(places[0])) == "AB-1235"


@settings(max_examples=10_000, deadline=None)
@given(text=st.text(max_size=80))
def test_no_text_is_an_error_but_none_at_all(text: str) -> None:
    if not any(sign.isalnum() for sign in text):
        # Nothing, or signs that say nothing: refused or not answered.
        with contextlib.suppress(InputError):
            assert not _SEARCH.answers(_SEARCH.ask(_SEARCH.analyze(text)))
        return
    asked = _SEARCH.ask(_SEARCH.analyze(text))
    assert np.isfinite(asked.scores()).all()
    assert set(_SEARCH.list(asked).places.tolist()) <= {0, 1, 2}


_SEARCH = search_of(
    [
        Product("S-1", "Copper Kettle 2 l", brand="Acme", price=Decimal(20), currency="EUR"),
        Product("S-2", "不锈钢 水壶", category=("Home",), attributes=(("color", "red"),)),
        Product("S-3", "No Show Socks", description="soft"),
    ]
)
