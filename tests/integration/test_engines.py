"""One contract for both engines, and what only killable workers can do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from indexer.sources.local import stamp_of
from jobs.engine import Engine
from jobs.local import LocalEngine
from jobs.ray_engine import RayEngine
from schemas.catalog import Product, VideoSource
from schemas.config import Config, parse_config
from schemas.errors import FailureKind, ModelUnavailable
from schemas.keys import video_key
from schemas.outcomes import Failed, Indexed, Outcome, VideoJob
from tests.clips import BLUE, GREEN, RED, write_clip
from tests.fakes import (
    decode_or_misbehave,
    load_crashing,
    load_fakes,
    load_hanging,
    load_missing,
)

pytestmark = pytest.mark.integration
ENGINES = {"local": LocalEngine, "ray": RayEngine}


def config(**engine: object) -> Config:
    return parse_config({"engine": {"model_workers": 1, "videos_per_batch": 2, **engine}})


@pytest.fixture(params=["local", "ray"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "ray":
        request.getfixturevalue("ray_node")
    with ENGINES[request.param](config(), load_fakes, decode_or_misbehave) as running:
        yield running


def job(name: str, path: Path) -> VideoJob:
    return VideoJob(video_key("shop", name), VideoSource(name, str(path)), stamp_of(path))


def clips(tmp_path: Path, names: list[str]) -> list[VideoJob]:
    colours = [[RED, GREEN], [BLUE], [GREEN]]
    return [
        job(name, write_clip(tmp_path / f"{name}.mp4", colours[i % 3]))
        for i, name in enumerate(names)
    ]


def by_id(outcomes: Iterator[Outcome]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for outcome in outcomes:
        name = outcome.video_id if isinstance(outcome, Failed) else outcome.job.source.video_id
        assert name not in found, "an input has two outcomes"
        found[name] = outcome
    return found


def kinds(outcomes: dict[str, Outcome]) -> dict[str, FailureKind | str]:
    return {n: o.kind if isinstance(o, Failed) else "indexed" for n, o in outcomes.items()}


def test_every_video_gets_one_outcome(engine: Engine, tmp_path: Path) -> None:
    jobs = clips(tmp_path, ["a", "b", "c", "d", "e"])
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    outcomes = by_id(engine.index_videos([*jobs, job("broken", broken)]))
    assert kinds(outcomes) == dict.fromkeys("abcde", "indexed") | {
        "broken": FailureKind.NOT_A_VIDEO
    }


def test_the_rows_do_not_depend_on_the_engine(engine: Engine, tmp_path: Path) -> None:
    (only,) = clips(tmp_path, ["a"])
    (outcome,) = engine.index_videos([only])
    with LocalEngine(config(), load_fakes) as local:
        (expected,) = local.index_videos([only])
    assert isinstance(outcome, Indexed)
    assert isinstance(expected, Indexed)
    assert outcome.video.info == expected.video.info
    assert outcome.video.calls == expected.video.calls
    for mine, theirs in zip(outcome.video.segments, expected.video.segments, strict=True):
        assert mine.segment_key == theirs.segment_key
        assert mine.frame_vector.tolist() == theirs.frame_vector.tolist()


def test_products_are_all_encoded(engine: Engine, tmp_path: Path) -> None:
    products = [Product(f"S{i}", f"Lamp {i}") for i in range(20)]
    encoded = [sku for part in engine.encode_texts(products) for sku in part]
    assert sorted(encoded) == sorted(p.sku for p in products)


def test_no_videos_are_no_work(engine: Engine) -> None:
    assert list(engine.index_videos([])) == []


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_missing_model_is_told_in_its_own_words(kind: str, ray_node: None) -> None:
    with pytest.raises(ModelUnavailable, match="on holiday"), ENGINES[kind](config(), load_missing):
        pass


def test_a_decoder_that_hangs_is_killed_and_its_neighbours_live(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "hang", "b", "c"])
    settings = config(decode_deadline_s=4.0)
    with RayEngine(settings, load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | {"hang": FailureKind.DEADLINE}
    hung = outcomes["hang"]
    assert isinstance(hung, Failed)
    assert hung.message == "was not decoded within 4 s"


def test_a_decoder_that_crashes_is_tried_again_and_then_given_up(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "crash-1", "b", "crash-2", "c"])
    with RayEngine(config(), load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    crashed = dict.fromkeys(["crash-1", "crash-2"], FailureKind.CRASHED)
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | crashed


def test_a_decoder_that_takes_all_memory_costs_its_own_video(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "greedy", "b"])
    settings = config(decode_memory_gb=0.6)
    with RayEngine(settings, load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert kinds(outcomes) == dict.fromkeys("ab", "indexed") | {"greedy": FailureKind.OUT_OF_MEMORY}


@pytest.mark.parametrize(
    ("loader", "kind"),
    [(load_crashing, FailureKind.CRASHED), (load_hanging, FailureKind.DEADLINE)],
)
def test_a_model_that_dies_or_hangs_costs_only_the_video_that_did_it(
    ray_node: None, tmp_path: Path, loader: object, kind: FailureKind
) -> None:
    # The bad models misbehave on sound, and only one video has any.
    loud = job("loud", write_clip(tmp_path / "loud.mp4", [RED, BLUE], sound=True))
    jobs = clips(tmp_path, ["a", "b", "c"])
    settings = config(model_deadline_s=5.0)
    with RayEngine(settings, loader) as engine:
        outcomes = by_id(engine.index_videos([jobs[0], loud, *jobs[1:]]))
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | {"loud": kind}
