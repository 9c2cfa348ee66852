"""Opening a store to write: the lease, whole tables, the upgrade of an old store, dead runs."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from reelshelf.indexer.store.connection import check_conditional_writes
from reelshelf.indexer.store.erased import delete_erased
from reelshelf.indexer.store.fence import fence
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.migration import upgrade
from reelshelf.indexer.store.recovery import clear_head, recover
from reelshelf.indexer.store.runs import begin_run, close_dead_runs, fail_run
from reelshelf.indexer.store.stepping import finish_restore
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ReelshelfError

# What a store that is out of reach raises.
_OUT_OF_REACH = (ReelshelfError, OSError, RuntimeError, ValueError)


@contextmanager
def writing(store: Store, run_id: str, config: Config) -> Iterator[tuple[Store, Lease]]:
    """The store as its only writer sees it, and the lease. Raises StoreBusy while another writes.

    A store of an older version is upgraded, and runs that died are recorded as crashed.
    """
    with taking(store, run_id, config.nightly.lease_s) as (guarded, lease):
        upgrade(guarded, config)
        delete_erased(guarded, lease)
        close_dead_runs(guarded)
        yield guarded, lease


@contextmanager
def taking(store: Store, run_id: str, lease_s: float) -> Iterator[tuple[Store, Lease]]:
    """The store as its only writer sees it, with whole tables, and the lease."""
    check_conditional_writes(store.uri, store.storage)
    clear_head(store)
    with Lease.take(store, run_id, lease_s) as lease:
        guarded = store.guarded(lease.prove)
        recover(guarded)
        if lease.taken_over is not None:
            fence(guarded)
            lease.is_ready = True
        finish_restore(guarded, lease)
        yield guarded, lease


@contextmanager
def recorded(
    store: Store, run_id: str, config: Config, source: Mapping[str, str], began: dt.datetime
) -> Iterator[None]:
    """Keep the record of a run: `running` from here on, `failed` where an error ends it."""
    begin_run(store, run_id, config, source, began)
    try:
        yield
    except BaseException as error:
        told = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        # Where not even this can be written, the next run finds it as crashed.
        with suppress(*_OUT_OF_REACH):
            fail_run(store, run_id, told or type(error).__name__)
        raise
