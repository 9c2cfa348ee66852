"""Files in folders."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reelshelf.indexer.text.clean import printable
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.outcomes import SourceStamp


@dataclass(frozen=True, slots=True)
class Listed:
    """One file below a root: its name there, and its location or the reason it has none.

    A hidden folder is listed itself, in place of what lies in it.
    """

    name: str
    location: str | None
    reason: str = ""
    is_folder: bool = False


def inside(root: str, name: str, real: Callable[[str], str] = os.path.realpath) -> str | None:
    """`root/name`, unless it is a URL, leaves `root` (by links too) or holds a NUL.

    `real` tells where a folder lies once links are followed; it may remember.
    """
    if "\0" in name or "://" in name:
        return None
    # As strings: paths that are objects take as long as all else that is done for a file.
    path = os.path.join(root, name)  # noqa: PTH118
    folder, last = os.path.split(path)
    try:
        if last == ".." or _is_link(path):
            resolved = os.path.realpath(path)
            # What is still a link then leads to itself.
            if _is_link(resolved):
                return None
        else:
            resolved = f"{real(folder).rstrip(os.sep)}{os.sep}{last}"
        home = real(root)
    except (OSError, ValueError):
        return None
    below = resolved == home or resolved.startswith(home.rstrip(os.sep) + os.sep)
    return resolved if below else None


def _is_link(path: str) -> bool:
    """Whether there is a link. Raises OSError where nobody can tell."""
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return False
        raise


def stamp_of(path: Path) -> SourceStamp:
    """What the file system says of a regular file; nothing is opened. Raises MediaError."""
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MediaError(FailureKind.UNREADABLE, f"cannot be read: {reason}") from error
    if not stat.S_ISREG(found.st_mode):
        raise MediaError(FailureKind.UNREADABLE, "is not a regular file")
    return SourceStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def walk(folder: Path) -> Iterator[Listed]:
    """Every file below `folder`, in order of names. What leaves the folder has no location."""
    problems: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=problems.append):
        here = Path(parent).relative_to(folder)
        for name in sorted(name for name in folders if name.startswith(".")):
            # Wastebaskets and snapshots: nobody means their videos, and they may hold millions.
            yield Listed(printable(str(here / name)), None, is_folder=True)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(parent) / name
            relative = here / name
            shown = printable(str(relative))
            if inside(str(folder), str(relative)) is None:
                yield Listed(shown, None, "is a link that leaves the folder, or leads nowhere")
            else:
                yield Listed(shown, str(path))
    for error in problems:
        # Below the root, as all that is listed: only there a dot hides anything.
        place = Path(error.filename or folder)
        below = place.relative_to(folder) if place.is_relative_to(folder) else Path(place.name)
        shown = printable(str(below))
        yield Listed(shown, None, f"cannot be listed: {error.strerror}")
