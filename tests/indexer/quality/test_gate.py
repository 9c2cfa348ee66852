import pytest

from reelshelf.indexer.quality.gate import check_release
from reelshelf.indexer.quality.sampling import finding
from reelshelf.schemas.config import GateConfig
from reelshelf.schemas.gate import Scope
from reelshelf.schemas.release import (
    Health,
    JudgedQuality,
    KindRecall,
    LinkChange,
    Ordering,
    Quality,
)

HEALTHY = Health(
    unindexed={"segments.frame_vector": 0},
    missing={"segments.frame_vector": 0},
    wrong_indexes=[],
    centers={"segments.frame_vector": 0.99},
    moved={"segments.frame_vector": 0},
    damaged=[],
)
FRAMES = "segments.frame_vector"


def recalled(recall: float, worst: float | None = None) -> dict[str, list[KindRecall]]:
    found = KindRecall(kind="catalog pictures", recall=recall, error=0.01, queries=100, worst=worst)
    return {FRAMES: [found]}


GOOD = Quality(
    recall_at_10={"segments.frame_vector": 0.95},
    recall_error={"segments.frame_vector": 0.01},
    recall_queries={"segments.frame_vector": 100},
    recalls=recalled(0.95, 0.93),
    videos=100,
    videos_linked=80,
    products=50,
    products_with_picture=50,
    products_linked=40,
    links=120,
    segments=400,
    segments_with_text=200,
    submitted=100,
    indexed=98,
    skipped=0,
    failed=2,
    failures_by_kind={"corrupt": 2},
    bad_vectors={"segments.frame_vector": 0},
    rejected_rows=1,
    health=HEALTHY,
)


def refused(quality: Quality, previous: Quality | None = None) -> list[str]:
    return [c.name for c in check_release(quality, previous, GateConfig()) if not c.passed]


def test_a_good_release_passes() -> None:
    assert refused(GOOD) == []
    assert refused(GOOD, GOOD) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"recalls": recalled(0.5)}, "recall@10 of segments.frame_vector, catalog pictures"),
        (
            {"recalls": recalled(0.95, 0.5)},
            "recall@10 of segments.frame_vector, catalog pictures, worst tenth",
        ),
        (
            {
                "findings": [
                    finding("links.sku", "is right", Scope.NEW, looked_at=9, wrong=1, rows=9)
                ]
            },
            "links.sku, new rows: is right",
        ),
        (
            {
                "orderings": {"moments": Ordering(share=0.6, error=0.02)},
                "orderings_before": {"moments": Ordering(share=0.9, error=0.02)},
            },
            "moments: nearer than strangers",
        ),
        (
            {"link_change": LinkChange(before=100, kept=40, now=100)},
            "links kept of 100 of what has not changed",
        ),
        (
            {"link_change": LinkChange(before=100, kept=100, now=400)},
            "links of what has not changed, 100 before",
        ),
        (
            {"titles": JudgedQuality(queries=9, ndcg=0.3, before=0.9)},
            "nDCG@10 of titles of products",
        ),
        ({"bad_vectors": {"segments.frame_vector": 1}}, "bad vectors in segments.frame_vector"),
        ({"failed": 30}, "failure rate"),
        (
            {"recall_queries": {"segments.frame_vector": 0}},
            "queries that tell the recall of segments.frame_vector",
        ),
        ({"videos": 0}, "videos"),
        ({"products": 0}, "products"),
    ],
)
def test_each_fault_is_refused_by_its_own_check(change: dict[str, object], check: str) -> None:
    assert refused(GOOD.model_copy(update=change)) == [check]


def test_a_release_that_lost_most_of_its_videos_is_refused() -> None:
    shrunk = GOOD.model_copy(update={"videos": 40})
    assert refused(shrunk) == []
    assert refused(shrunk, GOOD) == ["videos kept of 100"]


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"damaged": ["a: is missing"]}, "damaged files"),
        ({"wrong_indexes": ["a: metric"]}, "wrong indexes"),
        ({"unindexed": {"x": 1}}, "unindexed rows of x"),
        ({"moved": {"x": 1}}, "unchanged rows of x with other vectors"),
        ({"centers": {"x": 0.5}}, "mean vector of x, cosine"),
    ],
)
def test_each_illness_is_refused_by_its_own_check(change: dict[str, object], check: str) -> None:
    ill = GOOD.model_copy(update={"health": HEALTHY.model_copy(update=change)})
    assert refused(ill) == [check]


def test_what_nobody_looked_at_is_not_said_to_be_well() -> None:
    unread = GOOD.model_copy(update={"health": HEALTHY.model_copy(update={"damaged": None})})
    names = [check.name for check in check_release(unread, None, GateConfig())]
    assert "damaged files" not in names
    assert refused(unread) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"segments": 100}, "segments kept of 400"),
        ({"segments_with_text": 10}, "segments with text kept of 200"),
        ({"products_with_picture": 20}, "products with picture kept of 50"),
        ({"videos_linked": 50}, "share of videos linked, 0.8 before"),
    ],
)
def test_a_release_that_lost_much_is_refused(change: dict[str, object], check: str) -> None:
    assert refused(GOOD.model_copy(update=change), GOOD) == [check]


def test_a_condition_says_by_how_much_it_was_missed() -> None:
    poor = GOOD.model_copy(update={"recalls": recalled(0.9), "failed": 6, "submitted": 10})
    wrong = {c.name: c for c in check_release(poor, None, GateConfig()) if not c.passed}
    recall = wrong["recall@10 of segments.frame_vector, catalog pictures"]
    assert recall.missed_by == pytest.approx(0.02)
    assert wrong["failure rate"].missed_by == pytest.approx(0.4)
    assert all(c.missed_by == 0 for c in check_release(poor, None, GateConfig()) if c.passed)


@pytest.mark.parametrize(
    ("change", "low", "high", "passed"),
    [(-0.1, -0.15, -0.05, False), (-0.1, -0.25, 0.05, True), (-0.01, -0.015, -0.005, True)],
)
def test_a_loss_on_judged_queries_counts_where_it_is_large_and_no_chance(
    change: float, low: float, high: float, passed: bool
) -> None:
    judged = JudgedQuality(queries=50, ndcg=0.7, before=0.8, change=change, low=low, high=high)
    assert (refused(GOOD.model_copy(update={"judged": judged})) == []) is passed


def test_what_a_condition_tells_is_which_share_and_what_for() -> None:
    found = finding(
        "segments.text", "is what was written", Scope.OLD, looked_at=100, wrong=20, rows=1000,
        allowed=0.01, examples=["v1 at 0"], harm="searches find other moments",
    )  # fmt: skip
    told = found.as_check().told
    assert "segments.text, old rows" in told
    assert "20 of 100 looked at (1000 there are)" in told
    assert "e.g. v1 at 0; searches find other moments" in told
