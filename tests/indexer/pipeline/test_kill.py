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
from tests.support.clips import RED, write_clip
from tests.support.commands import ROOT
from tests.support.shops import Shop, make_shop, small_config

pytestmark = pytest.mark.integration

SCRIPT = """
import os, pkgutil, signal, sys
from pathlib import Path
from reelshelf.jobs.engines.local import LocalEngine
from tests.support.fakes import load_fakes
from tests.support.clips import RED, write_clip
from tests.support.shops import Shop, small_config

point, how = sys.argv[2], getattr(signal, sys.argv[3])
# A process started in the background by a shell ignores Ctrl-C; this one must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

def killing(target, when, argument):
    # Die before or after the first call of a function, or the first with this argument.
    module, _, name = target.rpartition(".")
    where = pkgutil.resolve_name(module)
    original = getattr(where, name)
    def wrapped(*args, **named):
        named_by = [a if isinstance(a, str) else getattr(a, "name", None) for a in args]
        meant = not argument or argument in named_by
        if meant and when == "before":
            os.kill(os.getpid(), how)
        result = original(*args, **named)
        if meant and when == "after":
            os.kill(os.getpid(), how)
        return result
    setattr(where, name, wrapped)

target, when, *argument = point.split()
killing(target, when, argument[0] if argument else None)
Shop(Path(sys.argv[1])).ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
"""

STORE = "reelshelf.indexer.store"
PIPELINE = "reelshelf.indexer.pipeline"
TABLES = f"{STORE}.tables:Store"
POINTS = {
    "before products are written": f"{STORE}.products.write_products before",
    "before pictures are written": f"{STORE}.products.write_pictures before",
    "before a video's segments": f"{TABLES}.replace before segments",
    "between a video's segments and its row": f"{TABLES}.replace before videos",
    "between a video's row and the stamp of its file": f"{TABLES}.write_videos after",
    "before videos that failed are noted": f"{PIPELINE}.ingest.note_failed before",
    "before failures are written": f"{PIPELINE}.ingest.write_failures before",
    "before links are written": f"{TABLES}.write_links before",
    "between a release's row and naming it": f"{STORE}.head:Lease.publish before",
    "between publishing and the run's record": f"{STORE}.head:Lease.publish after",
}
EVERYTHING_WRITTEN = POINTS["before failures are written"]
BEFORE_LINKS = POINTS["before links are written"]
ONE_VIDEO_WRITTEN = POINTS["between a video's row and the stamp of its file"]


def run_and_die(shop: Shop, point: str, how: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(shop.root), point, how],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS)
def test_after_a_kill_the_next_run_ends_in_the_same_rows(tmp_path: Path, point: str) -> None:
    killed = make_shop(tmp_path / "killed")
    assert run_and_die(killed, point, "SIGKILL") == -signal.SIGKILL
    config = small_config(engine={"kind": "local", "videos_per_commit": 1})
    killed.ingest(config)
    untouched = make_shop(tmp_path / "untouched")
    untouched.ingest(config)
    stores = (Store.open(killed.request.store), Store.open(untouched.request.store))
    assert set(differing_rows(*stores).values()) == {0}
    assert len(list_releases(Store.open(killed.request.store))) == 1


@pytest.mark.slow
def test_work_that_was_committed_is_not_done_again(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    assert run_and_die(shop, ONE_VIDEO_WRITTEN, "SIGKILL") == -signal.SIGKILL
    result = shop.ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
    assert (result.tally.indexed, result.tally.skipped) == (2, 1)


def test_a_killed_run_publishes_nothing(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    run_and_die(shop, BEFORE_LINKS, "SIGKILL")
    assert list_releases(Store.open(shop.request.store)) == []


def test_what_a_killed_run_committed_is_published_by_the_next(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [RED])
    # All rows are written; the run dies before it can link and publish them.
    assert run_and_die(shop, EVERYTHING_WRITTEN, "SIGKILL") == -signal.SIGKILL
    result = shop.ingest()
    assert result.calls == {}
    assert result.published
    store = Store.open(shop.request.store)
    assert ("b", "SKU-red") in {
        (video, link.sku)
        for video, _, link in released_links(ReleaseSnapshot.of(store, result.release))
    }


@pytest.mark.slow
def test_a_video_whose_deletion_was_cut_short_leaves_nothing_behind(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    shop.ingest()
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in "ab"])
    # Killed when the row in `videos` is gone and its links are still there.
    assert run_and_die(shop, f"{TABLES}.writable before links", "SIGKILL") == -signal.SIGKILL
    shop.ingest()
    store = Store.open(shop.request.store)
    for table in ("videos", "segments", "links"):
        assert set(store.table(table).to_arrow()["video_id"].to_pylist()) == {"a", "b"}


def test_ctrl_c_leaves_a_store_that_the_next_run_completes(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    assert run_and_die(shop, ONE_VIDEO_WRITTEN, "SIGINT") != 0
    result = shop.ingest(small_config(engine={"kind": "local", "videos_per_commit": 1}))
    assert result.published
    assert result.tally.skipped >= 1
