"""Setting several tables to other versions, as if in one step.

There is no commit across tables. So the head first says where each is to get; a run that dies over
it is completed by the next one that takes the lease, before it looks at anything.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from reelshelf.indexer.store.fence import restore_table
from reelshelf.indexer.store.head import Lease, read_head
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.release import Release


def restore_tables(store: Store, lease: Lease, versions: Mapping[str, int]) -> None:
    """Set tables of a generation to these versions, all of them or, after a crash, by the next run.

    `store` must be guarded by `lease`.
    """
    _note(store, lease, versions)
    finish_restore(store, lease)


def finish_restore(store: Store, lease: Lease) -> None:
    """Set tables to the versions that the head says they are to get to, if it does."""
    noted = read_head(store).restoring
    if noted is None:
        return
    todo = json.loads(noted)
    seen = store.of(todo["generation"])
    for name, version in todo["versions"].items():
        if not seen.holds(name, version):
            restore_table(seen, name, version)
            seen.sync(name)
    _note(store, lease, {})


@contextmanager
def as_released(store: Store, lease: Lease, release: Release) -> Iterator[None]:
    """Tables as a release names them while this lasts, and as they were before afterwards.

    What was written since and not published comes back in any case: the next run sees to it.
    """
    ahead = {
        table.name: store.dataset(table.name).version
        for table in release.tables
        if not store.holds(table.name, table.version)
    }
    if ahead:
        _note(store, lease, ahead)
        for name in ahead:
            restore_table(store, name, release.table_version(name))
    yield
    finish_restore(store, lease)


def _note(store: Store, lease: Lease, versions: Mapping[str, int]) -> None:
    todo = {"generation": store.generation, "versions": dict(versions)}
    noted = json.dumps(todo) if versions else None
    lease.change(lambda head: replace(head, restoring=noted))
    store.sync("head")
