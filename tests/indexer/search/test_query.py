from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.prices import PriceRange
from reelshelf.indexer.search.query import QueryAnalyzer
from reelshelf.indexer.search.relevance import ProductRelevance
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.media import Vectors
from tests.support.catalogs import CATALOG, SEARCHED, TEXTS, product

ANALYZER = QueryAnalyzer(SEARCHED)


@pytest.mark.parametrize(
    ("text", "least", "most", "rest"),
    [
        ("red shoes under 30 euro", None, "30", "red shoes"),
        ("boots over €99.50", "99.50", None, "boots"),
        ("Schuhe unter 40 €", None, "40", "Schuhe"),
        ("lamp between 10 and 20 dollars", "10", "20", "lamp"),
        ("chaussures moins de 25,90 euros", None, "25.90", "chaussures"),
        ("lamp under €1,000", None, "1000", "lamp"),
        ("lamp under 1.000,50 EUR", None, "1000.50", "lamp"),
        ("skor under 300kr", None, "300", "skor"),
        ("lamp over 10 euro under 30 euro", "10", "30", "lamp"),
    ],
)
def test_a_price_is_understood(text: str, least: str | None, most: str | None, rest: str) -> None:
    query = ANALYZER.analyze(text)
    bounds = tuple(Decimal(bound) if bound else None for bound in (least, most))
    assert query.price == PriceRange(*bounds)
    assert query.text == rest


@pytest.mark.parametrize(
    "text",
    [
        "top 10 shoes",
        "size 42 boot",
        "milk 3.5",
        "under the sea",
        "size between 38 and 40",
        "center 10-20 mm drill",
        "air max 90 $120",
        "under $1500.999",
    ],
)
def test_a_bare_number_is_no_price(text: str) -> None:
    query = ANALYZER.analyze(text)
    assert query.price is None
    assert query.text == text


def test_brand_category_and_color_are_recognized() -> None:
    query = ANALYZER.analyze("red fjellvind shoes")
    assert query.brands == ("Fjellvind",)
    assert query.categories == ("Shoes",)
    assert query.values == ("red",)


def test_a_word_that_is_brand_and_category_leaves_nothing_out() -> None:
    assert ANALYZER.analyze("apple").brands == ()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tempo runing shoe", "tempo running shoe"), ("graniet trail boot", "granite trail boot"),
     ("fjelvind", "fjellvind"), ("morning", "morning"), ("xyzzy", "xyzzy")],
)  # fmt: skip
def test_spelling_is_mended_against_the_catalog(typed: str, meant: str) -> None:
    assert ANALYZER.analyze(typed).corrected == meant


def test_a_text_may_be_taken_as_it_is_typed() -> None:
    query = ANALYZER.analyze("tempo runing shoe", correct=False)
    assert (query.corrected, query.corrections) == ("tempo runing shoe", ())


def asked_of(text: str, admitted: Products | None = None) -> Vectors:
    """How far each product is asked for."""
    query = ANALYZER.analyze(text)
    products = ProductRelevance(SEARCHED)
    near = products.nearness(query, TEXTS.encode_texts([query.text])[0], admitted)
    found = products.of_text(near, admitted)
    values = np.zeros(len(CATALOG), np.float32)
    values[found.places] = found.values
    return values


@given(st.text(max_size=120))
def test_any_text_can_be_analyzed(text: str) -> None:
    relevance = asked_of(text)
    assert np.isfinite(relevance).all()
    assert (relevance >= 0.0).all()


def asked(text: str) -> dict[str, float]:
    skus = [item.product.sku for item in CATALOG.products]
    return dict(zip(skus, asked_of(text).tolist(), strict=True))


def test_the_product_named_is_the_one_asked_for() -> None:
    found = asked("granite trail boot")
    assert max(found, key=found.__getitem__) == "BOOT"
    assert found["BOOT"] > 0.9
    assert found["JUICE"] < 0.1


def test_a_color_tells_siblings_apart() -> None:
    found = asked("blue running shoe")
    assert found["SHOE-B"] > found["SHOE-R"]


def test_what_a_filter_leaves_out_holds_no_field() -> None:
    boots = np.array([item.product.sku == "BOOT" for item in CATALOG.products])
    among_all, among_boots = (asked_of("tempo running shoe", a) for a in (None, boots))
    boot = CATALOG.index_of["BOOT"]
    assert among_boots[boot] > 5.0 * among_all[boot]
    assert among_boots.sum() == among_boots[boot]


def test_what_is_not_wanted_is_left_out() -> None:
    query = ANALYZER.analyze("tempo running shoe not red")
    assert (query.text, query.excluded) == ("tempo running shoe", ("red",))
    red = ProductRelevance(SEARCHED).having("red")
    skus = [item.product.sku for item in CATALOG.products]
    assert {sku for sku, named in zip(skus, red, strict=True) if named} == {"SHOE-R", "BOOT"}


def test_a_name_with_a_negation_leaves_nothing_out() -> None:
    catalog = CatalogIndex.of(
        [product("SOCK", "No Show Socks", "5"), product("TV", "Show TV", "9")]
    )
    assert QueryAnalyzer(SearchedCatalog.of(catalog)).analyze("no show socks").excluded == ()
    assert ANALYZER.analyze("juice without a doubt").excluded == ()


def test_what_is_named_is_told_as_the_catalog_writes_it() -> None:
    query = ANALYZER.analyze("red fjellvind shoe")
    named = (query.brands, query.categories, query.values)
    assert named == (("Fjellvind",), ("Shoes",), ("red",))
