"""Measures of search, held against hand-made cases, and against each other."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.quality.judged import answer_all, ndcg_at, recall_at, reciprocal_rank
from reelshelf.indexer.quality.reliability import calibration_error, reliability
from reelshelf.indexer.search.results import SearchHit
from reelshelf.indexer.sources.queries import JudgedQuery

RANKINGS = st.lists(st.sampled_from("abcdefghijklmno"), unique=True, max_size=15)
RELEVANT = st.frozensets(st.sampled_from("abcdefghijklmno"), min_size=1)


def test_measures_of_a_ranking_by_hand() -> None:
    found, relevant = ["x", "a", "y", "b"], frozenset(["a", "b", "c"])
    assert recall_at(5, found, relevant) == pytest.approx(2 / 3)
    assert recall_at(2, found, relevant) == pytest.approx(1 / 2)
    assert reciprocal_rank(found, relevant) == 0.5
    best = 1 + 1 / log2(3) + 1 / 2
    assert ndcg_at(10, found, relevant) == pytest.approx((1 / log2(3) + 1 / log2(5)) / best)


@given(RANKINGS, RELEVANT)
def test_measures_lie_between_nothing_found_and_the_best_order(
    found: list[str], relevant: frozenset[str]
) -> None:
    for value in (
        ndcg_at(10, found, relevant),
        recall_at(5, found, relevant),
        reciprocal_rank(found, relevant),
    ):
        assert 0 <= value <= 1 + 1e-9
    assert ndcg_at(10, sorted(relevant), relevant) == pytest.approx(1)
    assert (reciprocal_rank(found, relevant) == 0) == (not relevant & set(found))


@given(RANKINGS, RELEVANT)
def test_moving_a_relevant_video_up_never_hurts(found: list[str], relevant: frozenset[str]) -> None:
    for place in range(1, len(found)):
        if found[place] in relevant and found[place - 1] not in relevant:
            better = list(found)
            better[place - 1], better[place] = better[place], better[place - 1]
            assert ndcg_at(10, better, relevant) >= ndcg_at(10, found, relevant)


def test_a_result_stands_for_its_cluster() -> None:
    hit = SearchHit("a", ("b",), 1.0, 0, 1, (), (), (), "")
    query = JudgedQuery("q", "text", "lamp", None, frozenset(["b"]))
    (answer,) = answer_all([query], lambda _: [hit])
    assert (answer.reciprocal_rank, answer.recall_at_5) == (0.5, 1.0)


def test_scores_that_are_right_have_no_calibration_error() -> None:
    scores = [0.0] * 50 + [1.0] * 50
    assert calibration_error(scores, scores) == 0
    assert calibration_error([0.9] * 100, [0.0] * 100) == pytest.approx(0.9)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_every_pair_stands_in_one_bin(pairs: list[tuple[float, bool]]) -> None:
    scores, linked = [p[0] for p in pairs], [float(p[1]) for p in pairs]
    bins = reliability(scores, linked)
    assert sum(item.pairs for item in bins) == len(pairs)
    assert sum(item.pairs * item.observed for item in bins) == pytest.approx(sum(linked))
    means = [item.score for item in bins]
    assert means == sorted(means)
    assert 0 <= calibration_error(scores, linked) <= 1
