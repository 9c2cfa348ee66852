"""People's words on links: they win over every score, and stay through all that runs do."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline import upkeep
from reelshelf.indexer.pipeline.correcting import (
    import_overrides,
    reapply_overrides,
    remove_overrides,
)
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.quality.explain import explain
from reelshelf.indexer.quality.labeled import judged_overrides
from reelshelf.indexer.sources.overrides import read_overrides_file
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.overrides import read_overrides
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli import main
from reelshelf.schemas.errors import ConfigError, InputError
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.overrides import Override, Verdict
from reelshelf.schemas.release import Release
from tests.support.shops import Shop, small_config
from tests.support.watched import Watched, WideImages


def word(
    video: str, verdict: str, sku: str | None = None, group: str | None = None, why: str = "seen it"
) -> Override:
    key = video_key("shop", video)
    return Override(key, video, Verdict(verdict), sku, group, who="ann", why=why)


def linked(shop: Shop, above: float = 0.5) -> dict[tuple[str, str], float]:
    snapshot = ReleaseSnapshot.open(shop.request.store)
    found = released_links(snapshot, min_score=above)
    return {(video, link.sku): link.score for video, _, link in found}


# "a" shows red and green: what is said of it turns that round.
WORDS = [word("a", "never", "SKU-red"), word("a", "always", "SKU-blue")]


def holds(shop: Shop, *videos: str) -> bool:
    """Whether the words stand in what is served."""
    found = linked(shop)
    return all(
        (video, "SKU-red") not in found and found.get((video, "SKU-blue")) == 1.0
        for video in videos
    )


def correct(shop: Shop, words: list[Override] | None = None) -> Release:
    done = import_overrides(shop.request.store, small_config(), words or WORDS)
    assert done.release is not None
    return done.release


def test_words_win_at_once_and_leave_all_other_links_alone(shop: Shop) -> None:
    shop.ingest()
    before = linked(shop, 0.0)
    assert ("a", "SKU-red") in before
    done = import_overrides(shop.request.store, small_config(), WORDS)
    assert (done.relinked, done.unknown) == (1, ())
    assert done.release is not None
    assert "corrected by people" in (done.release.corrected or "")
    assert holds(shop, "a")
    assert done.release.quality.links == len(linked(shop))
    after = linked(shop, 0.0)
    assert {p: s for p, s in after.items() if p[0] != "a"} == {
        p: s for p, s in before.items() if p[0] != "a"
    }


@pytest.mark.slow
def test_words_stay_through_reindex_rollback_and_the_next_night(shop: Shop) -> None:
    first = shop.ingest().newest
    correct(shop)
    shop.ingest(reindex=ReindexRequest(everything=True))
    assert holds(shop, "a")
    upkeep.rollback_store(shop.request.store, small_config().storage, first.release_id)
    assert not holds(shop, "a"), "the release of before is as it was"
    done = reapply_overrides(shop.request.store, small_config())
    assert done.relinked == 1
    assert holds(shop, "a")
    upkeep.publish(shop.request.store, small_config(), NoProgress()).or_raise()
    assert holds(shop, "a")
    shop.run()
    assert holds(shop, "a")


def test_going_back_where_nobody_said_anything_changes_nothing(shop: Shop) -> None:
    shop.ingest()
    assert reapply_overrides(shop.request.store, small_config()).release is None


def test_words_hold_in_a_new_generation(shop: Shop) -> None:
    shop.ingest()
    correct(shop)
    wide = small_config(models={"image": {"name": "wide"}})
    served = shop.ingest(wide, Watched(WideImages()).load, reindex=ReindexRequest(model="wide"))
    assert served.newest.generation == 2
    assert holds(shop, "a")


def test_words_hold_for_copies_also_for_those_that_come_later(shop: Shop) -> None:
    shop.ingest()
    correct(shop)
    shutil.copyfile(shop.root / "videos" / "a.mp4", shop.root / "videos" / "copy.mp4")
    shop.set_videos([*shop.rows(), {"video_id": "copy", "file": "videos/copy.mp4"}])  # type: ignore[list-item]
    shop.ingest()
    assert holds(shop, "a", "copy")


def test_words_that_are_taken_back_leave_no_trace(shop: Shop) -> None:
    shop.ingest()
    before = linked(shop, 0.0)
    correct(shop)
    done = remove_overrides(
        shop.request.store, small_config(), read_overrides(Store.open(shop.request.store))
    )
    assert done.relinked == 1
    assert linked(shop, 0.0) == before
    assert read_overrides(Store.open(shop.request.store)) == []


def test_a_later_word_takes_the_place_of_an_earlier_one(shop: Shop) -> None:
    shop.ingest()
    correct(shop)
    correct(shop, [word("a", "always", "SKU-red", why="it is there")])
    assert linked(shop)["a", "SKU-red"] == 1.0
    assert len(read_overrides(Store.open(shop.request.store))) == 2


def test_what_the_release_does_not_have_counts_when_it_has_it(shop: Shop) -> None:
    listed = shop.rows()
    shop.set_videos([row for row in listed if row["video_id"] != "a"])  # type: ignore[misc]
    shop.ingest()
    done = import_overrides(shop.request.store, small_config(), WORDS)
    assert (done.relinked, done.release, len(done.unknown)) == (0, None, 2)
    shop.set_videos(listed)  # type: ignore[arg-type]
    shop.ingest()
    assert holds(shop, "a")


def test_words_are_told_where_a_link_is_explained(shop: Shop) -> None:
    shop.ingest()
    correct(shop)
    snapshot = ReleaseSnapshot.open(shop.request.store)
    told = {item.sku: item.override for item in explain(snapshot, "a")}
    assert told["SKU-red"] is not None
    assert told["SKU-red"].verdict is Verdict.NEVER
    assert told["SKU-blue"] is not None
    assert told["SKU-blue"].who == "ann"
    (found,) = [
        link for _, _, link in released_links(snapshot, video_id="a") if link.sku == "SKU-blue"
    ]
    assert found.override is not None
    assert found.override.why == "seen it"


def test_judged_videos_are_linked_as_they_are_judged(shop: Shop) -> None:
    shop.ingest()
    words = judged_overrides("shop", {"a": frozenset({"SKU-blue"})}, "labels.jsonl")
    calibration = ReleaseSnapshot.open(shop.request.store).release.calibration
    upkeep.keep_calibration(shop.request.store, small_config(), calibration, words)
    shop.ingest()
    assert {sku for video, sku in linked(shop, 0.0) if video == "a"} == {"SKU-blue"}


def test_what_is_left_of_a_dead_run_stays_unpublished(shop: Shop) -> None:
    shop.ingest()
    store = Store.open(shop.request.store)
    store.delete_videos([video_key("shop", "b")])
    correct(shop)
    assert any(video == "b" for video, _ in linked(shop)), "served as it was"
    assert Store.open(shop.request.store).count("videos") == 2, "and left as it was"


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ("video_id,sku,verdict\na,SKU-red,perhaps\n", "line 2"),
        ("video_id,sku,verdict\na,,never\n", "wants a sku or a group"),
        ("video_id,sku,group,verdict\na,x,y,never\n", "wants a sku or a group"),
        ("video_id,sku,verdict\na,SKU-red,\n", "no row has a verdict"),
        ("video_id,sku,verdict\n,SKU-red,never\n", "line 2"),
        ("something,else\n1,2\n", "video_id"),
    ],
)
def test_a_file_with_a_wrong_row_is_refused_whole(tmp_path: Path, rows: str, why: str) -> None:
    path = tmp_path / "words.csv"
    path.write_text(rows + ("a,SKU-green,always\n" if "else" in rows else ""), encoding="utf-8")
    with pytest.raises(InputError, match=why):
        read_overrides_file(path, "shop")


def test_a_file_is_read_and_blank_rows_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(
        "video_id,sku,group_id,verdict,who,when,why\n"
        "a,SKU-red,,NEVER,ann,2026-11-01T10:00:00Z,not this one\n"
        "a,SKU-blue,,,,,\n"
        "b,,mugs,always,,,\n",
        encoding="utf-8",
    )
    words, blank = read_overrides_file(path, "shop")
    assert blank == 1
    assert [(w.video_id, w.verdict.value, w.target, w.who) for w in words] == [
        ("a", "never", "SKU-red", "ann"),
        ("b", "always", "group mugs", None),
    ]
    assert words[0].at is not None
    assert words[0].at.year == 2026


def test_going_back_does_not_bring_back_words_that_were_taken_back(shop: Shop) -> None:
    shop.ingest()
    spoken = correct(shop)
    words = read_overrides(Store.open(shop.request.store))
    remove_overrides(shop.request.store, small_config(), words)
    before = linked(shop, 0.0)
    upkeep.rollback_store(shop.request.store, small_config().storage, spoken.release_id)
    assert holds(shop, "a"), "as it was made"
    assert reapply_overrides(shop.request.store, small_config()).relinked == 1
    assert linked(shop, 0.0) == before


def test_who_judges_a_video_again_takes_back_what_was_judged_before(shop: Shop) -> None:
    shop.ingest()
    calibration = ReleaseSnapshot.open(shop.request.store).release.calibration
    for skus in ({"SKU-blue", "SKU-red"}, {"SKU-blue"}):
        words = judged_overrides("shop", {"a": frozenset(skus)}, "labels.jsonl")
        upkeep.keep_calibration(shop.request.store, small_config(), calibration, words)
    shop.ingest()
    assert {sku for video, sku in linked(shop, 0.0) if video == "a"} == {"SKU-blue"}


def test_what_is_exported_can_be_imported(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.ingest()
    words = judged_overrides("shop", {"a": frozenset({"SKU-blue"})}, "labels.jsonl")
    correct(shop, [*words, word("b", "never", group="mugs")])
    file = tmp_path / "words.csv"
    assert main(["overrides", "export", "--store", shop.request.store, str(file)]) == 0
    read, blank = read_overrides_file(file, "shop")
    assert blank == 0
    # A word without a time has that of its import.
    said = (replace(item, at=None) for item in read)
    stored = (replace(item, at=None) for item in read_overrides(Store.open(shop.request.store)))
    assert sorted(said, key=str) == sorted(stored, key=str)
    assert main(["overrides", "remove", "--store", shop.request.store, "--video", "a"]) == 0
    assert main(["overrides", "import", "--store", shop.request.store, str(file)]) == 0
    assert {sku for video, sku in linked(shop, 0.0) if video == "a"} == {"SKU-blue"}
    assert main(["overrides", "apply", "--store", shop.request.store]) == 0
    assert "has them all" in capsys.readouterr().out
    assert main(["overrides", "list", "--store", shop.request.store, "--group", "mugs"]) == 0
    assert "mugs" in capsys.readouterr().out
    assert main(["overrides", "remove", "--store", shop.request.store]) == ConfigError.exit_code
