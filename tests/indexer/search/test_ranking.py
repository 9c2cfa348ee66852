import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.columns import authority_of
from reelshelf.indexer.search.ranking import Ranked, diversify, freshness
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import SearchConfig

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
PENALTY = SearchConfig().diversity_penalty


def ranked(key: str, score: float, cluster: str | None = None, sku: str | None = None) -> Ranked:
    return Ranked(key, cluster or key, score, (), sku)


def test_one_result_stands_for_its_cluster_and_names_the_others() -> None:
    mixed = diversify([ranked("a", 0.5, "x"), ranked("b", 0.9, "x"), ranked("c", 0.7)], PENALTY, 50)
    assert [(item.video_key, copies) for item, copies in mixed] == [("b", ["a"]), ("c", [])]


def test_results_spread_over_skus_where_scores_are_about_equal() -> None:
    close = [ranked("a", 0.9, sku="S"), ranked("b", 0.895, sku="S"), ranked("c", 0.89, sku="T")]
    assert [item.video_key for item, _ in diversify(close, PENALTY, 50)] == ["a", "c", "b"]
    far = [ranked("a", 0.9, sku="S"), ranked("b", 0.8, sku="S"), ranked("c", 0.5, sku="T")]
    assert [item.video_key for item, _ in diversify(far, PENALTY, 50)] == ["a", "b", "c"]


@given(st.lists(st.tuples(st.sampled_from("uvwxyz"), st.floats(0, 1)), max_size=30))
def test_every_cluster_is_shown_once(items: list[tuple[str, float]]) -> None:
    given_ = [ranked(f"v{i}", score, cluster) for i, (cluster, score) in enumerate(items)]
    mixed = diversify(given_, PENALTY, 50)
    assert sorted(item.cluster for item, _ in mixed) == sorted({cluster for cluster, _ in items})
    shown = [key for item, copies in mixed for key in (item.video_key, *copies)]
    assert sorted(shown) == sorted(item.video_key for item in given_)


def test_a_new_product_stands_at_the_mean_and_not_below() -> None:
    loved = Product("A", "a", rating=4.9, review_count=900, sales=5000)
    disliked = Product("B", "b", rating=1.5, review_count=300, sales=3)
    new = Product("C", "c")
    standing = dict(zip("ABC", authority_of([loved, disliked, new]), strict=True))
    assert standing["A"] > standing["C"] == 0.0 > standing["B"]


def test_one_five_star_review_is_not_worth_a_thousand() -> None:
    few = Product("A", "a", rating=5.0, review_count=1)
    many = Product("B", "b", rating=4.8, review_count=1000)
    poor = Product("C", "c", rating=2.0, review_count=1000)
    one, thousand, _ = authority_of([few, many, poor])
    assert thousand > one > 0.0


def test_products_are_held_against_their_category() -> None:
    def of(category: str, rating: float) -> Product:
        return Product("S", "s", category=(category,), rating=rating, review_count=900)

    films, cables = [of("Films", 4.5)] * 40, [of("Cables", 3.0)] * 40
    good = of("Cables", 4.0)
    standing = authority_of([good, *films, *cables])
    assert standing[0] > standing[1] > standing[-1]


def test_a_shop_without_history_has_no_authorities() -> None:
    assert authority_of([Product("A", "a"), Product("B", "b")]).tolist() == [0.0, 0.0]


def test_freshness_halves_with_each_half_life() -> None:
    month_old = NOW - dt.timedelta(days=30)
    assert freshness(NOW, NOW, 30.0) == pytest.approx(1.0)
    assert freshness(month_old, NOW, 30.0) == pytest.approx(0.5)
    assert freshness(None, NOW, 30.0) == 0.0
    assert freshness(NOW + dt.timedelta(days=3), NOW, 30.0) == pytest.approx(1.0)
