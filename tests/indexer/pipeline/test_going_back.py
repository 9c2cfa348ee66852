"""Restoring, erasing, videos that vanish and come back, and what a rollback marks."""

import datetime as dt
from pathlib import Path

import pytest

from benchmarks.same_rows import differing_rows
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.pipeline import erasing, upkeep
from reelshelf.indexer.pipeline.erasing import erase, lift_erased
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.store import stepping
from reelshelf.indexer.store.calibrations import newest_calibration
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import list_releases, require_served, rollback
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.schemas.errors import ConfigError, GateRefused, StoreBusy
from reelshelf.schemas.keys import product_key, video_key
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.shops import NO_GRACE, Shop, list_nth, make_many, make_shop, small_config


def links_of(shop: Shop) -> set[tuple[str, str, float]]:
    snapshot = ReleaseSnapshot.open(shop.request.store)
    return {(video, link.sku, round(link.score, 6)) for video, _, link in released_links(snapshot)}


def list_videos(shop: Shop, names: str) -> None:
    shop.set_videos([{"video_id": n, "file": f"videos/{n}.mp4"} for n in names])


@pytest.mark.slow
def test_videos_that_come_back_ask_no_model_and_have_the_same_links(shop: Shop) -> None:
    shop.ingest()
    before = links_of(shop)
    listed = shop.rows()
    list_videos(shop, "a")
    assert shop.ingest(small_config(gate={"max_shrink": 1.0})).planned.videos_gone == 2
    assert {video for video, *_ in links_of(shop)} == {"a"}
    shop.set_videos(listed)  # type: ignore[arg-type]
    result = shop.ingest()
    assert result.planned.videos_back == 2
    assert set(result.calls) <= {"files_hashed"}
    assert links_of(shop) == before
    store = Store.open(shop.request.store)
    assert store.count("vanished_videos") == 0
    assert store.count("vanished_segments") == 0


def test_what_vanished_long_ago_is_forgotten(shop: Shop) -> None:
    shop.ingest()
    list_videos(shop, "a")
    none = small_config(gate={"max_shrink": 1.0}, release={"keep_vanished_days": 0.0})
    shop.ingest(none)
    store = Store.open(shop.request.store)
    assert store.count("vanished_videos") == 2
    shop.run(none)
    assert store.count("vanished_videos") == store.count("vanished_segments") == 0


@pytest.mark.slow
def test_a_release_that_is_kept_is_a_source_of_results(shop: Shop) -> None:
    listed = shop.rows()
    list_videos(shop, "ab")
    shop.ingest()
    first = require_served(Store.open(shop.request.store))
    shop.set_videos(listed)  # type: ignore[arg-type]
    second = shop.ingest()
    assert second.tally.indexed == 1
    upkeep.restore_store(shop.request.store, small_config(), first.release_id)
    assert Store.open(shop.request.store).count("videos") == 2
    again = shop.ingest()
    assert again.planned.videos_back == 1
    assert set(again.calls) <= {"files_hashed"}
    assert Store.open(shop.request.store).count("videos") == 3


@pytest.mark.slow
def test_restore_sets_every_table_back_and_leaves_what_is_served(shop: Shop) -> None:
    first = shop.ingest().newest
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    second = shop.ingest().newest
    upkeep.restore_store(shop.request.store, small_config(), first.release_id)
    store = Store.open(shop.request.store)
    assert all(store.holds(table.name, table.version) for table in first.tables)
    assert require_served(store).release_id == second.release_id
    upkeep.verify(shop.request.store, small_config())
    assert shop.ingest().published
    assert links_of(shop)
    with pytest.raises(ConfigError, match="has no release 'r9'"):
        upkeep.restore_store(shop.request.store, small_config(), "r9")


@pytest.mark.slow
def test_what_was_rolled_back_from_is_no_target_any_more(shop: Shop) -> None:
    first = shop.ingest().newest
    store = Store.open(shop.request.store)
    made = []
    for colors in ([GREEN, BLUE], [BLUE, RED]):
        write_clip(shop.root / "videos" / "a.mp4", colors)
        made.append(shop.ingest().newest)
    rollback(store)
    assert require_served(store).release_id == made[0].release_id
    rollback(store)
    assert require_served(store).release_id == first.release_id
    upkeep.publish(shop.request.store, small_config(), NoProgress()).or_raise()
    # Not to the two that were bad.
    rollback(store)
    assert require_served(store).release_id == first.release_id
    with pytest.raises(ConfigError, match="was rolled back from"):
        rollback(store, made[1].release_id)


def test_going_back_brings_its_calibration_back(shop: Shop) -> None:
    first = shop.ingest().newest
    store = Store.open(shop.request.store)
    other = default_calibration().model_copy(update={"bias": -9.0})
    upkeep.keep_calibration(shop.request.store, small_config(), other)
    second = shop.ingest().newest
    assert second.calibration.bias == -9.0
    rollback(store)
    kept = newest_calibration(store)
    assert kept is not None
    assert kept == first.calibration
    result = upkeep.publish(shop.request.store, small_config(), NoProgress()).or_raise()
    assert result.newest.calibration == first.calibration
    upkeep.keep_calibration(shop.request.store, small_config(), other)
    assert newest_calibration(store) == other


