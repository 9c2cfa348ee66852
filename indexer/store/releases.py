"""Publishing: one row that names the version of every table, tags that keep those versions alive.

A release is first written down, then named by the store's head, in one commit. So it is whole or
not there. A reader learns of a new one from the one row of one small table.
"""

import datetime as dt

import pyarrow as pa

from indexer.store.head import Lease, read_head
from indexer.store.rows import now
from indexer.store.tables import DATA_TABLES, Store, among, parts
from schemas import tables
from schemas.errors import StoreError
from schemas.release import Release, TableVersion


def pin_tables(store: Store) -> list[TableVersion]:
    """The newest version of every data table, as a release would name it."""
    pinned = []
    for name in DATA_TABLES:
        table = store.table(name)
        pinned.append(TableVersion(name=name, version=table.version, rows=table.count_rows()))
    return pinned


def next_sequence(store: Store) -> int:
    """Number of the release after the newest one."""
    return max((release.sequence for release in list_releases(store)), default=0) + 1


def publish(store: Store, release: Release, lease: Lease) -> None:
    """Tag every table of the release, write its row, and make it the newest.

    Raises StoreBusy where the lease was lost: then the row is there, but nothing names it.
    """
    lease.check()
    for table in release.tables:
        # With the run in its name: two runs that claim one number never move each other's tags.
        tag = f"{release.release_id}-{release.run_id[:8]}"
        store.table(table.name).tags.create(tag, table.version)
    row = {
        "run_id": release.run_id,
        "release_id": release.release_id,
        "sequence": release.sequence,
        "schema_version": release.schema_version,
        "created_at": dt.datetime.fromisoformat(release.created_at),
        "record": release.model_dump_json(),
    }
    store.table("releases").add(pa.Table.from_pylist([row], schema=tables.releases_schema()))
    lease.publish([*lease.published, release.run_id])


def clear_unpublished(store: Store, lease: Lease) -> None:
    """Take away what runs that died while publishing left behind: records, and tags of tables."""
    found = store.scan("releases", ["run_id"])["run_id"].to_pylist()
    orphans = sorted(set(found) - set(lease.published))
    for part in parts(orphans):
        store.table("releases").delete(among("run_id", part))
    published = {run_id[:8] for run_id in lease.published}
    for name in DATA_TABLES:
        tags = store.table(name).tags
        for tag in tags.list():
            if tag.rpartition("-")[2] not in published:
                tags.delete(tag)


def list_releases(store: Store) -> list[Release]:
    """All published releases, oldest first."""
    published = read_head(store).published
    found = store.scan("releases", ["run_id", "record"]).to_pylist()
    records = {row["run_id"]: row["record"] for row in found}
    return [Release.model_validate_json(records[run_id]) for run_id in published]


def newest_release(store: Store) -> Release:
    """The release that searchers should open. Raises StoreError where nothing was published."""
    releases = list_releases(store)
    if not releases:
        raise StoreError(
            f"{store.uri}: nothing has been published yet; `reelshelf ingest` publishes when the "
            "quality gate agrees"
        )
    return releases[-1]


def release_id(sequence: int) -> str:
    """Name of a release: its number and the day it was made."""
    return f"r{sequence:06d}-{now():%Y%m%d}"
