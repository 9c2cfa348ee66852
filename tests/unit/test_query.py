from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.linking.catalogue import LinkingCatalogue
from indexer.search.prices import PriceRange
from indexer.search.query import QueryAnalyser
from indexer.search.relevance import ProductRelevance
from schemas.catalog import EncodedProduct, Product
from tests.fakes import FakeTexts

TEXTS = FakeTexts()


def product(sku: str, title: str, price: str, **more: object) -> EncodedProduct:
    item = Product(sku, title, price=Decimal(price), **more)  # type: ignore[arg-type]
    text, facts = TEXTS.encode_texts([item.text, item.facts])
    return EncodedProduct(item, text, facts, ())


CATALOGUE = LinkingCatalogue.of(
    [
        product("SHOE-R", "Tempo Running Shoe", "49.00", brand="Fjellvind",
                category=("Shoes", "Sport"), attributes=(("colour", "red"),)),
        product("SHOE-B", "Tempo Running Shoe", "29.00", brand="Fjellvind",
                category=("Shoes", "Sport"), attributes=(("colour", "blue"),)),
        product("BOOT", "Granite Trail Boot", "149.00", brand="Nordwind",
                category=("Shoes", "Outdoor"), attributes=(("colour", "red"),)),
        product("JUICE", "Orange Juice", "2.50", brand="Apple",
                category=("Food", "Juice"), description="Pressed in the morning."),
        product("APPLE", "Ruby Orchard Apple", "0.79", category=("Food", "Apple")),
    ]
)  # fmt: skip
ANALYSER = QueryAnalyser(CATALOGUE)
ALL = np.ones(len(CATALOGUE), np.float32)


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
    query = ANALYSER.analyse(text)
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
        "centre 10-20 mm drill",
        "air max 90 $120",
        "under $1500.999",
    ],
)
def test_a_bare_number_is_no_price(text: str) -> None:
    query = ANALYSER.analyse(text)
    assert query.price is None
    assert query.text == text


def test_brand_category_and_colour_are_recognised() -> None:
    query = ANALYSER.analyse("red fjellvind shoes")
    assert query.brands == {("fjellvind",)}
    assert query.categories == {("shoes",)}
    assert query.values == {("red",)}


def test_a_word_that_is_brand_and_category_leaves_nothing_out() -> None:
    assert ANALYSER.analyse("apple").brands == frozenset()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("tempo runing shoe", "tempo running shoe"), ("graniet trail boot", "granite trail boot"),
     ("fjelvind", "fjellvind"), ("morning", "morning"), ("xyzzy", "xyzzy")],
)  # fmt: skip
def test_spelling_is_mended_against_the_catalogue(typed: str, meant: str) -> None:
    assert ANALYSER.analyse(typed).corrected == meant


@given(st.text(max_size=120))
def test_any_text_can_be_analysed(text: str) -> None:
    query = ANALYSER.analyse(text)
    relevance = ProductRelevance(CATALOGUE).of_text(query, TEXTS.encode_texts([query.text])[0], ALL)
    assert relevance.shape == (len(CATALOGUE),)
    assert np.isfinite(relevance).all()
    assert (relevance >= 0.0).all()


def asked(text: str) -> dict[str, float]:
    query = ANALYSER.analyse(text)
    relevance = ProductRelevance(CATALOGUE).of_text(query, TEXTS.encode_texts([query.text])[0], ALL)
    skus = [item.product.sku for item in CATALOGUE.products]
    return dict(zip(skus, relevance.tolist(), strict=True))


def test_the_product_named_is_the_one_asked_for() -> None:
    found = asked("granite trail boot")
    assert max(found, key=found.__getitem__) == "BOOT"
    assert found["BOOT"] > 0.9
    assert found["JUICE"] < 0.1


def test_a_colour_tells_siblings_apart() -> None:
    found = asked("blue running shoe")
    assert found["SHOE-B"] > found["SHOE-R"]


def test_what_a_filter_leaves_out_holds_no_field() -> None:
    query = ANALYSER.analyse("tempo running shoe")
    vector = TEXTS.encode_texts([query.text])[0]
    boots = np.array([item.product.sku == "BOOT" for item in CATALOGUE.products], np.float32)
    relevance = ProductRelevance(CATALOGUE)
    among_all, among_boots = (relevance.of_text(query, vector, a) for a in (ALL, boots))
    boot = CATALOGUE.index_of["BOOT"]
    assert among_boots[boot] > 5.0 * among_all[boot]
    assert among_boots.sum() == among_boots[boot]
