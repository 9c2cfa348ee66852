"""Which video goes where and when, on a cluster that is simulated."""

import math
import random
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.jobs.engines.scheduling import Break
from reelshelf.schemas.config import EngineConfig
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.outcomes import Failed, VideoJob
from tests.support.simulated import Behavior, Seen, SimulatedCluster, job

ENGINE = EngineConfig(videos_per_batch=2, attempts=2, decode_deadline_s=60, model_deadline_s=30)


def ended(seen: Seen) -> dict[str, str]:
    """How each video ended, which has one outcome."""
    assert all(len(outcomes) == 1 for outcomes in seen.outcomes.values())
    return {
        name: outcome.kind.name if isinstance(outcome, Failed) and outcome.kind else "INDEXED"
        for name, (outcome,) in seen.outcomes.items()
    }


def calls_made_by(function: Callable[[], object]) -> int:
    """How many functions are called, and generators resumed: a clock that runs alike everywhere."""
    made = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function()
    finally:
        sys.setprofile(None)
    return made


def all_indexed(count: int) -> dict[str, str]:
    return {f"v{i}": "INDEXED" for i in range(count)}


def test_all_decoders_are_busy_until_nothing_is_left() -> None:
    cluster = SimulatedCluster(6, 1, Behavior(start_s=0.0))
    seen = cluster.run(map(job, range(60)), ENGINE)
    assert ended(seen) == all_indexed(60)
    assert seen.most_decoding == 6
    # Ten videos each, one after the other, and the models of the last ones.
    assert cluster.clock.now == pytest.approx(10.0 + 0.6)


def test_models_that_stand_still_stop_decoding() -> None:
    behavior = Behavior(model_s=lambda job: 20.0)
    cluster = SimulatedCluster(4, 1, behavior)
    seen = cluster.run(map(job, range(40)), ENGINE, most_bytes=5e6)
    assert ended(seen) == all_indexed(40)
    # What may be there, and one video in the making by the time that the mean is known.
    assert seen.most_bytes <= 5e6 + 4e6


def test_a_video_that_takes_long_lets_others_pass_and_comes_last() -> None:
    behavior = Behavior(decode_s=lambda job: 50.0 if job.key == "k3" else 1.0)
    cluster = SimulatedCluster(1, 1, behavior)
    seen = cluster.run(map(job, range(10)), ENGINE.model_copy(update={"slow_after_s": 5.0}))
    assert ended(seen) == all_indexed(10)
    assert seen.order.index("k4") > seen.order.index("k3")
    assert seen.order[-1] == "k3"
    assert seen.order.count("k3") == 2
    assert cluster.decoders.count == 1


def test_in_a_shop_of_long_videos_none_is_put_off_again_and_again() -> None:
    behavior = Behavior(decode_s=lambda job: 50.0)
    cluster = SimulatedCluster(2, 1, behavior)
    seen = cluster.run(map(job, range(12)), ENGINE.model_copy(update={"slow_after_s": 5.0}))
    assert ended(seen) == all_indexed(12)
    assert len(seen.order) <= 12 + 2


def test_a_decoder_that_hangs_is_replaced_and_its_video_given_up_after_three_deaths() -> None:
    behavior = Behavior(decode_s=lambda job: math.inf if job.key == "k1" else 1.0)
    cluster = SimulatedCluster(2, 1, behavior, nodes=1)
    seen = cluster.run(map(job, range(6)), ENGINE)
    assert ended(seen) == all_indexed(6) | {"v1": "CRASHED"}
    assert seen.order.count("k1") == 3


def test_a_model_worker_that_hangs_costs_the_video_that_did_it() -> None:
    behavior = Behavior(model_s=lambda job: math.inf if job.key == "k1" else 0.1)
    cluster = SimulatedCluster(2, 2, behavior, slots=2)
    seen = cluster.run(map(job, range(9)), ENGINE)
    assert ended(seen) == all_indexed(9) | {"v1": "DEADLINE"}


def test_a_batch_waits_for_a_moment_until_it_is_whole_and_no_longer() -> None:
    engine = ENGINE.model_copy(update={"videos_per_batch": 4})
    cluster = SimulatedCluster(8, 1, Behavior(decode_s=lambda job: 1.0 + int(job.key[1:]) / 10))
    seen = cluster.run(map(job, range(8)), engine, fill_s=2.0)
    assert seen.batches == [4, 4]
    slow = Behavior(decode_s=lambda job: 1.0 if job.key == "k0" else 9.0)
    cluster = SimulatedCluster(2, 1, slow)
    cluster.run([job(0), job(1)], engine, fill_s=2.0)
    assert cluster.seen.batches == [1, 1]


def test_one_sick_place_loses_no_video() -> None:
    def failures(job: VideoJob, place: int) -> FailureKind | None:
        return FailureKind.INTERNAL if place == 2 else None

    cluster = SimulatedCluster(4, 3, Behavior(failures=failures))
    assert ended(cluster.run(map(job, range(30)), ENGINE)) == all_indexed(30)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    decoders=st.integers(1, 9),
    models=st.integers(1, 5),
    slots=st.integers(1, 2),
    nodes=st.integers(1, 3),
    fill_s=st.sampled_from([0.0, 2.0]),
    most_bytes=st.sampled_from([1.0, 4e6, math.inf]),
)
def test_whatever_breaks_every_video_has_one_outcome_and_the_clean_ones_are_indexed(
    seed: int,
    decoders: int,
    models: int,
    slots: int,
    nodes: int,
    fill_s: float,
    most_bytes: float,
) -> None:
    rng = random.Random(seed)
    nature = {f"k{i}": rng.random() for i in range(40)}

    struck: set[str] = set()

    def breaks(job: VideoJob) -> Break | None:
        # Some kill their decoder. Of the others one may meet one that dies by itself, but once.
        if nature[job.key] < 0.03:
            return Break.DIED
        if job.key not in struck and rng.random() < 0.05:
            struck.add(job.key)
            return Break.DIED
        return None

    def model_breaks(jobs: Sequence[VideoJob]) -> Break | None:
        if any(0.03 <= nature[job.key] < 0.06 for job in jobs):
            return Break.DIED
        return Break.INPUT_LOST if rng.random() < 0.02 else None

    behavior = Behavior(
        start_s=rng.random() * 3,
        decode_s=lambda job: math.inf if 0.06 <= nature[job.key] < 0.08 else 0.1 + 3 * rng.random(),
        model_s=lambda job: math.inf if 0.08 <= nature[job.key] < 0.1 else rng.random(),
        breaks=breaks,
        model_breaks=model_breaks,
    )
    cluster = SimulatedCluster(decoders, models, behavior, nodes, slots)
    seen = cluster.run(map(job, range(40)), ENGINE, most_bytes, fill_s)
    ends = ended(seen)
    assert ends.keys() == all_indexed(40).keys()
    for name, near in nature.items():
        wanted = "INDEXED" if near >= 0.1 else "DEADLINE" if near >= 0.08 else "CRASHED"
        assert ends[f"v{name[1:]}"] == wanted
    assert cluster.decoders.count == decoders


def test_what_the_driver_does_for_a_video_does_not_grow_with_workers() -> None:
    calls = []
    for workers in (10, 400):
        cluster = SimulatedCluster(workers, workers // 5, Behavior())
        calls.append(calls_made_by(lambda: cluster.run(map(job, range(4000)), ENGINE)))  # noqa: B023
        assert cluster.asked_nodes == 0
    assert calls[1] <= 1.3 * calls[0]
