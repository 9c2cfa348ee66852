"""The life of a release: served, left, held, forced, verified, let go."""

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import prune_store, publish, verify
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.checksums import damaged_files
from reelshelf.indexer.store.head import Lease, read_head
from reelshelf.indexer.store.releases import (
    list_releases,
    listed_releases,
    require_served,
    rollback,
)
from reelshelf.indexer.store.retention import prune
from reelshelf.indexer.store.tables import DATA_TABLES, Store
from reelshelf.jobs.cli import main
from reelshelf.schemas.errors import ConfigError, CorruptFile, GateRefused, StoreError
from reelshelf.schemas.run import Ending
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.shops import NO_GRACE, Shop, product_row, small_config


def priced(shop: Shop, price: float) -> str:
    """One more release; its id."""
    shop.set_products([product_row(n) | {"price": price} for n in ("red", "green", "blue")])
    return shop.ingest().newest.release_id


@pytest.fixture
def three(shop: Shop) -> list[str]:
    """The ids of three releases, oldest first."""
    return [priced(shop, price) for price in (1, 2, 3)]


def open_store(shop: Shop) -> Store:
    return Store.open(shop.request.store)


def price_in(store: Store) -> float:
    release = require_served(store)
    table = store.table("products", release.table_version("products")).to_arrow()
    return float(table["price"][0].as_py())


@pytest.mark.slow
def test_going_back_serves_the_release_before_and_takes_no_lease(
    shop: Shop, three: list[str]
) -> None:
    store = open_store(shop)
    with Lease.take(store, "a run that writes", 60) as lease:
        left, served = rollback(store)
        lease.check()
    assert [left.release_id, served.release_id] == [three[2], three[1]]
    assert price_in(store) == 2
    rollback(store)
    assert price_in(store) == 1
    with pytest.raises(ConfigError, match="no release older"):
        rollback(store)
    with pytest.raises(ConfigError, match="was rolled back from"):
        rollback(store, three[2])
    with pytest.raises(ConfigError, match=f"there are {three[0]}"):
        rollback(store, "r9")


@pytest.mark.slow
def test_a_night_keeps_tables_up_to_date_and_does_not_undo_a_rollback(
    shop: Shop, three: list[str]
) -> None:
    rollback(open_store(shop))
    with pytest.raises(GateRefused, match=f"went back from release {three[2]} to {three[1]}"):
        priced(shop, 4)
    store = open_store(shop)
    assert price_in(store) == 2
    result = publish(shop.request.store, None, NoProgress())
    assert result.ending is Ending.PUBLISHED
    assert price_in(store) == 4
    assert read_head(store).hold is None
    assert priced(shop, 5) == result.newest.release_id.replace("000004", "000005")


@pytest.mark.slow
def test_a_run_that_was_under_way_cannot_publish_over_a_rollback(
    shop: Shop, three: list[str]
) -> None:
    store = open_store(shop)
    with Lease.take(store, "a run", 60) as lease:
        rollback(store)
        with pytest.raises(GateRefused, match="until `reelshelf publish` says so"):
            lease.publish("a run")
    assert require_served(store).release_id == three[1]


@pytest.mark.slow
def test_a_reader_learns_of_releases_from_one_row(shop: Shop, three: list[str]) -> None:
    store = open_store(shop)
    by_run = {release.run_id: release.release_id for release in list_releases(store)}
    assert by_run[str(read_head(store).serving)] == three[2]
    rollback(store)
    assert by_run[str(read_head(store).serving)] == three[1]
    standing = {item.release.release_id: item.serving for item in listed_releases(store)}
    assert standing == {three[0]: False, three[1]: True, three[2]: False}


def test_publishing_against_the_gate_needs_a_reason_and_keeps_it(shop: Shop) -> None:
    shop.ingest()
    strict = small_config(gate={"min_videos": 9})
    priced_rows = [product_row(n) | {"price": 7} for n in ("red", "green", "blue")]
    shop.set_products(priced_rows)
    with pytest.raises(GateRefused, match="videos: wanted >= 9, found 3"):
        shop.ingest(strict)
    uri = shop.request.store
    refused = publish(uri, strict, NoProgress())
    assert refused.ending is Ending.GATE_REFUSED
    made = publish(uri, strict, NoProgress(), forced="the supplier left").newest
    assert made.forced == "the supplier left"
    assert [check.name for check in made.gate if not check.passed] == ["videos"]
    assert main(["publish", "--store", uri, "--force", " "]) == 2


@pytest.mark.slow
def test_pruning_keeps_what_is_new_served_or_left_a_moment_ago(
    shop: Shop, three: list[str]
) -> None:
    uri, config = shop.request.store, small_config()
    rollback(open_store(shop), three[0])
    assert prune_store(uri, config, keep=1, grace=dt.timedelta(hours=1)).releases == ()
    assert prune_store(uri, config, keep=1, grace=NO_GRACE).releases == (three[1],)
    assert [r.release_id for r in list_releases(open_store(shop))] == [three[0], three[2]]
    assert price_in(open_store(shop)) == 1
    verify(uri, config, three[2])


