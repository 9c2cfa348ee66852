"""Checksums of the files that releases are made of.

Lance does not notice a byte that has flipped. Files are never changed once written, so each is
hashed when it is written, at the latest when a release first names it, and that hash is kept;
whoever checks a release reads its files again and compares.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import pyarrow as pa
from lancedb.util import value_to_sql
from pyarrow import fs

from reelshelf.indexer.store.connection import filesystem
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.shadow import manifest_name
from reelshelf.indexer.store.tables import UNREADABLE, Store, among, parts
from reelshelf.schemas import tables
from reelshelf.schemas.errors import CorruptFile
from reelshelf.schemas.release import Release, TableVersion

_PIECE = 1 << 20
# Hashing releases Python's lock.
_HASHERS = 4
_MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a store, by its path below it. The hash is None where there is no such file."""

    path: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class FileManifest:
    """What one version of a table is made of. `sha256` is of its files' paths, sizes and hashes."""

    files: int
    bytes: int
    sha256: str


class FileLog:
    """The hashes of a store's files: read once, and added to as files are written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = known_files(store)

    def note(self, *tables: tuple[str, Store]) -> None:
        """Hash the files of the newest versions of these tables that are new, and remember them.

        They are on disk then. Raises CorruptFile where one is missing.
        """
        paths: set[str] = set()
        for name, seen in tables:
            seen.sync(name)
            paths |= set(seen.files_of(name))
        self._add(_hash(self._store, sorted(paths - self._known.keys())))

    def note_record(self, run_id: str, record: str) -> None:
        """Remember what the record of the release of a run says, as it is stored."""
        self._add([_of_record(run_id, record)])

    def manifest(self, store: Store, name: str, version: int) -> FileManifest:
        """What a version of a table is made of, all of which was noted."""
        return _manifest_of([self._known[path] for path in store.files_of(name, version)])

    def _add(self, fresh: Sequence[StoredFile]) -> None:
        if gone := [file.path for file in fresh if file.sha256 is None]:
            raise CorruptFile(
                f"{self._store.uri}: {gone[0]} is missing, though its table was just written"
            )
        _remember(self._store, fresh)
        self._known |= {file.path: file for file in fresh}


def _of_record(run_id: str, record: str) -> StoredFile:
    """The stored record of a release as if it were a file.

    Not as it is read: a newer version reads fields into it that it was written without.
    """
    text = record.encode()
    return StoredFile(record_path(run_id), len(text), hashlib.sha256(text).hexdigest())


def record_path(run_id: str) -> str:
    """What the record of the release of a run is called among the files."""
    return f"releases.lance#{run_id}"


def damaged_files(store: Store, pinned: Sequence[TableVersion]) -> list[str]:
    """Read the files of these table versions again; what is wrong with each that is not well."""
    known = known_files(store)
    wrong: list[str] = []
    wanted: set[str] = set()
    for table in pinned:
        try:
            paths = store.files_of(table.name, table.version)
        except UNREADABLE as error:
            manifest = f"{table.table}.lance/_versions/{manifest_name(table.version)}"
            wrong.append(f"{manifest}: cannot be opened: {error}")
            continue
        unknown = [path for path in paths if path not in known]
        wrong += [f"{path}: no checksum was kept of it" for path in unknown]
        stored = [known[path] for path in paths if path in known]
        if not unknown and table.sha256 and _manifest_of(stored).sha256 != table.sha256:
            gone = _gone_from(store, table, paths, known)
            wrong += [f"{path}: is missing" for path in gone]
            if not gone:
                wrong.append(f"{table.table}: is made of other files than the release says")
        wanted |= {file.path for file in stored}
    return wrong + _changed(store, wanted, known)


def damaged_elsewhere(store: Store, release: Release) -> list[str]:
    """What is wrong with a release's record, and with the newest version of every table.

    Those hold what the next run starts from. A file whose hash was not kept yet is read only.
    """
    known = known_files(store)
    wrong = []
    noted = known.get(record_path(release.run_id))
    stored = store.scan("releases", ["record"], among("run_id", [release.run_id]))["record"]
    if noted is not None and [noted] != [_of_record(release.run_id, r.as_py()) for r in stored]:
        wrong.append(f"the record of {release.release_id}: says something else than when written")
    wanted: set[str] = set()
    for name, seen in (("head", store), *store.every_table()):
        try:
            paths = set(seen.files_of(name))
            if paths - known.keys():
                for _ in seen.dataset(name).to_batches():
                    pass
        except UNREADABLE as error:
            wrong.append(f"{seen.table_name(name)}.lance: newest version cannot be read: {error}")
        else:
            wanted |= paths & known.keys()
    pinned = {p for t in release.tables for p in _files_or_none(store, t)}
    return wrong + _changed(store, wanted - pinned, known)


def _files_or_none(store: Store, table: TableVersion) -> list[str]:
    try:
        return store.files_of(table.name, table.version)
    except UNREADABLE:
        return []  # which `damaged_files` says


def _changed(store: Store, wanted: Collection[str], known: Mapping[str, StoredFile]) -> list[str]:
    """Those files that are not what they were when they were hashed."""
    wrong = []
    for found in _hash(store, sorted(wanted)):
        if found.sha256 is None:
            wrong.append(f"{found.path}: is missing")
        elif found.size != known[found.path].size:
            wrong.append(f"{found.path}: has {found.size} bytes, not {known[found.path].size}")
        elif found.sha256 != known[found.path].sha256:
            wrong.append(f"{found.path}: holds other bytes than when it was written")
    return wrong


def damage(uri: str, release_id: str, wrong: Sequence[str]) -> CorruptFile:
    """What somebody is told whose release is damaged."""
    listed = "\n".join(f"  {line}" for line in wrong[:_MOST_LISTED])
    more = len(wrong) - _MOST_LISTED
    rest = f"\n  ... and {more} more" if more > 0 else ""
    return CorruptFile(
        f"{uri}: release {release_id} is damaged in {len(wrong)} places:\n{listed}{rest}\n"
        "Restore these files from a backup, or go back with `reelshelf rollback`; a damaged index "
        "is built anew by `reelshelf reindex --stage index`"
    )


def _gone_from(
    store: Store, table: TableVersion, paths: Sequence[str], known: Mapping[str, StoredFile]
) -> list[str]:
    """Files of indexes that are not listed any more: Lance lists their folders as they are."""
    indexes = store.dataset(table.name, table.version).describe_indices()
    folders = tuple(
        f"{table.table}.lance/_indices/{part.uuid}/" for index in indexes for part in index.segments
    )
    return sorted({path for path in known if path.startswith(folders)} - set(paths))


def known_files(store: Store) -> dict[str, StoredFile]:
    """Every file that was hashed, by its path below the store."""
    rows = store.scan("files", ["path", "size", "sha256"]).to_pylist()
    return {row["path"]: StoredFile(**row) for row in rows}


def forget_files(store: Store, kept: Sequence[Release]) -> None:
    """Forget files that neither these releases nor the newest versions of tables are made of."""
    wanted = {record_path(release.run_id) for release in kept}
    for release in kept:
        for table in release.tables:
            wanted |= set(store.of(release.generation).files_of(table.name, table.version))
    for name, seen in store.every_table():
        wanted |= set(seen.files_of(name))
    stored = store.scan("files", ["path"])["path"].to_pylist()
    for part in parts(sorted(set(stored) - wanted)):
        listed = ", ".join(value_to_sql(path) for path in part)
        store.writable("files").delete(f"path IN ({listed})")


def forget_table(store: Store, table: str) -> None:
    """Forget all files of a table, by its name in the store, that is made anew."""
    store.writable("files").delete(f"starts_with(path, {value_to_sql(f'{table}.lance/')})")


def _hash(store: Store, paths: Sequence[str]) -> list[StoredFile]:
    files, root = filesystem(store.uri, store.storage)

    def hash_one(path: str) -> StoredFile:
        digest, size = hashlib.sha256(), 0
        try:
            with files.open_input_stream(f"{root}/{path}") as stream:
                for piece in _pieces(stream):
                    digest.update(piece)
                    size += len(piece)
        except FileNotFoundError:
            return StoredFile(path, 0, None)
        return StoredFile(path, size, digest.hexdigest())

    with ThreadPoolExecutor(_HASHERS) as pool:
        return list(pool.map(hash_one, paths))


def _pieces(stream: "fs.NativeFile") -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _remember(store: Store, files: Sequence[StoredFile]) -> None:
    if not files:
        return
    rows = [asdict(file) | {"noted_at": now()} for file in files]
    merge = store.merge("files", "path").when_not_matched_insert_all()
    merge.execute(pa.Table.from_pylist(rows, schema=tables.files_schema()))


def _manifest_of(files: Sequence[StoredFile]) -> FileManifest:
    listing = "".join(f"{f.path} {f.size} {f.sha256}\n" for f in files)
    digest = hashlib.sha256(listing.encode()).hexdigest()
    return FileManifest(len(files), sum(f.size for f in files), digest)
