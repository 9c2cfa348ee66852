"""What a run redoes, and what it leaves alone."""

import builtins
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.planning import plan_only
from reelshelf.indexer.sources import files as sources
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.errors import FailureKind, TooManyFailures
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.fakes import decode_flaky, decode_never
from tests.support.shops import Shop, product_row, small_config


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were hashed."""
    names: list[str] = []
    original: Callable[[Path], str] = sources.file_sha256

    def noting(path: Path) -> str:
        names.append(path.name)
        return original(path)

    monkeypatch.setattr(sources, "file_sha256", noting)
    return names


def touch(path: Path) -> None:
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000_000))


def test_planning_an_unchanged_source_opens_no_video_and_no_picture(
    shop: Shop, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    opened: list[str] = []
    original = Path.open

    def noting(self: Path, *args: object, **kwargs: object) -> object:
        opened.append(self.name)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", noting)
    monkeypatch.setattr(
        builtins, "open", lambda name, *a, **k: opened.append(str(name)) or original(Path(name))
    )
    counts = plan_only(shop.request, small_config()).counts
    assert counts.nothing_to_do
    assert counts.videos_unchanged == 3
    assert hashed == []
    assert set(opened) <= {"products.jsonl", "videos.jsonl"}


def test_a_touched_file_costs_one_hash_and_no_model(shop: Shop, hashed: list[str]) -> None:
    shop.ingest()
    touch(shop.root / "videos" / "b.mp4")
    touch(shop.root / "catalog" / "images" / "red.png")
    result = shop.ingest(decode=decode_never)
    assert sorted(hashed) == ["b.mp4", "red.png"]
    assert result.calls == {"files_hashed": 2}
    assert not result.published
    hashed.clear()
    shop.ingest(decode=decode_never)
    assert hashed == []


def test_content_swapped_under_an_old_mtime_is_seen_by_its_ctime(shop: Shop) -> None:
    video = shop.root / "videos" / "b.mp4"
    shop.ingest()
    before = video.stat()
    twin = write_clip(shop.root / "twin.mp4", [RED])
    content = twin.read_bytes()
    video.write_bytes(content[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = video.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
    assert plan_only(shop.request, small_config()).counts.videos_changed == 1


def test_verify_content_hashes_everything(shop: Shop, hashed: list[str]) -> None:
    shop.ingest()
    result = shop.ingest(verify=True, decode=decode_never)
    assert sorted(hashed) == sorted(["a.mp4", "b.mp4", "c.mp4", "red.png", "green.png", "blue.png"])
    assert not result.published


def test_a_moved_file_keeps_its_rows(shop: Shop) -> None:
    shop.ingest()
    shutil.move(shop.root / "videos" / "b.mp4", shop.root / "videos" / "moved.mp4")
    rows = [
        {"video_id": name, "file": f"videos/{'moved' if name == 'b' else name}.mp4"}
        for name in "abc"
    ]
    shop.set_videos(rows)
    assert set(shop.ingest(decode=decode_never).calls) <= {"files_hashed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "calls"),
    [
        ({"sales": 12}, {}),
        ({"price": 11}, {}),
        ({"title": "Azure Vase"}, {"products_encoded": 1}),
        (
            {"images": ["images/blue.png", "images/red.png"]},
            {"pictures_encoded": 1, "pictures_read": 1},
        ),
        ({"images": []}, {}),
    ],
)
def test_a_changed_product_redoes_only_what_depends_on_it(
    shop: Shop, change: dict[str, object], calls: dict[str, int]
) -> None:
    shop.ingest()
    shop.set_products([product_row("red"), product_row("green"), product_row("blue") | change])
    result = shop.ingest(decode=decode_never)
    assert result.published
    assert result.calls == calls


def run_of_links(shop: Shop) -> set[str]:
    return set(Store.open(shop.request.store).table("links").to_arrow()["run_id"].to_pylist())


def test_sales_and_prices_that_no_video_states_relink_nothing_and_a_title_all(shop: Shop) -> None:
    shop.ingest()
    first = run_of_links(shop)
    rows = [product_row(name) for name in ("red", "green", "blue")]
    shop.set_products([row | {"sales": 5} for row in rows])
    shop.ingest()
    assert run_of_links(shop) == first
    shop.set_products([row | {"price": 3} for row in rows])
    shop.ingest()
    assert run_of_links(shop) == first
    shop.set_products([row | {"title": f"New {row['title']}"} for row in rows])
    shop.ingest()
    assert run_of_links(shop).isdisjoint(first)


def test_a_changed_picture_is_the_only_one_encoded_and_links_follow_it(shop: Shop) -> None:
    shop.ingest()
    shutil.copyfile(
        shop.root / "catalog" / "images" / "red.png", shop.root / "catalog" / "images" / "blue.png"
    )
    result = shop.ingest(decode=decode_never)
    assert result.calls == {"files_hashed": 1, "pictures_encoded": 1, "pictures_read": 1}
    store = Store.open(shop.request.store)
    found = {
        (v, link.sku)
        for v, _, link in released_links(ReleaseSnapshot.of(store, result.newest))
        if link.score > 0.5
    }
    assert ("b", "SKU-blue") not in found


def test_a_new_video_links_itself_and_leaves_the_links_of_others(shop: Shop) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "d.mp4", [GREEN, BLUE, RED])
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in "abcd"])
    result = shop.ingest()
    links = Store.open(shop.request.store).table("links").to_arrow().to_pylist()
    assert {row["video_id"] for row in links if row["run_id"] == result.run_id} == {"d"}


def test_what_left_the_source_is_not_in_the_next_release(shop: Shop) -> None:
    shop.ingest()
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in "ab"])
    shop.set_products([product_row("red"), product_row("blue")])
    shop.ingest(decode=decode_never)
    store = Store.open(shop.request.store)
    release = require_served(store)
    for table, column in (("videos", "video_id"), ("segments", "video_id"), ("links", "video_id")):
        stored = store.table(table, release.table_version(table)).to_arrow()[column].to_pylist()
        assert "c" not in stored
    for table in ("products", "product_images", "links"):
        stored = store.table(table, release.table_version(table)).to_arrow()["sku"].to_pylist()
        assert "SKU-green" not in stored


@pytest.mark.slow
def test_a_video_that_crashes_its_decoder_is_tried_on_some_nights_and_then_rests(
    shop: Shop,
) -> None:
    rows = [{"video_id": n, "file": "videos/b.mp4"} for n in ("a", "b", "flaky")]
    shop.set_videos(rows)
    config = small_config(gate={"max_failure_rate": 0.5}, engine={"quarantine_after_runs": 2})
    attempts = []
    for _ in range(3):
        (failed,) = shop.run(config, decode=decode_flaky).failed
        assert failed.kind is FailureKind.CRASHED
        attempts.append(failed.attempt)
    assert attempts == [1, 2, 2]
    (rests,) = shop.ingest(config, decode=decode_never).failed
    assert rests.message == "crashed"
    touch(shop.root / "videos" / "b.mp4")
    assert shop.ingest(config).failed == ()


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_read_is_not_indexed_as_either(shop: Shop) -> None:
    from reelshelf.indexer.extract import work

    def decode_and_touch(job, config, detector=None):
        path = Path(job.source.path)
        if job.source.video_id == "b":
            touch(path)
        return work.decode(job, config)

    result = shop.ingest(small_config(gate={"max_failure_rate": 0.5}), decode=decode_and_touch)
    assert [(f.video_id, f.kind) for f in result.failed] == [("b", FailureKind.CHANGING)]
    assert shop.ingest().failed == ()


def test_a_picture_that_cannot_be_read_tonight_keeps_its_row(shop: Shop) -> None:
    shop.ingest()
    picture = shop.root / "catalog" / "images" / "red.png"
    picture.rename(picture.with_suffix(".away"))
    (refused,) = shop.ingest(decode=decode_never).rejected_pictures
    assert (refused.sku, refused.lasting) == ("SKU-red", False)
    assert Store.open(shop.request.store).table("product_images").count_rows() == 3
    picture.with_suffix(".away").rename(picture)
    assert shop.ingest(decode=decode_never).rejected_pictures == ()


def test_a_picture_that_went_bad_loses_its_row_and_rests(shop: Shop) -> None:
    shop.ingest()
    (shop.root / "catalog" / "images" / "red.png").write_bytes(b"no picture")
    first = shop.ingest(decode=decode_never)
    assert [p.lasting for p in first.rejected_pictures] == [True]
    assert Store.open(shop.request.store).table("product_images").count_rows() == 2
    second = shop.ingest(decode=decode_never)
    assert [p.uri for p in second.rejected_pictures] == ["images/red.png"]
    assert second.planned.pictures_to_encode == 0


def test_old_rows_of_a_broken_file_go_though_the_first_run_could_not_publish(shop: Shop) -> None:
    shop.ingest()
    (shop.root / "videos" / "b.mp4").write_text("broken")
    other = {"media": {"sample_ms": 500}}
    with pytest.raises(TooManyFailures):
        shop.ingest(small_config(gate={"max_failure_rate": 0.1}, **other))
    shop.ingest(small_config(gate={"max_failure_rate": 0.5}, **other))
    stored = Store.open(shop.request.store).table("videos").to_arrow()["video_id"].to_pylist()
    assert sorted(stored) == ["a", "c"]
