"""Checksums of the files that releases are made of.

Lance does not notice a byte that has flipped. Files are never changed once written, so each is
hashed when a release first names it and that hash is kept; whoever checks a release reads its files
again and compares.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import pyarrow as pa
from pyarrow import fs

from reelshelf.indexer.store.connection import filesystem
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
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


def file_manifest(store: Store, name: str, version: int) -> FileManifest:
    """Hash what is new in a version of a table, and remember it. What is known is not read.

    Raises CorruptFile where a file is missing.
    """
    paths = version_files(store, name, version)
    known = known_files(store)
    fresh = _hash(store, [path for path in paths if path not in known])
    if gone := [file.path for file in fresh if file.sha256 is None]:
        raise CorruptFile(f"{store.uri}: {gone[0]} is missing, though the table was just written")
    _remember(store, fresh)
    known |= {file.path: file for file in fresh}
    return _manifest_of([known[path] for path in paths])


def damaged_files(store: Store, pinned: Sequence[TableVersion]) -> list[str]:
    """Read the files of these table versions again; what is wrong with each that is not well."""
    known = known_files(store)
    wrong: list[str] = []
    wanted: set[str] = set()
    for table in pinned:
        try:
            paths = version_files(store, table.name, table.version)
        except (OSError, RuntimeError, ValueError) as error:
            wrong.append(f"{table.table}: version {table.version} cannot be opened: {error}")
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
    """Forget the files that none of these releases is made of."""
    wanted: set[str] = set()
    for release in kept:
        for table in release.tables:
            wanted |= set(version_files(store.of(release.generation), table.name, table.version))
    stored = store.scan("files", None)
    left = stored.filter(
        pa.array([path in wanted for path in stored["path"].to_pylist()], pa.bool_())
    )
    if left.num_rows < stored.num_rows:
        store.writable("files").add(left, mode="overwrite")


def version_files(store: Store, name: str, version: int) -> list[str]:
    """Paths, below the store, of every file that a version of a table is made of."""
    table = store.table_name(name)
    reader = store.dataset(name, version).tracked_files(min_version=version)
    found: set[str] = set()
    for batch in reader:
        for row in batch.to_pylist():
            # A transaction file tells how a version came about; no reader opens it.
            if row["version"] == version and row["type"] != "transaction file":
                found.add(f"{table}.lance/{row['path']}")
    return sorted(found)


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
