"""Tables that end in what a power cut left, and what is on disk before anything names it."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.upkeep import rollback_store, verify
from reelshelf.indexer.store import disk
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.recovery import recover
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.shadow import manifest_name
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.indexer.store.writing import taking
from reelshelf.jobs.cli import main
from reelshelf.schemas.errors import CorruptFile, ExitCode, StoreError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.logs import KeptRecords
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.fakes import decode_never, load_fakes
from tests.support.shops import Shop, small_config


@pytest.fixture
def kept() -> Iterator[KeptRecords]:
    handler, logger = KeptRecords(), logging.getLogger("reelshelf")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def manifest(shop: Shop, table: str) -> Path:
    store = Store.open(shop.request.store)
    versions = store.of(1).versions(table)
    folder = Path(shop.request.store) / f"{table}.lance" / "_versions"
    return folder / manifest_name(versions[0])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def newest_data(shop: Shop, table: str) -> Path:
    files = (Path(shop.request.store) / f"{table}.lance" / "data").glob("*")
    return max(files, key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("harm", ["empty", "cut", "data"])
@pytest.mark.parametrize("table", ["head", "releases"])
def test_readers_step_back_in_words_from_what_cannot_be_read(
    shop: Shop, kept: KeptRecords, table: str, harm: str
) -> None:
    shop.ingest()
    if harm == "data":
        newest_data(shop, table).write_bytes(b"")
    elif harm == "empty":
        manifest(shop, table).write_bytes(b"")
    else:
        cut(manifest(shop, table))
    if table == "head":
        # The lease that was given back last is all that is lost: the release had been synced.
        snapshot = ReleaseSnapshot.open(shop.request.store)
        assert released_links(snapshot)
    else:
        with pytest.raises(StoreError, match="nothing has been published yet"):
            ReleaseSnapshot.open(shop.request.store)
    assert any("cannot be read (cut off, as after a power cut)" in r.message for r in kept.take())


@pytest.mark.slow
@pytest.mark.parametrize("table", ["segments", "links", "products"])
@pytest.mark.parametrize("harm", ["empty", "missing", "data"])
def test_the_next_run_goes_back_for_good_and_does_the_work_again(
    shop: Shop, table: str, harm: str
) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED])
    second = shop.ingest().newest
    links = {
        (v, link.sku) for v, _, link in released_links(ReleaseSnapshot.of(open_(shop), second))
    }
    if harm == "data":
        cut(newest_data(shop, table))
    elif harm == "empty":
        manifest(shop, table).write_bytes(b"")
    else:
        manifest(shop, table).unlink()
    shop.run().or_raise()
    store = open_(shop)
    assert torn_videos(store).videos == ()
    assert links_of(ReleaseSnapshot.served(store)) == links
    verify(shop.request.store, small_config())
    assert not shop.run().published


def open_(shop: Shop) -> Store:
    return Store.open(shop.request.store)


def links_of(snapshot: ReleaseSnapshot) -> set[tuple[str, str]]:
    return {(video, link.sku) for video, _, link in released_links(snapshot)}


def test_the_number_of_a_version_that_a_release_names_is_not_used_again(shop: Shop) -> None:
    release = shop.ingest().newest
    version = release.table_version("videos")
    manifest(shop, "videos").unlink()
    with taking(open_(shop), "a run", 60) as (store, _):
        assert store.dataset("videos").version > version
        # Nothing is found twice.
        assert recover(store) == []


def test_what_is_taken_out_of_the_way_is_kept(shop: Shop) -> None:
    shop.ingest()
    path = manifest(shop, "links")
    path.write_bytes(b"half a manife")
    shop.run()
    aside = Path(shop.request.store) / "_broken" / "links.lance" / "_versions" / path.name
    assert aside.read_bytes() == b"half a manife"


def test_a_table_of_which_nothing_is_left_is_told_and_nothing_is_touched(shop: Shop) -> None:
    shop.ingest()
    folder = Path(shop.request.store) / "store.lance" / "_versions"
    for path in folder.glob("*.manifest"):
        path.write_bytes(b"")
    with pytest.raises(StoreError, match=r"put the folder store\.lance back from a backup"):
        shop.run()
    assert len(list(folder.glob("*.manifest"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("table", ["store", "segments", "head", "calibrations"])
def test_a_first_run_without_power_is_completed(shop: Shop, table: str) -> None:
    Store.create(shop.request.store, "shop", load_fakes(small_config()).refs)
    folder = Path(shop.request.store) / f"{table}.lance" / "_versions"
    for path in folder.glob("*.manifest"):
        path.write_bytes(b"")
    assert shop.ingest().published


def test_what_a_release_names_is_on_disk_before_it_is_named(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    before: list[set[Path]] = []
    sync, publish = disk._sync, Lease.publish

    def noting(path: Path) -> None:
        synced.append(path)
        sync(path)

    def named(lease: Lease, *args: object, **named: object) -> None:
        before.append(set(synced))
        publish(lease, *args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(disk, "_sync", noting)
    monkeypatch.setattr(Lease, "publish", named)
    shop.ingest(small_config(engine={"kind": "local", "videos_per_commit": 2}))
    store, root = open_(shop), Path(shop.request.store)
    release = require_served(store)
    files = {root / p for t in release.tables for p in store.files_of(t.name, t.version)}
    files |= {root / p for name in ("releases", "files") for p in store.files_of(name)}
    tags = {root / f"{t.table}.lance/_refs/tags/{release.name_of_run}.json" for t in release.tables}
    (on_disk,) = before
    assert files | tags <= on_disk
    assert {path.parent for path in files | tags} <= on_disk
    # And the head, after it.
    assert any(path.parts[-3:-1] == ("head.lance", "_versions") for path in synced[len(on_disk) :])


def test_segments_are_on_disk_before_their_video_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = Store.sync, Store.replace

    def syncing(store: Store, name: str) -> None:
        steps.append(f"sync {name}")
        sync(store, name)

    def writing(store: Store, name: str, *args: object) -> None:
        steps.append(f"write {name}")
        replace(store, name, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "sync", syncing)
    monkeypatch.setattr(Store, "replace", writing)
    shop.ingest(small_config(engine={"kind": "local"}, gate={"min_videos": 1, "min_products": 1}))
    first = steps.index("write segments")
    assert steps[first : first + 3] == ["write segments", "sync segments", "write videos"]
    links = steps.index("write links")
    assert steps[links : links + 3] == ["write links", "sync links", "write videos"]


@pytest.mark.slow
@pytest.mark.parametrize("table", ["backgrounds", "store", "sources", "videos"])
def test_verify_looks_at_every_table(shop: Shop, table: str) -> None:
    shop.ingest(small_config())
    verify(shop.request.store, small_config())
    path = newest_data(shop, table)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptFile, match=rf"{table}\.lance/data/.* holds other bytes"):
        verify(shop.request.store, small_config())


def test_verify_looks_at_the_record_itself(shop: Shop) -> None:
    release = shop.ingest().newest
    store = open_(shop)
    bias = release.calibration.model_copy(update={"bias": 99.0})
    other = release.model_copy(update={"calibration": bias}).model_dump_json()
    store.table("releases").update(values={"record": other})
    with pytest.raises(CorruptFile, match="says something else than when written"):
        verify(shop.request.store, small_config())
    assert main(["verify", "--store", shop.request.store]) == ExitCode.STORE


def test_verify_looks_at_what_is_not_released_yet(shop: Shop) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, RED, GREEN, BLUE])
    shop.run(small_config(gate={"min_videos": 9}))
    store = open_(shop)
    assert not store.holds("segments", require_served(store).table_version("segments"))
    path = newest_data(shop, "segments")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptFile, match=r"segments\.lance/data/.* holds other bytes"):
        verify(shop.request.store, small_config())


def test_segments_of_another_content_are_found_and_done_again(shop: Shop) -> None:
    shop.ingest()
    store = open_(shop)
    key = video_key("shop", "c")
    one = store.scan("segments", None, f"video_key = '{key}'").to_pylist()[0]
    store.dataset("segments").update(
        {"content_sha256": "'of another'"}, where=f"segment_key = '{one['segment_key']}'"
    )
    assert torn_videos(store).videos == (key,)
    result = shop.ingest()
    # What a release that is kept has of it is whole.
    assert (result.tally.indexed, result.planned.videos_back) == (0, 1)
    assert torn_videos(store).videos == ()
    assert shop.run(decode=decode_never).tally.failed == 0


def test_a_lost_head_is_made_anew_of_the_releases_that_are_there(
    shop: Shop, kept: KeptRecords
) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED])
    second = shop.ingest().newest
    for path in (Path(shop.request.store) / "head.lance" / "_versions").glob("*.manifest"):
        path.write_bytes(b"")
    assert not shop.run(decode=decode_never).published
    assert require_served(open_(shop)) == second
    assert any("table 'head' is lost, and made anew" in line.message for line in kept.take())


@pytest.mark.parametrize(
    "error",
    [
        ValueError(
            "LanceError(IO): Generic LocalFileSystem error: Permission denied (os error 13)"
        ),
        OSError("LanceError(IO): Too many open files (os error 24)"),
        NotImplementedError("a newer format"),
    ],
)
def test_what_may_not_be_read_is_not_taken_for_cut_off(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    shop.ingest()
    versions = open_(shop).versions("links")
    opened = Store._opened

    def refused(store: Store, name: str, version: int | None) -> object:
        if name == "links":
            raise error
        return opened(store, name, version)

    monkeypatch.setattr(Store, "_opened", refused)
    with pytest.raises(type(error)):
        shop.run()
    monkeypatch.undo()
    assert open_(shop).versions("links") == versions


def test_links_that_are_lost_are_due_even_if_the_run_that_saw_it_dies(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    links = links_of(ReleaseSnapshot.served(open_(shop)))
    manifest(shop, "links").unlink()
    with taking(open_(shop), "a run that dies", 60):
        pass
    shop.run().or_raise()
    assert links_of(ReleaseSnapshot.served(open_(shop))) == links


def test_a_rollback_works_over_a_head_that_is_cut_off(shop: Shop) -> None:
    first = shop.ingest().newest
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED])
    shop.ingest()
    cut(manifest(shop, "head"))
    rollback_store(shop.request.store, small_config().storage, None)
    assert require_served(open_(shop)) == first


def test_files_of_videos_are_hashed_when_they_are_written(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "write_links", dies)
    with pytest.raises(KeyboardInterrupt):
        shop.ingest(small_config())
    store = open_(shop)
    noted = set(store.scan("files", ["path"])["path"].to_pylist())
    data = {p for name in ("videos", "segments") for p in store.files_of(name) if "/data/" in p}
    assert data
    assert {path for path in data if path.startswith("segments")} <= noted
