"""A writer that is stopped between its check and its commit, while another takes its place."""

import importlib
import os
import signal
import time
from pathlib import Path

import lance
import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.store.fence import fence, restore_table
from reelshelf.indexer.store.head import Lease, _is_gone, read_head
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.torn import drop_torn
from reelshelf.schemas.errors import ExitCode, StoreBusy
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.frozen import config, start, wait_until_stopped
from tests.support.shops import Shop, make_shop


def takes_over(shop: Shop) -> IngestResult:
    """A night that begins as soon as the lease of the stopped run has run out."""
    while True:
        try:
            return shop.ingest(config())
        except StoreBusy:
            time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.parametrize("at", [3, 6, 9, 14, 20])
def test_a_frozen_writer_changes_nothing_any_more(tmp_path: Path, at: int) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest(config())
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED])
    process = start("ingest", shop, at)
    assert wait_until_stopped(process)
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    result = takes_over(shop)
    os.kill(process.pid, signal.SIGCONT)
    _, told = process.communicate()
    assert process.returncode == ExitCode.BUSY, told
    assert "nothing more is written or published" in told
    store = Store.open(shop.request.store)
    assert drop_torn(store) == []
    assert result.release is not None
    assert store.holds("segments", result.release.table_version("segments"))
    untouched = make_shop(tmp_path / "untouched")
    untouched.ingest(config())
    write_clip(untouched.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    untouched.ingest(config())
    assert set(differing_rows(store, Store.open(untouched.request.store)).values()) == {0}


def test_nothing_that_began_before_a_fence_is_committed_after_it(shop: Shop) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    late = store.dataset("videos")
    before = store.scan("videos", None)
    fence(store)
    for write in (
        lambda: late.delete("true"),
        lambda: late.insert(before),
        lambda: late.merge_insert("video_key").when_matched_delete().execute(before),
        lambda: late.update({"title": "'other'"}),
        lambda: late.create_scalar_index("video_id", "BTREE"),
    ):
        with pytest.raises(Exception, match="incompatible with concurrent transaction Restore"):
            write()
    assert store.scan("videos", None) == before
    indexed = [index.field_names for index in store.dataset("videos").describe_indices()]
    assert indexed == [["video_key"]]
    # What begins after it is.
    store.dataset("videos").delete("true")
    assert store.count("videos") == 0


def test_a_fence_that_comes_late_takes_nothing_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    restore = lance.LanceDataset.restore

    def overtaken(dataset: lance.LanceDataset) -> None:
        # Another has written since this one looked at the table.
        monkeypatch.undo()
        store.dataset("videos").delete("true")
        restore(dataset)

    monkeypatch.setattr(lance.LanceDataset, "restore", overtaken)
    with pytest.raises(StoreBusy, match="another writes to table 'videos'"):
        restore_table(store, "videos", store.dataset("videos").version)
    assert store.count("videos") == 0


def test_a_fence_changes_nothing_that_is_published(shop: Shop) -> None:
    release = shop.ingest().newest
    store = Store.open(shop.request.store)
    fence(store)
    assert not shop.run().published
    assert all(store.holds(table.name, table.version) for table in release.tables)


def test_a_process_that_may_not_be_looked_at_is_not_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*_: object, **__: object) -> str:
        raise PermissionError

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", hidden)
    assert not _is_gone(f"{os.getpid()}@1")
    monkeypatch.setattr(os, "kill", refused)
    assert not _is_gone(f"{os.getpid()}@1")


def test_a_holder_whose_clock_is_behind_is_told_by_the_head(shop: Shop) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    lease = Lease.take(store, "slow clock", 60)
    store.table("head").update(values={"expires_at": read_head(store).renewed_at})
    with Lease.take(store, "another machine", 60):
        lease.check()  # by its own clock it has all the time in the world
        with pytest.raises(StoreBusy, match="nothing more is written"):
            store.guarded(lease.prove).writable("videos")


def test_whoever_takes_over_and_dies_before_the_fence_leaves_it_to_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    Lease.take(store, "frozen", 60)
    late = store.dataset("videos")
    expire = {"expires_at": read_head(store).renewed_at}
    store.table("head").update(values=expire)
    module = importlib.import_module("reelshelf.indexer.store.writing")
    monkeypatch.setattr(module, "fence", lambda _: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        shop.run()
    monkeypatch.undo()
    store.table("head").update(values=expire)
    shop.run()
    with pytest.raises(OSError, match="incompatible with concurrent transaction Restore"):
        late.delete("true")
