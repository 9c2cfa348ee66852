"""Opening a list wherever it is: one file, or a folder of parts; on disk or in a bucket."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

from reelshelf.indexer.sources.feeds import Layout
from reelshelf.indexer.sources.files import Files, is_list
from reelshelf.indexer.sources.lists import GivenList, Row
from reelshelf.schemas.errors import InputError, MediaError

_LARGEST = 64 * 1024**3


def opened_lists(
    uri: str, files: Files, model: type[Row], layouts: Sequence[Layout] = ()
) -> Iterator[GivenList[Row]]:
    """Each file of a list with its rows, to be read before the next is asked for.

    Raises InputError where a file cannot be had, or a folder has no part.
    """
    parts = [(uri, PurePath(uri).name)]
    if files.is_folder(uri):
        home = PurePath(uri).name
        parts = [(at, f"{home}/{name}") for at, name in _parts(uri, files)]
    for location, name in parts:
        try:
            with files.local(location, max_bytes=_LARGEST) as path:
                yield GivenList(path, name, model, layouts)
        except MediaError as error:
            raise InputError(f"{location}: {error}") from error


def _parts(folder: str, files: Files) -> list[tuple[str, str]]:
    """The lists below a folder. Markers and hidden files (`_SUCCESS`, `.crc`) are none."""
    found = []
    for item in files.walk(folder):
        hidden = any(part.startswith((".", "_")) for part in PurePath(item.name).parts)
        if item.location is not None and not hidden and is_list(item.name):
            found.append((item.location, item.name))
    if not found:
        raise InputError(f"{folder}: a folder without any list that could be read")
    return sorted(found, key=lambda part: part[1])
