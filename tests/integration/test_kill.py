"""A run that is killed, at any point between two videos, is completed by the next one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from tests.clips import RED, write_clip
from tests.commands import ROOT
from tests.shops import Shop, make_shop, small_config

pytestmark = pytest.mark.integration

SCRIPT = """
import os, pkgutil, signal, sys
from pathlib import Path
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from tests.fakes import load_fakes
from tests.clips import RED, write_clip
from tests.shops import Shop, small_config

when, how = sys.argv[2], getattr(signal, sys.argv[3])
# A process started in the background by a shell ignores Ctrl-C; this one must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

def killing(where, name, at):
    original = getattr(where, name)
    count = 0
    def wrapped(*args):
        nonlocal count
        count += 1
        if count == at:
            os.kill(os.getpid(), how)
        return original(*args)
    setattr(where, name, wrapped)

place, _, at = when.partition(":")
module, _, name = place.rpartition(".")
killing(pkgutil.resolve_name(module) if module else Store, name, int(at))
Shop(Path(sys.argv[1])).ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
"""

POINTS = [
    "reelshelf.indexer.store.products.write_products:1",
    "reelshelf.indexer.store.products.write_pictures:1",
    "write_videos:1",
    "write_videos:3",
    "replace:4",  # between a video's segments and its row in `videos`
    "reelshelf.indexer.pipeline.indexing.note_seen:3",  # between a video and the stamp of its file
    "delete_orphans:1",
    "reelshelf.indexer.pipeline.ingest.write_failures:1",
    "write_links:1",
    "reelshelf.indexer.store.head._swap:2",  # between a release's row and naming it
    "write_run:1",  # after the release was published
]


def run_and_die(shop: Shop, when: str, how: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(shop.root), when, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.parametrize("when", POINTS)
def test_after_a_kill_the_next_run_ends_in_the_same_rows(tmp_path: Path, when: str) -> None:
    killed = make_shop(tmp_path / "killed")
    assert run_and_die(killed, when, "SIGKILL") == -signal.SIGKILL
    config = small_config(engine={"kind": "local", "videos_per_commit": 1})
    killed.ingest(config)
    untouched = make_shop(tmp_path / "untouched")
    untouched.ingest(config)
    stores = (Store.open(killed.request.store), Store.open(untouched.request.store))
    assert set(differing_rows(*stores).values()) == {0}
    assert len(list_releases(Store.open(killed.request.store))) == 1


def test_work_that_was_committed_is_not_done_again(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    assert run_and_die(shop, "write_videos:3", "SIGKILL") == -signal.SIGKILL
    result = shop.ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
    assert (result.tally.indexed, result.tally.skipped) == (1, 2)


def test_a_killed_run_publishes_nothing(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    run_and_die(shop, "write_links:1", "SIGKILL")
    assert list_releases(Store.open(shop.request.store)) == []


def test_what_a_killed_run_committed_is_published_by_the_next(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    # All rows are written; the run dies before it can link and publish them.
    assert run_and_die(shop, "delete_orphans:1", "SIGKILL") == -signal.SIGKILL
    result = shop.ingest()
    assert result.calls == {}
    assert result.published
    store = Store.open(shop.request.store)
    assert ("b", "SKU-red") in {
        (video, link.sku)
        for video, _, link in released_links(ReleaseSnapshot.of(store, result.release))
    }


def test_a_video_whose_deletion_was_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in "ab"])
    # Killed when the row in `videos` is gone and its links are still there.
    assert run_and_die(shop, "lancedb.table.LanceTable.delete:2", "SIGKILL") == -signal.SIGKILL
    shop.ingest()
    store = Store.open(shop.request.store)
    for table in ("videos", "segments", "links"):
        assert set(store.table(table).to_arrow()["video_id"].to_pylist()) == {"a", "b"}


def test_ctrl_c_leaves_a_store_that_the_next_run_completes(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    assert run_and_die(shop, "write_videos:2", "SIGINT") != 0
    result = shop.ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
    assert result.published
    assert result.tally.skipped >= 1
