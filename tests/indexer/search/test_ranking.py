from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search.columns import UNKNOWN_DATE
from reelshelf.indexer.search.ranking import Clustered, Ranked, diversify, freshness, one_of_each
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import SearchConfig
from tests.support.catalogs import columns_of

NOW = 1_764_000_000_000
PENALTY = SearchConfig().diversity_penalty


def ranked(key: str, score: float, cluster: str | None = None, sku: str | None = None) -> Ranked:
    """Videos, clusters and products by letters in place of numbers."""
    return Ranked(ord(key), ord(cluster or key), score, ord(sku) if sku else None)


def mix(items: Sequence[Ranked]) -> list[Clustered]:
    return list(diversify(one_of_each(items), PENALTY))


def keys(mixed: Sequence[Clustered]) -> list[str]:
    return [chr(one.best.video) for one in mixed]


def test_one_result_stands_for_its_cluster_and_names_the_others() -> None:
    mixed = mix([ranked("a", 0.5, "x"), ranked("b", 0.9, "x"), ranked("c", 0.7)])
    assert keys(mixed) == ["b", "c"]
    assert [one.copies for one in mixed] == [(ord("a"),), ()]


def test_results_spread_over_skus_where_scores_are_about_equal() -> None:
    close = [ranked("a", 0.9, sku="S"), ranked("b", 0.895, sku="S"), ranked("c", 0.89, sku="T")]
    assert keys(mix(close)) == ["a", "c", "b"]
    far = [ranked("a", 0.9, sku="S"), ranked("b", 0.8, sku="S"), ranked("c", 0.5, sku="T")]
    assert keys(mix(far)) == ["a", "b", "c"]


def greedy(
    results: Sequence[Clustered], penalty: float, each_of: frozenset[int]
) -> list[Clustered]:
    """The same as it is defined: of all that is left the best, looked at anew each time."""
    remaining, shown, found = list(results), dict[int | None, int](), list[Clustered]()
    while remaining:
        due = each_of - shown.keys()
        ahead = [one for one in remaining if one.best.product in due]

        def worth(one: Clustered) -> float:
            product = one.best.product
            return one.best.score - penalty * (0 if product is None else shown.get(product, 0))

        chosen = max(ahead or remaining, key=worth)
        remaining.remove(chosen)
        shown[chosen.best.product] = shown.get(chosen.best.product, 0) + 1
        found.append(chosen)
    return found


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 3)),
            st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.6, 0.7])),
        ),
        max_size=20,
    ),
    st.sampled_from([0.0, 0.05, 0.1, 0.7]),
    st.frozensets(st.integers(0, 4)),
)
def test_the_order_is_that_of_taking_the_best_again_and_again(
    items: list[tuple[int | None, float]], penalty: float, each_of: frozenset[int]
) -> None:
    results = [
        Clustered(Ranked(number, number, score, product), ())
        for number, (product, score) in enumerate(items)
    ]
    assert list(diversify(results, penalty, each_of)) == greedy(results, penalty, each_of)


@given(st.lists(st.tuples(st.sampled_from("uvwxyz"), st.floats(0, 1)), max_size=30))
def test_every_cluster_is_shown_once(items: list[tuple[str, float]]) -> None:
    given_ = [ranked(chr(i), score, cluster) for i, (cluster, score) in enumerate(items)]
    mixed = mix(given_)
    clusters = sorted({cluster for cluster, _ in items})
    assert sorted(chr(one.best.cluster) for one in mixed) == clusters
    shown = [place for one in mixed for place in (one.best.video, *one.copies)]
    assert sorted(shown) == [item.video for item in given_]


def test_a_new_product_stands_at_the_mean_and_not_below() -> None:
    loved = Product("A", "a", rating=4.9, review_count=900, sales=5000)
    disliked = Product("B", "b", rating=1.5, review_count=300, sales=3)
    new = Product("C", "c")
    standing = dict(zip("ABC", columns_of([loved, disliked, new]).authority, strict=True))
    assert standing["A"] > standing["C"] == 0.0 > standing["B"]


def test_one_five_star_review_is_not_worth_a_thousand() -> None:
    few = Product("A", "a", rating=5.0, review_count=1)
    many = Product("B", "b", rating=4.8, review_count=1000)
    poor = Product("C", "c", rating=2.0, review_count=1000)
    one, thousand, _ = columns_of([few, many, poor]).authority
    assert thousand > one > 0.0


def test_products_are_held_against_their_category() -> None:
    def of(category: str, rating: float) -> Product:
        return Product("S", "s", category=(category,), rating=rating, review_count=900)

    films, cables = [of("Films", 4.5)] * 40, [of("Cables", 3.0)] * 40
    good = of("Cables", 4.0)
    standing = columns_of([good, *films, *cables]).authority
    assert standing[0] > standing[1] > standing[-1]


def test_a_shop_without_history_has_no_authorities() -> None:
    assert columns_of([Product("A", "a"), Product("B", "b")]).authority.tolist() == [0.0, 0.0]


def test_freshness_halves_with_each_half_life() -> None:
    days = np.array([0, -30, 3]) * 86_400_000 + NOW
    published = np.append(days, UNKNOWN_DATE)
    assert freshness(published, NOW, 30.0).tolist() == pytest.approx([1.0, 0.5, 1.0, 0.0])
