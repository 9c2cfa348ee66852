import pytest

from indexer.quality.gate import check_release
from schemas.config import GateConfig
from schemas.release import Health, Quality

HEALTHY = Health(
    duplicate_keys={"segments": 0},
    unindexed={"segments.frame_vector": 0},
    missing={"segments.frame_vector": 0},
    wrong_indexes=[],
    orphans=0,
    incomplete_videos=0,
    bad_scores=0,
    centres={"segments.frame_vector": 0.99},
    damaged=[],
)
GOOD = Quality(
    recall_at_10={"segments.frame_vector": 0.95},
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
