"""Deleting old releases, and what killed runs left behind.

A release goes when it is not among the newest, is not served, and searchers were told to leave it
long enough ago. Its row leaves the head first, so that nobody finds a release whose files are
going. Versions that a tag names stay: a release's own, and those that a reader has set.

Nothing young goes: a run that was stopped for a while may still commit what it has written, and a
reader may have just opened a version. Files that no version names are left to Lance's own rule,
which deletes them after seven days: a manifest that is still to come may name them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reelshelf.indexer.store.checksums import forget_files
from reelshelf.indexer.store.head import Head, Lease
from reelshelf.indexer.store.releases import Listed, drop_tags, list_releases, listed_releases
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import (
    DATA_TABLES,
    GENERATION_TABLES,
    SHARED_TABLES,
    Store,
    among,
    parts,
)
from reelshelf.schemas.release import Release

_SHARED = ("head", *SHARED_TABLES)
# What is younger than this stays, and what is younger than so many leases: whoever wrote it may
# only have been stopped, and a table may be open in a reader at a version that nothing names.
_YOUNGEST = dt.timedelta(hours=1)
_LEASES = 5


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted."""

    releases: tuple[str, ...]
    generations: tuple[int, ...]
    versions: int
    bytes: int


def prunable(found: Sequence[Listed], keep: int, grace: dt.timedelta) -> list[Release]:
    """Releases, oldest first, that may go: neither new, nor served, nor left a short while ago.

    One that holds something erased goes as soon as it is not served.
    """
    before = now() - grace
    old = {item.release.run_id for item in found[: max(0, len(found) - keep)]}
    return [
        item.release
        for item in found
        if not item.serving
        and item.left_at is not None
        and (item.erased or (item.release.run_id in old and item.left_at <= before))
    ]


def youngest(lease_s: float) -> dt.timedelta:
    """The age from which versions of tables may go, for runs whose lease is of so many seconds."""
    return max(_YOUNGEST, _LEASES * dt.timedelta(seconds=lease_s))


def prune(
    store: Store, lease: Lease, *, keep: int, grace: dt.timedelta, older_than: dt.timedelta
) -> Pruned:
    """Delete old releases, unused generations, and versions that nothing names.

    `store` must be guarded by `lease`. What is not `older_than` stays (see `youngest`), files that
    were released included: the next prune takes them.
    """
    going = prunable(listed_releases(store), keep, grace)
    ids = {release.run_id for release in going}

    def edit(head: Head) -> Head:
        kept = tuple(p for p in head.published if p.run_id not in ids or p.run_id == head.serving)
        left = {item.run_id for item in kept}
        return replace(
            head,
            published=kept,
            withdrawn=tuple(run_id for run_id in head.withdrawn if run_id in left),
            erased=tuple(run_id for run_id in head.erased if run_id in left),
        )

    if ids:
        head = lease.change(edit)
        # Somebody may have gone back to one of them a moment ago.
        ids -= {item.run_id for item in head.published}
    for part in parts(sorted(ids)):
        store.writable("releases").delete(among("run_id", part))
    kept = list_releases(store)
    generations = _drop_generations(store, kept, older_than, grace)
    forget_files(store, kept)
    versions = size = 0
    for generation in store.generations():
        seen = store.of(generation.number)
        drop_tags(seen)
        _forget_quantizers(seen, kept)
        for name in GENERATION_TABLES:
            done = _clean(seen, name, older_than)
            versions, size = versions + done[0], size + done[1]
    for name in _SHARED:
        done = _clean(store, name, older_than)
        versions, size = versions + done[0], size + done[1]
    gone = tuple(release.release_id for release in going if release.run_id in ids)
    return Pruned(gone, generations, versions, size)


def _clean(store: Store, name: str, older_than: dt.timedelta) -> tuple[int, int]:
    dataset = store.writable(name)
    done = dataset.cleanup_old_versions(older_than, error_if_tagged_old_versions=False)
    return done.old_versions, done.bytes_removed


def _drop_generations(
    store: Store, kept: Sequence[Release], older_than: dt.timedelta, grace: dt.timedelta
) -> tuple[int, ...]:
    """Drop the tables of generations that no release is of.

    One that is newer than what is published may still be built: it goes when nothing was written
    to it for as long as a release is kept that was left.
    """
    if not kept:
        return ()
    released = {release.generation for release in kept}
    at, oldest = now(), min(released)

    def is_idle(number: int) -> bool:
        quiet = older_than if number < oldest else max(older_than, grace)
        return _last_written(store.of(number)) <= at - quiet

    numbers = [g.number for g in store.generations() if g.number not in released]
    gone = tuple(number for number in numbers if is_idle(number))
    for number in gone:
        # The row first: a generation without a row is not there.
        store.writable("store").delete(f"generation = {int(number)}")
        for name in GENERATION_TABLES:
            store.of(number).drop(name)
    return gone


def _last_written(store: Store) -> dt.datetime:
    """When a table of this generation was last written to."""
    newest: list[dt.datetime] = [
        store.dataset(name).versions()[-1]["timestamp"]
        for name in GENERATION_TABLES
        if store.has_table(name)
    ]
    return max(at.astimezone(dt.UTC) for at in newest)


def _forget_quantizers(store: Store, kept: Sequence[Release]) -> None:
    """Forget quantizers that no release is searched with and no index of today is named after."""
    named = {index.quantizer_sha256 for release in kept for index in release.indexes}
    used = {
        index.name for table in DATA_TABLES for index in store.dataset(table).describe_indices()
    }
    stored = store.scan("quantizers", ["sha256"])["sha256"].to_pylist()
    gone = [
        sha
        for sha in stored
        if sha not in named and not any(name.endswith(sha[:12]) for name in used)
    ]
    for part in parts(gone):
        store.writable("quantizers").delete(among("sha256", part))
