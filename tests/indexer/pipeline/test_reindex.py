"""Redoing on demand: the least that is needed, the same rows as doing everything, told before."""

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.extract import work
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import plan_only
from reelshelf.indexer.pipeline.preview import preview
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.store.releases import list_releases, require_served
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.protocols import ModelSet, TextDetector
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import ConfigError, GateRefused, StoreError
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from reelshelf.schemas.run import Stage
from tests.support.clips import RED, write_clip
from tests.support.fakes import (
    FakeImages,
    decode_flaky,
    decode_never,
    load_fakes,
)
from tests.support.shops import Shop, product_row, small_config
from tests.support.watched import WIDE, Watched, WideImages


class SharperImages(FakeImages):
    """A new revision in the same space."""

    device: Device = "cpu"
    ref = FakeImages.ref.model_copy(update={"revision": "2"})


def everything(shop: Shop) -> Watched:
    """What a full run asks of the models."""
    watched = Watched()
    shop.ingest(loader=watched.load, decode=watched.decode)
    return watched


def expected(shop: Shop, config: Config, reindex: ReindexRequest) -> dict[str, int]:
    planned = plan_only(shop.request, config, reindex)
    return preview(planned, Store.open(shop.request.store)).calls


def made(result: IngestResult) -> dict[str, int]:
    calls = {name: count for name, count in result.calls.items() if count}
    calls.pop("files_hashed", None)
    return calls


def from_the_start(
    shop: Shop, config: Config, loader: Callable[[Config], ModelSet] = load_fakes
) -> Store:
    """The same shop, indexed from nothing into another store."""
    request = replace(shop.request, store=str(shop.root / "fresh"))
    engine = partial(LocalEngine, loader=loader)
    ingest(request, config, engine, NoProgress()).or_raise()
    return Store.open(request.store)


@pytest.mark.slow
def test_a_new_visual_model_asks_nothing_else_and_is_built_beside_the_old(shop: Shop) -> None:
    full = everything(shop).asked
    assert full["speech"] == full["sounds"] == 1
    before = require_served(Store.open(shop.request.store))
    config = small_config(models=WIDE)
    reindex = ReindexRequest(model="wide")
    told = expected(shop, config, reindex)
    watched = Watched(WideImages())
    result = shop.ingest(config, watched.load, watched.decode, reindex=reindex)
    assert set(watched.asked) == {"images", "pictures", "sounds"}
    assert watched.asked["sounds"] == 0
    assert watched.asked["images"] == full["images"]
    assert made(result) == told
    assert set(told) == {"frames_encoded", "pictures_encoded", "video_ms_decoded"}

    store = Store.open(shop.request.store)
    served = require_served(store)
    assert (before.generation, served.generation) == (1, 2)
    assert served.models.image.dim == 48
    # Words and links are those of a store that was made with that model from the start.
    fresh = from_the_start(shop, config, Watched(WideImages()).load)
    assert set(differing_rows(store.of(2), fresh).values()) == {0}
    # What was served before is still there, whole.
    assert store.of(1).dataset("segments", before.table_version("segments")).count_rows() > 0


@pytest.mark.slow
def test_a_night_neither_starts_a_generation_nor_goes_back_to_one(shop: Shop) -> None:
    shop.ingest()
    wide = small_config(models=WIDE)
    with pytest.raises(StoreError, match="reelshelf reindex --model NAME"):
        shop.ingest(wide, Watched(WideImages()).load)
    with pytest.raises(StoreError, match="'wide-images'"):
        shop.ingest(wide, Watched(WideImages()).load, reindex=ReindexRequest(videos=("a",)))
    shop.ingest(wide, Watched(WideImages()).load, reindex=ReindexRequest(everything=True))
    with pytest.raises(StoreError, match="holds vectors of 'wide-images'"):
        shop.ingest()
    assert not shop.ingest(wide, Watched(WideImages()).load).published


