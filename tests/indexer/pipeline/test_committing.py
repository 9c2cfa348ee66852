"""When what is done is committed: by its rows, by its age, by its videos."""

import pytest

from benchmarks.store_growth import Made, refs
from reelshelf.indexer.pipeline.committing import Commits
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.run import Outcomes, Run, row_context
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.sources import seen_files
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import parse_config

MADE = Made()
MOMENTS = 5


def commits(tmp_path: object, clock: list[float], **engine: float) -> Commits:
    config = parse_config({"engine": engine})
    store = Store.create(str(tmp_path), config.shop_id, refs())
    run = Run(
        config,
        store,
        Lease.take(store, "run", 60),
        row_context("run", config, refs()),
        NoProgress(),
    )
    return Commits(run, Outcomes(), {}, set(), frozenset(), clock=lambda: clock[0])


def committed(found: Commits) -> int:
    return found.run.store.count("videos")


@pytest.mark.parametrize(
    ("engine", "after"),
    [({"rows_per_commit": 3 * MOMENTS}, 3), ({"videos_per_commit": 2}, 2), ({}, None)],
)
def test_it_is_committed_when_it_is_much(
    tmp_path: object, engine: dict[str, float], after: int | None
) -> None:
    found = commits(tmp_path, [0.0], **engine)
    for number in range(4):
        found.add(MADE.video(number))
        assert committed(found) == (0 if after is None else (number + 1) // after * after)
    found.close()
    assert committed(found) == found.outcomes.indexed == 4
    assert len(seen_files(found.run.store)) == 4


def test_it_is_committed_when_the_first_of_it_has_waited(tmp_path: object) -> None:
    clock = [0.0]
    found = commits(tmp_path, clock, commit_every_s=60)
    found.add(MADE.video(0))
    clock[0] = 59.0
    found.add(MADE.video(1))
    assert committed(found) == 0
    clock[0] = 61.0
    found.add(MADE.video(2))
    assert committed(found) == 3
    # The next ones wait from their own beginning on.
    clock[0] = 120.0
    found.add(MADE.video(3))
    assert committed(found) == 3


def test_a_file_that_is_seen_again_has_one_row(tmp_path: object) -> None:
    found = commits(tmp_path, [0.0], videos_per_commit=1)
    found.add(MADE.video(0))
    store = found.run.store
    again = Commits(
        found.run, Outcomes(), store.video_states(), seen_files(store).keys(), frozenset()
    )
    again.add(MADE.video(0, "changed"))
    again.close()
    assert store.count("sources") == store.count("videos") == 1
    assert store.count("segments") == MOMENTS
    assert set(store.scan("segments", ["content_sha256"])["content_sha256"].to_pylist()) == {
        state.content_sha256 for state in store.video_states().values()
    }
