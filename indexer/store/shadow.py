"""A table's versions by the names of their files, and a view of some of them in another folder.

Lance names the file of version n after `2**64 - 1 - n`, so that the newest comes first in a listing
(https://lance.org/format/table/versioning/). What Lance's own calls do not offer is done with these
files: looking past a newest one that cannot be read, and committing only on top of the version that
was seen.
"""

from collections.abc import Sequence
from pathlib import Path

from pyarrow import fs

from reelshelf.indexer.store.connection import filesystem
from reelshelf.schemas.config import StorageConfig

_NEWEST_FIRST = 2**64 - 1


def manifest_name(version: int) -> str:
    """The name of the file of a version."""
    return f"{_NEWEST_FIRST - version:020d}.manifest"


def version_of(name: str) -> int:
    """The version that a file of this name is of."""
    return _NEWEST_FIRST - int(name.removesuffix(".manifest"))


def listed_versions(uri: str, storage: StorageConfig | None, table: str) -> list[int]:
    """The versions of a table (by its name in the store) that there are files of, newest first.

    Whether they can be read is another question.
    """
    files, root = filesystem(uri, storage)
    folder = fs.FileSelector(f"{root}/{table}.lance/_versions", allow_not_found=True)
    names = (info.base_name for info in files.get_file_info(folder))
    # Files that are on their way into place have other names before the suffix.
    own = (name for name in names if name.removesuffix(".manifest").isdecimal())
    return sorted((version_of(name) for name in own), reverse=True)


def shadow(
    folder: Path, uri: str, storage: StorageConfig | None, table: str, versions: Sequence[int]
) -> Path:
    """Make a table below `folder` that has these versions and no other, and none of their rows."""
    files, root = filesystem(uri, storage)
    place = folder / f"{table}.lance"
    (place / "_versions").mkdir(parents=True)
    for version in versions:
        name = manifest_name(version)
        with files.open_input_stream(f"{root}/{table}.lance/_versions/{name}") as stream:
            (place / "_versions" / name).write_bytes(stream.read())
    return place


def linked_shadow(folder: Path, root: Path, table: str, version: int) -> Path:
    """The same of one version of a local table, with its rows where they are."""
    place = shadow(folder, str(root), None, table, [version])
    for own in (root / f"{table}.lance").iterdir():
        if own.name != "_versions":
            (place / own.name).symlink_to(own)
    return place
