"""Going back to what is whole, where a run died or the power failed.

A version of a table may have reached the disk in part: its manifest empty or cut off, a file of it
missing. What a release names was synced before, so it is later versions that are lost, and with
them work that the next run does again. Here the next run finds such versions and goes back for good
to the newest that is whole. What is taken out of the way is kept below `_broken`.

The number of a version that is given up is never used again where a release may name it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import lance

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.checksums import forget_table, known_files
from reelshelf.indexer.store.disk import set_aside
from reelshelf.indexer.store.fence import restore_table
from reelshelf.indexer.store.head import Published, change_head
from reelshelf.indexer.store.releases import forget_lost, list_releases
from reelshelf.indexer.store.shadow import manifest_name, version_of
from reelshelf.indexer.store.tables import UNREADABLE, Store, cut_off, no_readable_version
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.release import Release

_LOG = logging.getLogger(__name__)

# Tables that are read before there is a lease, or to know which others there are.
_SMALL = ("head", "store", "releases", "files")


@dataclass(frozen=True, slots=True)
class SteppedBack:
    """A table whose newest version was given up for an older one, and why."""

    table: str
    version: int
    given_up: int
    why: str

    def __str__(self) -> str:
        return (
            f"table {self.table!r}: went back from version {self.given_up} to {self.version}: "
            f"{self.why}"
        )


def clear_head(store: Store) -> None:
    """Take an unreadable newest version of `head` out of the way. It needs no lease.

    Lance puts a version into place whole: one that cannot be read is what a power cut left.
    """
    try:
        _clear(store, "head")
    except StoreError:
        _remake_head(store)


def _remake_head(store: Store) -> None:
    """Make a lost head anew: all releases that are there are published, the newest is served."""
    records = store.scan("releases", ["run_id", "sequence"]).sort_by("sequence").to_pylist()
    set_aside(Path(store.connection.uri), "head.lance")
    store.connection.create_table("head", rows.free_head())
    _LOG.warning(
        "%s: table 'head' is lost, and made anew: %d releases, of which the newest is served",
        store.uri,
        len(records),
    )
    if not records:
        return
    published = tuple(Published(row["run_id"]) for row in records)
    # What somebody went back from is not known any more: somebody has to look.
    hold = "the head of the store was lost, and its releases are served by their number"
    change_head(
        store,
        lambda head: replace(head, published=published, hold=hold).serve(published[-1].run_id),
    )


def recover(store: Store) -> list[SteppedBack]:
    """Have every table show a newest version that is whole; what was given up, in words.

    `store` must be guarded by its lease. An object store loses nothing, and is left alone.
    """
    if store.is_remote:
        return []
    # `store` before the others, since it says which there are.
    for name in ("store", "releases", "files"):
        _clear(store, name)
    named = _named_versions(store)
    found = [
        stepped
        for name, seen in store.every_table()
        if (stepped := _recover_table(seen, name, named)) is not None
    ]
    if lost := forget_lost(store):
        _LOG.warning("%s: the records of %d releases are lost", store.uri, len(lost))
    return found


def _named_versions(store: Store) -> dict[str, int]:
    """The highest version of each table that a release names, or that a checksum is kept of."""
    found = [(t.table, t.version) for r in list_releases(store) for t in r.tables]
    for path in known_files(store):
        table, _, rest = path.partition(".lance/_versions/")
        if rest:
            found.append((table, version_of(rest)))
    highest: dict[str, int] = {}
    for table, version in found:
        highest[table] = max(version, highest.get(table, 0))
    return highest


def _recover_table(store: Store, name: str, named: Mapping[str, int]) -> SteppedBack | None:
    table = store.table_name(name)
    if store.versions(name) == [1] and name != "store" and _is_unreadable(store, name):
        # Tables are made without rows: nothing was in it.
        store.remake(name)
        forget_table(store, table)
        _LOG.warning("%s: table %r could not be read, and is made anew", store.uri, table)
        return SteppedBack(table, 1, 1, "it could not be read, and is made anew")
    unreadable = _clear(store, name)
    newest = store.versions(name)[0]
    highest = max(newest, named.get(table, 0), *unreadable)
    whole, why = _newest_whole(store, name)
    if whole == newest == highest:
        return None
    if unreadable:
        why = f"the manifest of version {unreadable[0]} is cut off"
    elif newest < highest and not why:
        why = f"version {highest} is not there any more"
    if name in ("links", "products"):
        # First: what the rows of videos say of their links was true of the version that is gone.
        _recover_table(store, "videos", named)
        store.writable("videos").update({"links_fingerprint": "CAST(NULL AS STRING)"})
    restore_table(store, name, whole, above=highest)
    stepped = SteppedBack(table, whole, highest, why)
    _LOG.warning("%s: %s", store.uri, stepped)
    return stepped


def _clear(store: Store, name: str) -> list[int]:
    """Take newest versions that cannot be opened out of the way; which they are."""
    if store.is_remote:
        return []
    table = store.table_name(name)
    unreadable: list[int] = []
    for version in store.versions(name):
        try:
            dataset = store.dataset(name, version)
            wrong = _wrong_with(store, name, dataset) if name in _SMALL else ""
        except UNREADABLE as error:
            wrong = cut_off(error)
        if not wrong:
            break
        _LOG.warning(
            "%s: version %d of table %r cannot be read: %s", store.uri, version, table, wrong
        )
        unreadable.append(version)
    else:
        raise no_readable_version(store.uri, table)
    for version in unreadable:
        path = f"{table}.lance/_versions/{manifest_name(version)}"
        set_aside(Path(store.connection.uri), path)
    return unreadable


def _is_unreadable(store: Store, name: str) -> bool:
    try:
        return bool(_wrong_with(store, name, store.dataset(name, 1)))
    except UNREADABLE as error:
        return bool(cut_off(error))


def wrong_with_release(store: Store, release: Release) -> str:
    """What is wrong with the files of a release, by their sizes; empty where nothing is."""
    seen = store.of(release.generation)
    if store.is_remote:
        return ""
    for table in release.tables:
        try:
            wrong = _wrong_with(seen, table.name, seen.dataset(table.name, table.version))
        except UNREADABLE as error:
            wrong = cut_off(error)
        if wrong:
            return f"version {table.version} of table {table.table!r}: {wrong}"
    return ""


def _newest_whole(store: Store, name: str) -> tuple[int, str]:
    """The newest version of a table of which no file is missing or cut off, and why no newer."""
    first = ""
    for version in store.versions(name):
        try:
            wrong = _wrong_with(store, name, store.dataset(name, version))
        except UNREADABLE as error:
            wrong = cut_off(error)
        if not wrong:
            return version, first
        first = first or wrong
    raise StoreError(
        f"{store.uri}: no version of table {store.table_name(name)!r} is whole: {first}. Put its "
        "folder back from a backup, or index into a new --store"
    )


def _wrong_with(store: Store, name: str, dataset: lance.LanceDataset) -> str:
    """What is wrong with the files of a version, by their sizes; empty where nothing is.

    Raises what Lance does where a file of deletions cannot be read.
    """
    folder = Path(store.connection.uri) / f"{store.table_name(name)}.lance"
    for fragment in dataset.get_fragments():
        for file in fragment.metadata.files:
            path = folder / "data" / file.path
            found = path.stat().st_size if path.exists() else -1
            if found < 0:
                return f"{file.path} is missing"
            if found == 0 or file.file_size_bytes not in (None, found):
                return f"{file.path} has {found} bytes, not {file.file_size_bytes}"
        if fragment.metadata.deletion_file is not None:
            # Nobody notes how large these are; reading a row reads all of it.
            dataset.scanner(columns=[], with_row_id=True, fragments=[fragment], limit=1).to_table()
    for index in dataset.describe_indices():
        for part in index.segments:
            own = folder / "_indices" / str(part.uuid)
            size = sum(path.stat().st_size for path in own.rglob("*")) if own.is_dir() else 0
            if part.size_bytes and size < part.size_bytes:
                return f"index {index.name!r} has {size} of {part.size_bytes} bytes"
    return ""