@pytest.mark.slow
def test_more_than_usual_may_not_leave_at_once(tmp_path: Path) -> None:
    shop = make_many(tmp_path / "shop", 64)
    config = small_config()
    for left in (64, 63, 62):
        list_nth(shop, list(range(left)))
        shop.ingest(config)
    list_nth(shop, list(range(40)))
    with pytest.raises(GateRefused, match="usually loses"):
        shop.ingest(config)
    assert Store.open(shop.request.store).count("videos") == 62
    shop.run(config, allow_shrink=True).or_raise()
    assert Store.open(shop.request.store).count("videos") == 40
    list_nth(shop, list(range(62)))
    assert shop.ingest(config).planned.videos_back == 22


def test_without_a_history_half_may_leave(shop: Shop) -> None:
    shop.ingest()
    list_videos(shop, "ab")
    assert shop.ingest().published
    shop.set_videos([{"video_id": "c", "file": "videos/c.mp4"}])
    with pytest.raises(GateRefused, match=r"gate\.max_shrink \(0\.5\)"):
        shop.ingest()


@pytest.fixture
def erased(shop: Shop) -> Shop:
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [GREEN, RED])
    shop.ingest()
    erase(shop.request.store, small_config(), videos=["a"], reason="court order")
    return shop


def test_what_is_erased_is_gone_from_what_is_served_at_once(erased: Shop) -> None:
    store = Store.open(erased.request.store)
    served = require_served(store)
    assert served.forced == "erased video a: court order"
    assert served.quality.videos == 2
    key = video_key("shop", "a")
    for name in ("videos", "segments", "links"):
        at = store.dataset(name, served.table_version(name))
        assert at.count_rows(f"video_key = '{key}'") == 0
    assert "a" not in {video for video, *_ in links_of(erased)}
    upkeep.verify(erased.request.store, small_config())


@pytest.mark.slow
def test_what_is_erased_stays_out_until_that_is_lifted(erased: Shop) -> None:
    result = erased.run()
    assert ("a", "erased: court order") in {(s.video_id, s.reason) for s in result.skipped}
    assert Store.open(erased.request.store).count("videos") == 2
    lift_erased(erased.request.store, small_config(), videos=["a"])
    # A release that is kept still has it.
    assert erased.ingest().planned.videos_back == 1
    with pytest.raises(ConfigError, match="'a' is not erased"):
        lift_erased(erased.request.store, small_config(), videos=["a"])


def test_nobody_goes_back_to_what_was_erased_and_pruning_deletes_it(erased: Shop) -> None:
    store = Store.open(erased.request.store)
    old = [release.release_id for release in list_releases(store)][:2]
    with pytest.raises(ConfigError, match="there is no release older"):
        rollback(store)
    with pytest.raises(ConfigError, match="holds something that was erased"):
        rollback(store, old[0])
    with pytest.raises(ConfigError, match="holds something that was erased"):
        upkeep.restore_store(erased.request.store, small_config(), old[0])
    done = upkeep.prune_store(
        erased.request.store,
        small_config(),
        keep=14,
        grace=dt.timedelta(days=1),
        older_than=NO_GRACE,
    )
    assert list(done.releases) == old
    # Its content hash is in no file of the store any more.
    content = rows_of(erased, "b")
    assert holds_bytes(erased, content)
    assert not holds_bytes(erased, video_key("shop", "a"))


def rows_of(shop: Shop, video: str) -> str:
    rows = Store.open(shop.request.store).scan("videos", ["video_id", "video_key"]).to_pylist()
    return str(next(row["video_key"] for row in rows if row["video_id"] == video))


def holds_bytes(shop: Shop, text: str) -> bool:
    tables = ("videos", "segments", "links", "failures")
    return any(
        text.encode() in path.read_bytes()
        for name in tables
        for path in (Path(shop.request.store) / f"{name}.lance").rglob("*")
        if path.is_file()
    )


def test_a_product_is_erased_with_its_links(shop: Shop) -> None:
    shop.ingest()
    erase(shop.request.store, small_config(), skus=["SKU-red"])
    assert "SKU-red" not in {sku for _, sku, _ in links_of(shop)}
    store = Store.open(shop.request.store)
    key = product_key("shop", "SKU-red")
    served = require_served(store)
    for name in ("products", "product_images"):
        at = store.dataset(name, served.table_version(name))
        assert at.count_rows(f"product_key = '{key}'") == 0
    result = shop.run()
    assert ("SKU-red", "erased") in {(row.item_id, row.reason) for row in result.rejected}
    assert store.count("products") == 2


