"""What was seen at the source: each file's stamp, and the hash of the bytes it had then."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from reelshelf.indexer.store.rows import cells_of
from reelshelf.indexer.store.tables import Store, among, parts
from reelshelf.schemas import tables
from reelshelf.schemas.outcomes import SourceStamp


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was last seen. The hash is empty where nobody could read it."""

    stamp: SourceStamp
    content_sha256: str


def seen_files(store: Store, keys: Sequence[str] | None = None) -> dict[str, FileState]:
    """Files seen, by the key of their video or picture: every one, or those of `keys`."""
    if keys is None:
        rows = store.scan("sources", None).to_pylist()
    else:
        wheres = (among("source_key", part) for part in parts(keys))
        rows = [row for where in wheres for row in store.scan("sources", None, where).to_pylist()]
    return {
        row.pop("source_key"): FileState(
            content_sha256=row.pop("content_sha256"), stamp=_stamp(row)
        )
        for row in rows
    }


def _stamp(row: dict[str, object]) -> SourceStamp:
    return SourceStamp(**row)  # type: ignore[arg-type]


def note_seen(
    store: Store, found: Mapping[str, FileState], known: Collection[str] | None = None
) -> None:
    """Remember files, by the key of their video or picture.

    `known` are the keys that there are rows of, or None where that is to be looked up.
    """
    if not found:
        return
    rows = [
        {"source_key": key, "content_sha256": seen.content_sha256, **cells_of(seen.stamp)}
        for key, seen in sorted(found.items())
    ]
    table = pa.Table.from_pylist(rows, schema=tables.sources_schema())
    held = [key for key in found if known is None or key in known]
    store.replace("sources", table, "source_key", held)


def forget_seen(store: Store, keys: set[str]) -> None:
    """Forget files that are there no more."""
    for part in parts(sorted(keys)):
        store.writable("sources").delete(among("source_key", part))
