"""Publishing: one row that names the version of every table, tags that keep those versions alive.

The row is appended last, in one commit, so a release is whole or not there. A reader learns of a
new one from the newest row of one small table.
"""

import datetime as dt

import pyarrow as pa

from indexer.store.rows import now
from indexer.store.tables import DATA_TABLES, Store
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


def publish(store: Store, release: Release) -> None:
    """Tag every table of the release, then append its row. From then on it is the newest."""
    for table in release.tables:
        tags = store.table(table.name).tags
        tag = release.release_id
        # A killed publish may have left tags of a release that nobody ever saw.
        if tag in tags.list():
            tags.update(tag, table.version)
        else:
            tags.create(tag, table.version)
    row = {
        "release_id": release.release_id,
        "sequence": release.sequence,
        "schema_version": release.schema_version,
        "created_at": dt.datetime.fromisoformat(release.created_at),
        "record": release.model_dump_json(),
    }
    store.table("releases").add(pa.Table.from_pylist([row], schema=tables.releases_schema()))


def list_releases(store: Store) -> list[Release]:
    """All releases, oldest first."""
    found = store.table("releases").to_arrow().sort_by("sequence")
    return [Release.model_validate_json(text) for text in found["record"].to_pylist()]


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