@pytest.mark.slow
def test_a_reader_that_tagged_its_tables_outlives_pruning(shop: Shop, three: list[str]) -> None:
    store, uri = open_store(shop), shop.request.store
    old = releases.find_release(store, three[0])
    for table in old.tables:
        store.table(table.name).tags.create("reader-audit", table.version)
    reader = store.table("segments", old.table_version("segments"))
    done = prune_store(uri, small_config(), keep=1, grace=NO_GRACE)
    assert done.releases == (three[0], three[1])
    assert reader.to_arrow().num_rows > 0
    with pytest.raises(ConfigError, match="has no release"):
        verify(uri, small_config(), three[0])


@pytest.mark.slow
def test_pruning_takes_away_what_dead_runs_left(shop: Shop, three: list[str]) -> None:
    table = Path(shop.request.store) / "segments.lance"
    orphan = table / "data" / "0000.lance"
    index = table / "_indices" / "dead" / "index.idx"
    fresh = table / "data" / "0001.lance"
    index.parent.mkdir(parents=True)
    for path in (orphan, index, fresh):
        path.write_bytes(b"half of it")
    week = time.time() - 8 * 86_400
    for path in (orphan, index):
        os.utime(path, (week, week))
    prune_store(shop.request.store, small_config(), keep=14, grace=NO_GRACE)
    assert not orphan.exists()
    assert not index.exists()
    # Its writer may only have been stopped.
    assert fresh.exists()
    assert all(verify(shop.request.store, small_config(), name) for name in three)


@pytest.mark.slow
def test_a_rollback_to_a_release_that_is_being_pruned_wins_or_is_refused(
    shop: Shop, three: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody goes back just after it was decided what goes."""
    store = open_store(shop)
    with Lease.take(store, "prune", 60) as lease:
        change = lease.change

        def late(edit: object) -> object:
            rollback(store, three[0])
            return change(edit)  # type: ignore[arg-type]

        monkeypatch.setattr(lease, "change", late)
        done = prune(store.guarded(lease.check), lease, keep=1, grace=NO_GRACE, older_than=NO_GRACE)
    assert done.releases == (three[1],)
    assert require_served(store).release_id == three[0]
    verify(shop.request.store, small_config(), three[0])


@pytest.mark.slow
def test_files_of_pruned_releases_are_forgotten(shop: Shop, three: list[str]) -> None:
    prune_store(shop.request.store, small_config(), keep=1, grace=NO_GRACE, older_than=NO_GRACE)
    store = open_store(shop)
    release = require_served(store)
    wanted = {p for t in release.tables for p in store.files_of(t.name, t.version)}
    noted = store.scan("files", ["path"])["path"].to_pylist()
    assert {path for path in noted if path.partition(".lance/")[0] in DATA_TABLES} == wanted


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["data", "_indices", "_versions", "_deletions"])
@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_damage_to_any_file_of_a_release_is_told_by_its_name(
    shop: Shop, kind: str, harm: str
) -> None:
    shop.ingest()
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED, GREEN])
    shop.ingest()  # leaves deleted rows
    store = open_store(shop)
    release = require_served(store)
    files = [
        path
        for table in release.tables
        for path in store.files_of(table.name, table.version)
        if f"/{kind}/" in path
    ]
    broken = Path(store.uri) / files[0]
    data = bytearray(broken.read_bytes())
    assert verify(store.uri, small_config()).release_id == release.release_id
    if harm == "flip":
        data[len(data) // 2] ^= 1
        broken.write_bytes(data)
    elif harm == "cut":
        broken.write_bytes(data[:-1])
    else:
        broken.unlink()
    with pytest.raises(CorruptFile, match=broken.name):
        verify(store.uri, small_config())


def test_the_gate_refuses_to_build_on_damaged_files(shop: Shop) -> None:
    shop.ingest()
    store = open_store(shop)
    release = require_served(store)
    path = next(
        p for p in store.files_of("segments", release.table_version("segments")) if "/data/" in p
    )
    file = Path(store.uri) / path
    data = bytearray(file.read_bytes())
    data[200] ^= 1
    file.write_bytes(data)
    assert len(damaged_files(store, release.tables)) == 1
    with pytest.raises((GateRefused, StoreError), match=file.name):
        priced(shop, 8)
    assert require_served(store).release_id == release.release_id


def test_a_store_of_nothing_has_nothing_to_serve(shop: Shop) -> None:
    with pytest.raises(GateRefused):
        shop.ingest(small_config(gate={"min_videos": 9}))
    store = open_store(shop)
    with pytest.raises(StoreError, match="nothing has been published yet"):
        require_served(store)
    with pytest.raises(StoreError, match="nothing has been published yet"):
        rollback(store)


@pytest.mark.slow
def test_the_commands_say_what_they_did(
    shop: Shop, three: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", shop.request.store]
    assert main(["rollback", *store]) == 0
    assert f"from {three[2]} to {three[1]}" in capsys.readouterr().out
    assert main(["releases", *store]) == 0
    told = capsys.readouterr().out
    assert "served" in told
    assert "On hold" in told
    assert main(["prune", *store, "--keep", "1", "--grace-hours", "0", "--dry-run"]) == 0
    assert f"Would go: {three[0]}." in capsys.readouterr().out
    assert main(["verify", *store]) == 0
    assert f"{three[1]}: " in capsys.readouterr().out
    assert main(["publish", *store]) == 0
    assert "Published release r000004" in capsys.readouterr().out
    assert main(["prune", *store, "--keep", "0"]) == 2
