"""Who may write into a store, and that whoever lost that right cannot publish."""

import datetime as dt
import subprocess
import sys
from dataclasses import replace

import pytest

from reelshelf.indexer.store import head
from reelshelf.indexer.store.head import Lease, read_head
from reelshelf.indexer.store.releases import list_releases, require_served
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.errors import StoreBusy
from reelshelf.schemas.keys import video_key
from tests.support.commands import ROOT
from tests.support.shops import Shop


@pytest.fixture
def store(shop: Shop) -> Store:
    shop.ingest()
    return Store.open(shop.request.store)


def expire(store: Store) -> None:
    """As if the holder had not renewed its lease for long."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    store.table("head").update(values={"expires_at": past})


def test_two_runs_are_kept_apart_and_the_message_says_by_whom(store: Store) -> None:
    with Lease.take(store, "first", 60), pytest.raises(StoreBusy, match=r"run first on .* process"):
        Lease.take(store, "second", 60)
    with Lease.take(store, "third", 60):
        assert read_head(store).run_id == "third"
    assert read_head(store).run_id is None


def test_a_busy_store_is_not_touched(shop: Shop, store: Store) -> None:
    before = {name: store.table(name).version for name in ("videos", "runs", "failures")}
    with Lease.take(store, "first", 60), pytest.raises(StoreBusy):
        shop.ingest()
    assert {name: store.table(name).version for name in before} == before


def test_a_lease_that_ran_out_is_taken_over_and_its_holder_cannot_publish(store: Store) -> None:
    # Never entered, so nothing renews it: a run that sleeps.
    loser = Lease.take(store, "loser", 60)
    expire(store)
    with Lease.take(store, "winner", 60) as winner:
        with pytest.raises(StoreBusy, match="nothing more is written or published"):
            loser.publish("loser")
        with pytest.raises(StoreBusy):
            loser.check()
        winner.publish(require_served(store).run_id)
    assert {r.run_id for r in list_releases(store)} == {require_served(store).run_id}


def test_a_run_that_was_away_too_long_stops_before_it_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease.take(store, "sleeper", 60)
    lease.check()
    later = head._clock() + 61
    monkeypatch.setattr(head, "_clock", lambda: later)
    with pytest.raises(StoreBusy, match="away for longer than its lease of 60 s"):
        lease.check()


def test_the_lease_of_a_dead_process_is_taken_over_at_once(shop: Shop, store: Store) -> None:
    script = (
        "import os, sys; from reelshelf.indexer.store.tables import Store\n"
        "from reelshelf.indexer.store.head import Lease\n"
        "Lease.take(Store.open(sys.argv[1]), 'dead', 3600); os._exit(0)"
    )
    root = ROOT
    subprocess.run([sys.executable, "-c", script, shop.request.store], cwd=root, check=True)
    assert read_head(store).run_id == "dead"
    with Lease.take(store, "heir", 60):
        assert read_head(store).run_id == "heir"


def test_a_lease_is_renewed_while_its_holder_works(store: Store) -> None:
    with Lease.take(store, "worker", 1) as lease:
        first = read_head(store).expires_at
        second = first
        for _ in range(600):  # renewals come four times a second, on a busy machine later
            lease._renewer.join(timeout=0.1)
            second = read_head(store).expires_at
            if second != first:
                break
        assert first is not None
        assert second is not None
        assert second > first


def test_what_a_run_left_that_died_while_publishing_is_cleared(shop: Shop, store: Store) -> None:
    orphan = video_key("shop", "an orphan")
    row = store.table("releases").to_arrow().to_pylist()[0] | {"run_id": orphan}
    store.table("releases").add([row])
    store.table("runs").add([store.scan("runs", None).to_pylist()[0] | {"run_id": orphan}])
    store.table("videos").tags.create(f"r000002-20260101-{orphan[:8]}", 1)
    # A reader's own, which happens to look like one of ours.
    store.table("videos").tags.create("r000001-20260101-audit", 1)
    assert len(list_releases(store)) == 1
    shop.ingest()
    assert store.table("releases").count_rows() == 1
    assert sorted(Store.open(store.uri).table("videos").tags.list()) == sorted(
        ["r000001-20260101-audit"]
        + [f"{r.release_id}-{r.run_id[:8]}" for r in list_releases(store)]
    )


def test_a_publication_whose_answer_was_lost_is_not_undone(store: Store) -> None:
    with Lease.take(store, "unlucky", 60) as lease:
        # The commit landed, and the run never heard of it.
        lease.change(lambda head: replace(head, serving="unlucky"))
    assert read_head(store).serving == "unlucky"
    assert read_head(store).run_id is None


def test_an_error_of_the_store_at_the_end_does_not_hide_the_runs_own(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_reach(*_: object) -> bool:
        raise RuntimeError("lance error: the endpoint does not answer")

    def interrupted() -> None:
        with Lease.take(store, "run", 60):
            monkeypatch.setattr(head, "read_head", out_of_reach)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
