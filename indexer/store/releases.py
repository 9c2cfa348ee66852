"""Releases: one row that names the version of every table, tags that keep those versions alive.

A release is first written down, then named by the store's head, in one commit. So it is whole or
not there. A reader learns of a new one from the one row of one small table. Going back changes that
row and nothing else.
"""

import datetime as dt
import logging
from collections.abc import Collection
from dataclasses import dataclass, replace

import pyarrow as pa

from reelshelf.indexer.store.calibrations import calibration_of
from reelshelf.indexer.store.checksums import FileLog
from reelshelf.indexer.store.head import Head, Lease, change_head, read_head
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import DATA_TABLES, GENERATION_TABLES, Store, among, parts
from reelshelf.schemas import tables
from reelshelf.schemas.config import Config, stored_config
from reelshelf.schemas.errors import ConfigError, StoreError
from reelshelf.schemas.release import Release, TableVersion

_LOG = logging.getLogger(__name__)


def pin_tables(store: Store) -> list[TableVersion]:
    """The newest version of every table, as a release names those of data, with checksums.

    All of it is on disk then, tables that a release only refers to included.
    """
    pinned = []
    log = FileLog(store)
    log.note(*((name, store) for name in (*GENERATION_TABLES, "store", "sources")))
    store.sync("files")
    for name in DATA_TABLES:
        table = store.dataset(name)
        manifest = log.manifest(store, name, table.version)
        pinned.append(
            TableVersion(
                name=name,
                table=store.table_name(name),
                version=table.version,
                rows=table.count_rows(),
                files=manifest.files,
                bytes=manifest.bytes,
                sha256=manifest.sha256,
            )
        )
    return pinned


def next_sequence(store: Store) -> int:
    """Number of the release after the newest one."""
    return max((release.sequence for release in list_releases(store)), default=0) + 1


def in_place_of(store: Store, served: Release, run_id: str) -> Release:
    """The record of a release that is served, by its own rules, with the tables as they are now."""
    sequence = next_sequence(store)
    return served.model_copy(
        update={
            "release_id": release_id(sequence),
            "sequence": sequence,
            "created_at": now().isoformat(),
            "run_id": run_id,
            "tables": pin_tables(store),
        }
    )


def publish(
    store: Store,
    release: Release,
    lease: Lease,
    *,
    end_hold: bool = False,
    in_place_of: str | None = None,
) -> None:
    """Tag every table of the release, write its row, and have searchers go to it.

    Raises StoreBusy where the lease was lost: then the row is there, but nothing names it. Raises
    GateRefused where somebody has gone back to an older release, unless `end_hold`.
    `in_place_of` as in `Lease.publish`.
    """
    for table in release.tables:
        store.tag(table.name, release.name_of_run, table.version)
    record = release.model_dump_json()
    row = {
        "run_id": release.run_id,
        "release_id": release.release_id,
        "sequence": release.sequence,
        "schema_version": release.schema_version,
        "created_at": dt.datetime.fromisoformat(release.created_at),
        "record": record,
    }
    made = pa.Table.from_pylist([row], schema=tables.releases_schema())
    store.writable("releases").insert(made)
    FileLog(store).note_record(release.run_id, record)
    for name in ("files", "releases"):
        store.sync(name)
    lease.publish(release.run_id, end_hold=end_hold, in_place_of=in_place_of)