@pytest.mark.slow
def test_erasing_publishes_nothing_that_was_refused(shop: Shop, tmp_path: Path) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [GREEN, RED, BLUE])
    with pytest.raises(GateRefused):
        shop.ingest(small_config(gate={"min_videos": 9}))
    store = Store.open(shop.request.store)
    content = {r["video_id"]: r["content_sha256"] for r in store.scan("videos", None).to_pylist()}
    done = erase(shop.request.store, small_config(), videos=["a"])
    assert done.release is not None
    version = done.release.table_version("videos")
    served = {
        r["video_id"]: r["content_sha256"]
        for r in store.scan("videos", None, version=version).to_pylist()
    }
    assert set(served) == {"b", "c"}
    assert served["b"] != content["b"]
    # The refused work is still there, less what was erased.
    newest = {r["video_id"]: r["content_sha256"] for r in store.scan("videos", None).to_pylist()}
    assert newest == {name: sha for name, sha in content.items() if name != "a"}
    assert shop.ingest().tally.indexed == 0


def test_what_nobody_has_cannot_be_erased(shop: Shop) -> None:
    shop.ingest()
    with pytest.raises(ConfigError, match="--video 'z': neither the store nor a release"):
        erase(shop.request.store, small_config(), videos=["z"])


def test_a_restored_release_of_an_erased_shop_equals_one_that_never_left(tmp_path: Path) -> None:
    shop, other = make_shop(tmp_path / "one"), make_shop(tmp_path / "other")
    first = shop.ingest().newest
    other.ingest()
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    shop.ingest()
    upkeep.restore_store(shop.request.store, small_config(), first.release_id)
    stores = (Store.open(shop.request.store), Store.open(other.request.store))
    assert set(differing_rows(*stores).values()) == {0}


def test_an_erasure_that_dies_half_way_loses_no_unpublished_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "b.mp4", [GREEN, RED, BLUE])
    with pytest.raises(GateRefused):
        shop.ingest(small_config(gate={"min_videos": 9}))
    store = Store.open(shop.request.store)
    before = {r["video_id"]: r["content_sha256"] for r in store.scan("videos", None).to_pylist()}

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(erasing.releases, "publish", dies)
    with pytest.raises(KeyboardInterrupt):
        erase(shop.request.store, small_config(), videos=["a"])
    monkeypatch.undo()
    # Another command takes the lease: the tables are what the refused night left, less "a".
    upkeep.keep_calibration(shop.request.store, small_config(), default_calibration())
    rows = store.scan("videos", None).to_pylist()
    assert {r["video_id"]: r["content_sha256"] for r in rows} == {
        name: sha for name, sha in before.items() if name != "a"
    }
    assert torn_videos(store).videos == ()
    upkeep.publish(shop.request.store, small_config(), NoProgress()).or_raise()
    assert "a" not in {video for video, *_ in links_of(shop)}


@pytest.mark.slow
def test_an_erasure_does_not_undo_a_rollback(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = shop.rows()
    list_videos(shop, "ab")
    first = shop.ingest().newest
    shop.set_videos(listed)  # type: ignore[arg-type]
    shop.ingest()
    pin = erasing.releases.pin_tables

    def meanwhile(store: Store) -> object:
        rollback(store)
        return pin(store)

    monkeypatch.setattr(erasing.releases, "pin_tables", meanwhile)
    with pytest.raises(StoreBusy, match="somebody went to another release meanwhile"):
        erase(shop.request.store, small_config(), videos=["c"])
    assert require_served(Store.open(shop.request.store)).release_id == first.release_id
    monkeypatch.undo()
    # What is served now never had it.
    assert erase(shop.request.store, small_config(), videos=["c"]).release is None
    assert {video for video, *_ in links_of(shop)} <= {"a", "b"}


def test_a_restore_that_dies_half_way_is_completed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.ingest().newest
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    shop.ingest()
    restore, done = stepping.restore_table, []

    def dies_at_the_second(store: Store, name: str, version: int, above: int = 0) -> int:
        if done:
            raise KeyboardInterrupt
        done.append(name)
        return restore(store, name, version, above)

    monkeypatch.setattr(stepping, "restore_table", dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        upkeep.restore_store(shop.request.store, small_config(), first.release_id)
    monkeypatch.undo()
    upkeep.keep_calibration(shop.request.store, small_config(), default_calibration())
    store = Store.open(shop.request.store)
    assert all(store.holds(table.name, table.version) for table in first.tables)


def test_a_product_that_leaves_and_comes_back_as_it_was_is_linked_again(shop: Shop) -> None:
    shop.ingest()
    before = links_of(shop)
    erase(shop.request.store, small_config(), skus=["SKU-red"])
    lift_erased(shop.request.store, small_config(), skus=["SKU-red"])
    shop.ingest()
    assert links_of(shop) == before


def test_what_was_rolled_back_from_is_no_source_of_results(shop: Shop) -> None:
    first = shop.ingest().newest
    write_clip(shop.root / "videos" / "a.mp4", [GREEN, BLUE, GREEN])
    shop.ingest()
    rollback(Store.open(shop.request.store))
    upkeep.restore_store(shop.request.store, small_config(), first.release_id)
    assert shop.run().planned.videos_back == 0
