import pytest

from reelshelf.indexer.quality.gate import check_release
from reelshelf.schemas.config import GateConfig
from reelshelf.schemas.release import Health, Quality

HEALTHY = Health(
    duplicate_keys={"segments": 0},
    unindexed={"segments.frame_vector": 0},
    missing={"segments.frame_vector": 0},
    wrong_indexes=[],
    orphans=0,
    incomplete_videos=0,
    bad_scores=0,
    centers={"segments.frame_vector": 0.99},
    moved={"segments.frame_vector": 0},
    damaged=[],
)
GOOD = Quality(
    recall_at_10={"segments.frame_vector": 0.95},
    recall_error={"segments.frame_vector": 0.01},
    recall_queries={"segments.frame_vector": 100},
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
        ({"recall_at_10": {"segments.frame_vector": 0.5}}, "recall@10 of segments.frame_vector"),
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
        ({"orphans": 1}, "orphan rows"),
        ({"incomplete_videos": 1}, "videos that miss segments"),
        ({"bad_scores": 1}, "scores outside 0..1"),
        ({"duplicate_keys": {"links": 2}}, "duplicate keys"),
        ({"unindexed": {"x": 1}}, "unindexed rows of x"),
        ({"missing": {"x": 1}}, "rows in no partition of x"),
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
    recall = {"segments.frame_vector": 0.9}
    poor = GOOD.model_copy(update={"recall_at_10": recall, "failed": 6, "submitted": 10})
    wrong = {c.name: c for c in check_release(poor, None, GateConfig()) if not c.passed}
    assert wrong["recall@10 of segments.frame_vector"].missed_by == pytest.approx(0.02)
    assert wrong["failure rate"].missed_by == pytest.approx(0.4)
    assert all(c.missed_by == 0 for c in check_release(poor, None, GateConfig()) if c.passed)