def rollback(store: Store, to: str | None = None) -> tuple[Release, Release]:
    """Have searchers go back to an older release; the one they left, and the one they go to.

    Without `to` it is the newest one that was made before the one that is served, and that nobody
    has gone back from. The calibration that it was linked with counts again. It takes one commit
    and no lease: a run that is writing goes on, but may not publish before somebody says so.
    """
    changed: list[tuple[Release, Release]] = []

    def edit(head: Head) -> Head:
        # Anew for every try: what another change of the head brought or took must count.
        found = {release.run_id: release for release in _read(store, head)}
        served = _served(store, head, found)
        target = _target(store, head, served, list(found.values()), to)
        at = now()
        hold = (
            f"somebody went back from release {served.release_id} to {target.release_id} "
            f"at {at:%Y-%m-%d %H:%M:%S} UTC"
        )
        changed.append((served, target))
        left = {r.run_id for r in found.values() if target.sequence < r.sequence}
        withdrawn = [run_id for run_id in left if run_id not in head.withdrawn]
        return replace(
            head.serve(target.run_id),
            hold=hold,
            withdrawn=(*head.withdrawn, *sorted(withdrawn)),
            calibration=calibration_of(target),
        )

    change_head(store, edit)
    store.sync("head")
    return changed[-1]


def _served(store: Store, head: Head, found: dict[str, Release]) -> Release:
    served = _of_those_left(store, head, found)
    if served is None:
        raise nothing_published(store)
    return served


def _of_those_left(store: Store, head: Head, found: dict[str, Release]) -> Release | None:
    """The release that is served; where its record is lost, the newest that is left."""
    if head.serving is None or head.serving in found:
        return found.get(head.serving or "")
    left = [release for run_id in _stand_ins(head, found) if (release := found.get(run_id))]
    _LOG.warning(
        "%s: the record of the release that is served is lost: %s stands in for it",
        store.uri,
        left[-1].release_id if left else "none",
    )
    return left[-1] if left else None


def _stand_ins(head: Head, known: Collection[str]) -> list[str]:
    """The runs whose releases may be served in place of one that is lost, the best last."""
    bad = {*head.withdrawn, *head.erased}
    return [p.run_id for p in head.published if p.run_id in known and p.run_id not in bad]


def forget_lost(store: Store) -> list[str]:
    """Have the head name no release whose record is lost; the runs of those that were."""
    known = set(store.scan("releases", ["run_id"])["run_id"].to_pylist())
    lost = [item.run_id for item in read_head(store).published if item.run_id not in known]

    def edit(head: Head) -> Head:
        left = tuple(item for item in head.published if item.run_id in known)
        kept = replace(head, published=left)
        if head.serving in known or head.serving is None:
            return kept
        others = _stand_ins(head, known)
        return kept.serve(others[-1]) if others else replace(kept, serving=None)

    if lost:
        change_head(store, edit)
    return lost


def _target(
    store: Store, head: Head, served: Release, found: list[Release], to: str | None
) -> Release:
    if to is not None:
        release = find_release(store, to)
        if (why := why_no_target(release, head)) is not None:
            raise ConfigError(f"rollback: {release.release_id} {why}")
        return release
    older = [
        release
        for release in found
        if release.sequence < served.sequence and why_no_target(release, head) is None
    ]
    if not older:
        raise ConfigError(
            f"rollback: there is no release older than {served.release_id} that may be gone back to"
        )
    return max(older, key=lambda release: release.sequence)


def why_no_target(release: Release, head: Head) -> str | None:
    """Why nobody may go back to a release; None where somebody may."""
    if release.run_id in head.erased:
        return "holds something that was erased since: the next `reelshelf prune` deletes it"
    if release.run_id in head.withdrawn:
        return (
            "was rolled back from, or lies between a release that was and the one gone to: "
            "`reelshelf publish` makes a new release of what the tables hold"
        )
    return None


@dataclass(frozen=True, slots=True)
class Listed:
    """A published release, and whether searchers are to open it or since when not.

    `withdrawn`: somebody went back from it. `erased`: it holds something that was erased.
    """

    release: Release
    serving: bool
    left_at: dt.datetime | None
    withdrawn: bool = False
    erased: bool = False


def listed_releases(store: Store) -> list[Listed]:
    """All published releases by their number, with their standing."""
    head = read_head(store)
    left = {item.run_id: item.left_at for item in head.published}
    found = [
        Listed(
            release,
            release.run_id == head.serving,
            left[release.run_id],
            withdrawn=release.run_id in head.withdrawn,
            erased=release.run_id in head.erased,
        )
        for release in _read(store, head)
    ]
    return sorted(found, key=lambda item: item.release.sequence)


