"""What counts as failed of what: videos that were tried, and nothing else."""

from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.jobs.summary import EXIT_CODES
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import GateRefused
from reelshelf.schemas.outcomes import Failed, Tries
from reelshelf.schemas.run import Ending
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.fakes import decode_flaky, load_fakes
from tests.support.shops import Shop, product_row, small_config


class Folder:
    """A shop whose videos are whatever lies in a folder."""

    def __init__(self, shop: Shop) -> None:
        self.request = IngestRequest(
            shop.request.catalog, str(shop.root / "clips"), shop.request.store
        )
        self.root = shop.root / "clips"
        self.root.mkdir()

    def good(self, *names: str) -> None:
        for i, name in enumerate(names):
            write_clip(self.root / f"{name}.mp4", [[RED], [GREEN], [BLUE]][i % 3])

    def broken(self, *names: str) -> None:
        for name in names:
            (self.root / f"{name}.mp4").write_text("no video")

    def run(self, config: Config | None = None) -> IngestResult:
        settings = config or small_config()
        return ingest(self.request, settings, lambda c: LocalEngine(c, load_fakes), NoProgress())


@pytest.fixture
def folder(shop: Shop) -> Folder:
    return Folder(shop)


def test_sidecars_are_in_no_denominator(folder: Folder) -> None:
    folder.good("a")
    folder.broken("b", "c")
    for i in range(20):
        (folder.root / f"{i}.jpg").write_bytes(b"cover")
    result = folder.run()
    assert EXIT_CODES[result.ending] == 5
    assert "2 of 3 videos failed (2 not_a_video)" in str(result.message)


def test_unchanged_videos_are_in_no_denominator(folder: Folder) -> None:
    folder.good(*"abcdefgh")
    assert folder.run().published
    folder.good("new")
    folder.broken("x", "y")
    result = folder.run()
    assert EXIT_CODES[result.ending] == 5
    assert "2 of 3 videos failed" in str(result.message)


def test_that_all_new_videos_failed_is_not_that_there_was_nothing_to_do(folder: Folder) -> None:
    folder.good(*"abcdefgh")
    folder.run()
    folder.broken("x")
    lenient = small_config(gate={"max_failure_rate": 1.0})
    result = folder.run(lenient)
    assert EXIT_CODES[result.ending] == 11
    assert "nothing else is new" in str(result.message)
    # It rests from now on, and nothing is tried.
    assert folder.run(lenient).ending is Ending.NOTHING_NEW


def test_what_rests_counts_once(folder: Folder) -> None:
    folder.good("a")
    folder.broken("x", "y", "z")
    assert EXIT_CODES[folder.run().ending] == 5
    folder.good("b")
    assert folder.run().published


def test_files_that_a_list_names_and_that_never_come_count_once(shop: Shop) -> None:
    rows = [{"video_id": n, "file": f"videos/{n}.mp4"} for n in "abcxyz"]
    shop.set_videos(rows)
    assert EXIT_CODES[shop.run().ending] == 5
    shop.set_products([product_row(n) | {"price": 3} for n in ("red", "green", "blue")])
    assert shop.run().published


def test_a_refused_run_is_not_published_by_hand_without_a_reason(folder: Folder) -> None:
    folder.good("a")
    folder.broken("b", "c")
    assert not folder.run().published
    with pytest.raises(GateRefused, match=r"failure rate: wanted <= 0\.2, found 0\.6667"):
        publish(folder.request.store, None, NoProgress()).or_raise()
    made = publish(folder.request.store, None, NoProgress(), forced="they are known")
    assert made.published


def test_publishing_by_hand_asks_no_more_than_the_night_did(folder: Folder) -> None:
    folder.good("a", "b")
    folder.broken("x", "y", "z")
    folder.run()
    folder.good("c")
    assert folder.run().published
    assert publish(folder.request.store, None, NoProgress()).ending is Ending.NOTHING_NEW


def failure(name: str) -> Failed:
    from reelshelf.schemas.errors import FailureKind

    return Failed(name, "p", "decode", FailureKind.CORRUPT, "m", 1)


def test_the_larger_share_is_the_rate() -> None:
    gone = tuple(failure(str(i)) for i in range(5))
    assert Tries().failure_rate == 0.0
    assert Tries(indexed=3, failed=gone[:1]).failure_rate == 0.25
    assert Tries(indexed=3, failed=gone[:1], stored=10, away=gone).failure_rate == 0.5
    assert Tries(failed=gone).all_failed
    assert not Tries(indexed=1, failed=gone).all_failed
    assert not Tries(stored=9, away=gone).all_failed


def test_what_crashes_night_after_night_is_refused_night_after_night(shop: Shop) -> None:
    rows = [{"video_id": f"flaky-{i}", "file": "videos/b.mp4"} for i in range(9)]
    shop.set_videos([{"video_id": "a", "file": "videos/a.mp4"}, *rows])
    endings = [EXIT_CODES[shop.run(decode=decode_flaky).ending] for _ in range(3)]
    assert endings == [5, 5, 5]


def test_an_id_that_is_not_utf8_stops_no_night(folder: Folder, tmp_path: Path) -> None:
    folder.good("a")
    clip = (folder.root / "a.mp4").read_bytes()
    for raw in (b"bad\xff.mp4", rb"bad\xff.mp4"):
        with open(bytes(folder.root) + b"/" + raw, "wb") as file:  # noqa: PTH123
            file.write(clip)
    result = folder.run()
    assert result.published
    assert result.tally.indexed == 2
    assert [row.item_id for row in result.rejected] == ["bad\\xff.mp4"]
