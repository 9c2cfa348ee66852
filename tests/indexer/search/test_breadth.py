"""A query that names a category or a brand, and no product, asks for all of it."""

import pytest

from reelshelf.indexer.search.query import QueryAnalyzer
from reelshelf.indexer.search.ranking import Ranked, diversify, one_of_each
from reelshelf.indexer.search.relevance import ProductRelevance
from tests.support.catalogs import CATALOG, SEARCHED, TEXTS

ANALYZER, PRODUCTS = QueryAnalyzer(SEARCHED), ProductRelevance(SEARCHED)


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("shoes", {"SHOE-R", "SHOE-B", "BOOT"}),
        ("Shoe", {"SHOE-R", "SHOE-B", "BOOT"}),
        ("red shoes", {"SHOE-R", "BOOT"}),
        ("the shoes for sport", {"SHOE-R", "SHOE-B"}),
        ("fjellvind", {"SHOE-R", "SHOE-B"}),
        ("red fjellvind shoes", {"SHOE-R"}),
        ("food", {"JUICE", "APPLE"}),
        # A brand and a category: whoever says only that may mean either.
        ("apple", {"JUICE", "APPLE"}),
    ],
)
def test_a_category_or_a_brand_is_asked_for_by_its_name(text: str, skus: set[str]) -> None:
    near = PRODUCTS.nearness(ANALYZER.analyze(text), None)
    assert near.broad is not None
    assert {CATALOG.products[i].product.sku for i in near.places[near.broad]} == skus


@pytest.mark.parametrize("text", ["", "red", "running shoes", "apple drink", "juice shoes", "-"])
def test_what_says_more_or_less_is_not_broad(text: str) -> None:
    assert PRODUCTS.nearness(ANALYZER.analyze(text), None).broad is None


def relevance(text: str) -> dict[str, float]:
    query = ANALYZER.analyze(text)
    vector = TEXTS.encode_texts([query.text])[0]
    found = PRODUCTS.of_text(PRODUCTS.nearness(query, vector))
    return {
        CATALOG.products[place].product.sku: float(value)
        for place, value in zip(found.places, found.values, strict=True)
    }


def test_all_of_it_is_wanted_alike_and_nothing_beside_it() -> None:
    found = relevance("shoes")
    assert min(found[sku] for sku in ("SHOE-R", "SHOE-B", "BOOT")) >= 0.8
    assert max(found[sku] for sku in ("JUICE", "APPLE")) < 0.1


def test_a_price_alone_asks_for_everything_that_costs_so_much() -> None:
    assert min(relevance("under 30 euro").values()) >= 0.8


def test_each_product_is_shown_before_any_comes_again() -> None:
    sold = [(0, 0.9, 7), (1, 0.85, 7), (2, 0.8, 7), (3, 0.3, 8), (4, 0.2, 9)]
    ranked = [Ranked(video, video, score, product) for video, score, product in sold]
    results = one_of_each(ranked)
    plain = [one.best.video for one in diversify(results, 0.01)]
    broad = [one.best.video for one in diversify(results, 0.01, frozenset({7, 8}))]
    assert plain == [0, 1, 2, 3, 4]
    assert broad == [0, 3, 1, 2, 4]