def list_releases(store: Store) -> list[Release]:
    """All published releases, oldest first."""
    return [item.release for item in listed_releases(store)]


def find_release(store: Store, name: str) -> Release:
    """A published release by its id. Raises ConfigError with those there are."""
    found = list_releases(store)
    for release in found:
        if release.release_id == name:
            return release
    known = ", ".join(release.release_id for release in found) or "none"
    raise ConfigError(f"{store.uri}: has no release {name!r}; there are {known}")


def find_run(store: Store, run_id: str) -> Release:
    """The release that a run published. Raises StoreError where it is gone."""
    for release in _read(store, read_head(store)):
        if release.run_id == run_id:
            return release
    raise StoreError(f"{store.uri}: the release of run {run_id} is not there any more")


def served_release(store: Store) -> Release | None:
    """The release that searchers are to open; None where nothing was published."""
    head = read_head(store)
    found = {release.run_id: release for release in _read(store, head)}
    return _of_those_left(store, head, found)


def require_served(store: Store) -> Release:
    """The release that searchers are to open. Raises StoreError where nothing was published."""
    served = served_release(store)
    if served is None:
        raise nothing_published(store)
    return served


def nothing_published(store: Store) -> StoreError:
    """What somebody is told who wants a release where there is none."""
    return StoreError(
        f"{store.uri}: nothing has been published yet; `reelshelf ingest` publishes when the "
        "quality gate agrees"
    )


def latest_in_generation(store: Store) -> Release | None:
    """The release of this generation that was made last, served or not: tables are near it."""
    own = [r for r in list_releases(store) if r.generation == store.generation]
    return own[-1] if own else None


def _read(store: Store, head: Head) -> list[Release]:
    columns = ["run_id", "record"]
    records = {row["run_id"]: row["record"] for row in store.scan("releases", columns).to_pylist()}
    # A record that is gone was pruned after the head was read; nobody is sent there any more.
    return [Release.read(records[item.run_id]) for item in head.published if item.run_id in records]


def config_of(release: Release) -> Config:
    """The config that a release was made with."""
    return stored_config(release.config, where=release.release_id)


def clear_unpublished(store: Store) -> None:
    """Take away what runs that died while publishing left behind: records, and tags of tables."""
    published = {item.run_id for item in read_head(store).published}
    found = store.scan("releases", ["run_id"])["run_id"].to_pylist()
    for part in parts(sorted(set(found) - published)):
        store.writable("releases").delete(among("run_id", part))
    drop_tags(store)


def drop_tags(store: Store) -> None:
    """Drop the tags of releases that are not published. Tags of others, of readers, stay.

    A tag is a release's own if it ends as the id of a run does that the store knows of.
    """
    # Before the head: a tag that is set later may be of a release that is published later.
    found = {name: list(store.dataset(name).tags.list()) for name in DATA_TABLES}
    published = {item.run_id for item in read_head(store).published}
    runs = set(store.scan("runs", ["run_id"])["run_id"].to_pylist())
    gone = {run_id[:8] for run_id in runs - published} - {run_id[:8] for run_id in published}
    for name, tags in found.items():
        for tag in tags:
            if _is_shaped_as_ours(tag) and tag.rpartition("-")[2] in gone:
                store.writable(name).tags.delete(tag)


def _is_shaped_as_ours(tag: str) -> bool:
    """Whether a tag is named as a release's is: r000001-20261124-0123abcd."""
    number, _, rest = tag.partition("-")
    return number[:1] == "r" and number[1:].isdigit() and rest.count("-") == 1


def release_id(sequence: int) -> str:
    """Name of a release: its number and the day it was made."""
    return f"r{sequence:06d}-{now():%Y%m%d}"