@pytest.mark.slow
def test_a_generation_whose_run_died_is_finished_by_the_next(shop: Shop) -> None:
    shop.ingest()
    wide = small_config(models=WIDE)

    def dies(
        job: VideoJob, config: Config, detector: TextDetector | None = None
    ) -> DecodedVideo | Divided | Failed:
        if job.source.video_id == "c":
            raise KeyboardInterrupt
        return work.decode(job, config, detector)

    engine = {"kind": "local", "videos_per_commit": 1, "videos_per_batch": 1}
    one_by_one = small_config(models=WIDE, engine=engine)
    with pytest.raises(KeyboardInterrupt):
        shop.ingest(
            one_by_one, Watched(WideImages()).load, dies, reindex=ReindexRequest(model="wide")
        )
    assert require_served(Store.open(shop.request.store)).generation == 1
    told = expected(shop, wide, ReindexRequest(model="wide"))
    watched = Watched(WideImages())
    result = shop.ingest(wide, watched.load, watched.decode, reindex=ReindexRequest(model="wide"))
    assert watched.asked["pictures"] == 1
    assert made(result) == told
    assert result.newest.generation == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sections", "asked"),
    [
        ({"asr": {"min_log_probability": -1.0}}, {"speech", "sounds"}),
        # The reader is asked about product pictures; these videos have no text.
        ({"ocr": {"min_confidence": 0.61}}, {"reader", "pictures"}),
        ({"media": {"segment_ms": 2000}}, {"images", "speech", "pictures", "sounds", "reader"}),
    ],
)
def test_a_night_redoes_the_stages_that_a_setting_is_about(
    shop: Shop, sections: dict[str, dict[str, object]], asked: set[str]
) -> None:
    everything(shop)
    config = small_config(**sections)
    watched = Watched()
    shop.ingest(config, watched.load, watched.decode)
    assert {name for name, count in watched.asked.items() if count} == asked
    fresh = from_the_start(shop, config)
    assert set(differing_rows(Store.open(shop.request.store), fresh).values()) == {0}


def test_a_new_revision_in_the_same_space_stays_in_its_generation(shop: Shop) -> None:
    everything(shop)
    watched = Watched(SharperImages())
    result = shop.ingest(loader=watched.load, decode=watched.decode)
    assert result.newest.generation == 1
    assert {name for name, count in watched.asked.items() if count} == {"images", "pictures"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reindex", "pictures", "sounds"),
    [
        (ReindexRequest(videos=("a",)), 1, 1),
        (ReindexRequest(videos=("a", "b")), 2, 1),
        (ReindexRequest(merchants=("m1",)), 1, 0),
        (ReindexRequest(videos=("a",), merchants=("m1",)), 0, 0),
        (ReindexRequest(since=dt.datetime(2026, 5, 1, tzinfo=dt.UTC)), 2, 0),
        (ReindexRequest(stages=("asr",)), 0, 1),
        (ReindexRequest(stages=("ocr",)), 3, 0),
        (ReindexRequest(stages=("frames",), videos=("c",)), 1, 0),
        (ReindexRequest(everything=True), 3, 1),
    ],
)
def test_each_scope_redoes_its_own_and_says_so_before(
    shop: Shop, reindex: ReindexRequest, pictures: int, sounds: int
) -> None:
    days = {"a": "2026-01-01", "b": "2026-06-01", "c": "2026-07-01"}
    shop.set_videos(
        [
            {"video_id": n, "file": f"videos/{n}.mp4", "published_at": day}
            | ({"merchant_id": "m1"} if n == "b" else {})
            for n, day in days.items()
        ]
    )
    everything(shop)
    told = expected(shop, small_config(), reindex)
    watched = Watched()
    result = shop.ingest(loader=watched.load, decode=watched.decode, reindex=reindex)
    assert (watched.asked["pictures"], watched.asked["sounds"]) == (pictures, sounds)
    assert made(result) == told
    assert result.tally.submitted == 3
    fresh = from_the_start(shop, small_config())
    assert set(differing_rows(Store.open(shop.request.store), fresh).values()) == {0}


@pytest.mark.slow
def test_a_sku_redoes_its_product_and_links_its_videos(shop: Shop) -> None:
    everything(shop)
    reindex = ReindexRequest(skus=("SKU-blue",))
    assert expected(shop, small_config(), reindex) == {
        "products_encoded": 1,
        "pictures_encoded": 1,
        "pictures_read": 1,
    }
    result = shop.ingest(reindex=reindex, decode=decode_never)
    assert made(result) == expected(shop, small_config(), reindex)


@pytest.mark.slow
def test_links_and_indexes_ask_no_model(shop: Shop) -> None:
    everything(shop)
    for stages in (("links",), ("index",)):
        reindex = ReindexRequest(stages=stages)
        assert expected(shop, small_config(), reindex) == {}
        result = shop.ingest(reindex=reindex, decode=decode_never)
        assert made(result) == {}


@pytest.mark.slow
def test_links_alone_leave_changed_videos_to_the_night(shop: Shop) -> None:
    everything(shop)
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    config = small_config(media={"segment_ms": 2000})
    for reindex in (
        ReindexRequest(stages=("links",)),
        ReindexRequest(skus=("SKU-red",), stages=("links",)),
    ):
        assert expected(shop, config, reindex) == {}
        result = shop.ingest(config, reindex=reindex, decode=decode_never)
        assert made(result) == {}
    assert shop.ingest(config).planned.videos_changed == 1


