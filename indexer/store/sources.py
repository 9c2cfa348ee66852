"""What was seen at the source: each file's stamp, and the hash of the bytes it had then."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

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


def note_seen(store: Store, found: Mapping[str, FileState]) -> None:
    """Remember files, by the key of their video or picture."""
    if not found:
        return
    rows = [
        {"source_key": key, "content_sha256": seen.content_sha256, **asdict(seen.stamp)}
        for key, seen in sorted(found.items())
    ]
    merge = store.merge("sources", "source_key")
    merge.when_matched_update_all().when_not_matched_insert_all()
    merge.execute(pa.Table.from_pylist(rows, schema=tables.sources_schema()))


def forget_seen(store: Store, keys: set[str]) -> None:
    """Forget files that are there no more."""
    for part in parts(sorted(keys)):
        store.writable("sources").delete(among("source_key", part))
