"""One contract for both engines, and what only killable workers can do."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.catalog import PictureJob, Product, RejectedText, VideoSource
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.errors import FailureKind, ModelUnavailable
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import Failed, Indexed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe
from tests.support.clips import BLUE, GREEN, RED, textured, write_clip
from tests.support.fakes import (
    FakeTexts,
    decode_or_misbehave,
    decode_slowly,
    load_all_sick,
    load_choosy,
    load_crashing,
    load_fake_detector,
    load_fakes,
    load_hanging,
    load_missing,
    load_one_sick,
    load_sick_slot,
    load_sick_slot_beside_a_slow_worker,
)

pytestmark = pytest.mark.integration
on_ray = partial(RayEngine, detector=load_fake_detector)
ENGINES = {"local": LocalEngine, "ray": on_ray}


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
    colors = [[RED, GREEN], [BLUE], [GREEN]]
    return [
        job(name, write_clip(tmp_path / f"{name}.mp4", colors[i % 3]))
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_product_whose_text_cannot_be_encoded_costs_no_other(kind: str, ray_node: None) -> None:
    products = [Product(f"S{i}", "Unspeakable" if i == 7 else f"Lamp {i}") for i in range(20)]
    with ENGINES[kind](config(), load_choosy) as engine:
        answers = {
            sku: made for part in engine.encode_texts(products) for sku, made in part.items()
        }
    assert len(answers) == 20
    (refused,) = [made for made in answers.values() if isinstance(made, RejectedText)]
    assert refused.sku == "S7"
    assert "its text cannot be encoded: RuntimeError: no such token" in refused.reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "ray"])
def test_probes_are_encoded_each_once_and_one_that_fails_costs_no_other(
    kind: str, ray_node: None
) -> None:
    probes = [Probe(i, text="Unspeakable" if i == 7 else f"Lamp {i}") for i in range(12)]
    probes += [Probe(12 + i, image=np.full((8, 8, 3), 20 * i, np.uint8)) for i in range(8)]
    with ENGINES[kind](config(), load_choosy) as engine:
        found = {item.number: item for item in engine.encode_probes(probes)}
    assert sorted(found) == list(range(20))
    assert [n for n, item in found.items() if item.vector is None] == [7]
    assert "no such token" in found[7].why
    expected = FakeTexts().encode_texts(["Lamp 3"])[0]
    vector = found[3].vector
    assert vector is not None
    assert vector.tolist() == expected.tolist()


def test_no_videos_are_no_work(engine: Engine) -> None:
    assert list(engine.index_videos([])) == []


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_missing_model_is_told_in_its_own_words(kind: str, ray_node: None) -> None:
    with pytest.raises(ModelUnavailable, match="on holiday"), ENGINES[kind](config(), load_missing):
        pass


@pytest.mark.slow
def test_a_decoder_that_hangs_is_killed_and_its_neighbors_live(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "hang", "b", "c"])
    settings = config(decode_deadline_s=4.0)
    with on_ray(settings, load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | {"hang": FailureKind.DEADLINE}
    hung = outcomes["hang"]
    assert isinstance(hung, Failed)
    assert hung.message == "was not decoded within 4 s"


@pytest.mark.slow
def test_a_decoder_that_crashes_is_tried_again_and_then_given_up(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "crash-1", "b", "crash-2", "c"])
    with on_ray(config(), load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    crashed = dict.fromkeys(["crash-1", "crash-2"], FailureKind.CRASHED)
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | crashed


def test_a_decoder_that_takes_all_memory_costs_its_own_video(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["a", "greedy", "b"])
    settings = config(decode_memory_gb=0.6)
    with on_ray(settings, load_fakes, decode_or_misbehave) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert kinds(outcomes) == dict.fromkeys("ab", "indexed") | {"greedy": FailureKind.OUT_OF_MEMORY}


@pytest.mark.slow
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
    with on_ray(settings, loader) as engine:
        outcomes = by_id(engine.index_videos([jobs[0], loud, *jobs[1:]]))
    assert kinds(outcomes) == dict.fromkeys("abc", "indexed") | {"loud": kind}


def spooled(tmp_path: Path, **engine: object) -> Config:
    """A config whose spool folder the fakes leave notes in."""
    settings = config(**engine)
    storage = settings.storage.model_copy(update={"spool_dir": str(tmp_path)})
    return settings.model_copy(update={"storage": storage})


@pytest.mark.slow
@pytest.mark.parametrize(
    "loader", [load_one_sick, load_sick_slot, load_sick_slot_beside_a_slow_worker]
)
def test_one_sick_worker_loses_no_video(ray_node: None, tmp_path: Path, loader: object) -> None:
    jobs = clips(tmp_path, [f"v{i}" for i in range(24)])
    settings = spooled(tmp_path, model_workers=2, model_cpus=0.2, decode_cpus=0.2)
    with on_ray(settings, loader) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert kinds(outcomes) == dict.fromkeys((f"v{i}" for i in range(24)), "indexed")


@pytest.mark.slow
def test_pictures_and_texts_are_tried_in_another_worker_too(ray_node: None, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    Image.fromarray(textured(RED, 32, 32)).save(picture)
    jobs = [PictureJob(f"k{i}", "p", "S", "p.png", str(picture)) for i in range(20)]
    settings = spooled(tmp_path, model_workers=2, model_cpus=0.2, decode_cpus=0.2)
    with on_ray(settings, load_one_sick) as engine:
        encoded = list(engine.encode_pictures(jobs))
    assert [type(item).__name__ for item in encoded] == ["EncodedPicture"] * 20


@pytest.mark.slow
def test_where_all_workers_are_sick_every_video_has_its_outcome_and_few_workers_are_spent(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, [f"v{i}" for i in range(12)])
    settings = spooled(tmp_path, model_workers=1, model_cpus=0.2, decode_cpus=0.2)
    with on_ray(settings, load_all_sick) as engine:
        outcomes = by_id(engine.index_videos(jobs))
    assert set(kinds(outcomes).values()) == {FailureKind.INTERNAL}
    assert len(outcomes) == 12
    assert len(list(tmp_path.glob("loaded-*"))) == 4


@pytest.mark.slow
def test_one_bad_video_costs_few_workers(ray_node: None, tmp_path: Path) -> None:
    settings = spooled(tmp_path, model_workers=2, model_cpus=0.2, decode_cpus=0.2)
    with on_ray(settings, load_all_sick) as engine:
        outcomes = by_id(engine.index_videos(clips(tmp_path, ["bad"])))
    assert kinds(outcomes) == {"bad": FailureKind.INTERNAL}
    assert len(list(tmp_path.glob("loaded-*"))) <= 3


def decoded_by(folder: Path) -> dict[int, list[tuple[str, float, float]]]:
    """What each decoder process decoded, from when to when."""
    found = {}
    for log in folder.glob("decoder-*"):
        lines = [line.split() for line in log.read_text().splitlines()]
        found[int(log.name.split("-")[1])] = [(n, float(a), float(b)) for n, a, b in lines]
    return found


@pytest.mark.slow
def test_as_many_decoders_are_busy_as_the_setting_says(ray_node: None, tmp_path: Path) -> None:
    jobs = clips(tmp_path, [f"v{i}" for i in range(12)])
    settings = spooled(
        tmp_path,
        decode_workers=6,
        decode_cpus=0.1,
        decode_memory_gb=0.5,
        model_cpus=0.1,
        videos_per_batch=1,
    )
    with on_ray(settings, load_fakes, decode_slowly) as engine:
        while engine._decoders.idle < 6:
            engine._wait()
        outcomes = by_id(engine.index_videos(jobs))
    assert set(kinds(outcomes).values()) == {"indexed"}
    done = decoded_by(tmp_path)
    assert len(done) == 6
    spans = [(began, ended) for lines in done.values() for _, began, ended in lines]
    most = max(sum(a <= at < b for a, b in spans) for at, _ in spans)
    assert most == 6


@pytest.mark.slow
def test_a_video_that_takes_long_is_put_off_and_holds_nobody_up(
    ray_node: None, tmp_path: Path
) -> None:
    jobs = clips(tmp_path, ["long", "a", "b", "c", "d"])
    settings = spooled(tmp_path, decode_workers=1, slow_after_s=1.0, decode_deadline_s=6.0)
    with on_ray(settings, load_fakes, decode_slowly) as engine:
        outcomes = list(engine.index_videos(jobs))
        assert engine._decoders.count == 1
    # One decoder, and the long one was given up last.
    assert kinds(by_id(iter(outcomes))) == dict.fromkeys("abcd", "indexed") | {
        "long": FailureKind.DEADLINE
    }
    assert isinstance(outcomes[-1], Failed)