@pytest.mark.slow
def test_what_is_out_of_scope_keeps_what_it_has(shop: Shop) -> None:
    """A changed video, a new one, one that left and a changed product wait for the night."""
    everything(shop)
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    write_clip(shop.root / "videos" / "new.mp4", [RED])
    names = ("a", "b", "new")
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in names])
    shop.set_products([product_row(n) for n in ("red", "green")])
    result = shop.ingest(reindex=ReindexRequest(videos=("a",)))
    assert asdict(result.tally) == {"submitted": 3, "indexed": 1, "skipped": 2, "failed": 0}
    store = Store.open(shop.request.store)
    assert set(store.scan("videos", ["video_id"])["video_id"].to_pylist()) == {"a", "b", "c"}
    assert store.table("products").count_rows() == 3
    night = shop.ingest()
    assert night.planned.videos_changed == night.planned.videos_new == 1
    assert (night.planned.videos_gone, night.planned.products_gone) == (1, 1)


@pytest.mark.slow
def test_failed_videos_are_tried_again_though_they_rest(shop: Shop) -> None:
    broken = shop.root / "videos" / "broken.mp4"
    broken.write_bytes(b"no video at all")
    rows = [{"video_id": n, "file": f"videos/{n}.mp4"} for n in ("a", "b", "c", "broken")]
    shop.set_videos(rows)
    lenient = small_config(gate={"max_failure_rate": 0.5})
    assert len(shop.ingest(lenient).failed) == 1
    resting = shop.ingest(lenient, decode=decode_never)
    assert resting.planned.videos_failed_before == 1
    other = shop.ingest(lenient, decode=decode_never, reindex=ReindexRequest(skus=("SKU-red",)))
    assert [item.video_id for item in other.failed] == ["broken"]
    again = shop.run(lenient, reindex=ReindexRequest(failed=True))
    assert again.planned.videos_tried_again == 1
    assert again.failed[0].attempt == 2


@pytest.mark.slow
def test_a_stage_that_is_asked_for_leaves_other_changed_settings_to_the_night(shop: Shop) -> None:
    everything(shop)
    config = small_config(asr={"min_log_probability": -1.0}, ocr={"min_confidence": 0.61})
    watched = Watched()
    shop.ingest(config, watched.load, watched.decode, reindex=ReindexRequest(stages=("ocr",)))
    assert (watched.asked["pictures"], watched.asked["speech"]) == (3, 0)
    planned = plan_only(shop.request, config)
    assert {p.job.stages for p in planned.videos.todo} == {frozenset([Stage.ASR, Stage.TEXT])}
    watched = Watched()
    shop.ingest(config, watched.load, watched.decode)
    assert watched.asked["speech"] == 1


def test_a_failed_part_keeps_the_rows_of_the_whole(shop: Shop) -> None:
    """A decoder that crashes on a redo costs nothing that was there."""
    shop.set_videos([{"video_id": "flaky", "file": "videos/a.mp4"}])
    shop.ingest()
    store = Store.open(shop.request.store)
    before = store.table("segments").to_arrow().num_rows
    lenient = small_config(gate={"max_failure_rate": 1.0})
    shop.run(lenient, decode=decode_flaky, reindex=ReindexRequest(stages=("frames",)))
    assert Store.open(shop.request.store).table("segments").count_rows() == before
    assert require_served(store).quality.videos == 1


@pytest.mark.parametrize(
    ("reindex", "message"),
    [
        (ReindexRequest(), "say what"),
        (ReindexRequest(videos=("nobody",)), "the source has no such video"),
        (ReindexRequest(model="nothing"), "the config's models are"),
        (ReindexRequest(everything=True, failed=True), "--all is everything"),
        (ReindexRequest(stages=("index",), videos=("a",)), "about whole tables"),
    ],
)
def test_a_demand_that_makes_no_sense_is_refused_in_words(
    shop: Shop, reindex: ReindexRequest, message: str
) -> None:
    shop.ingest()
    with pytest.raises(ConfigError, match=message):
        plan_only(shop.request, small_config(), reindex)


@pytest.mark.slow
def test_a_generation_passes_the_same_gate(shop: Shop) -> None:
    shop.ingest()
    strict = small_config(models=WIDE, gate={"min_videos": 4})
    with pytest.raises(GateRefused, match="videos: wanted >= 4"):
        shop.ingest(strict, Watched(WideImages()).load, reindex=ReindexRequest(model="wide"))
    store = Store.open(shop.request.store)
    assert require_served(store).generation == 1
    assert len(list_releases(store)) == 1
