"""Having files on disk, whatever becomes of the power.

Lance hands its files to the operating system and goes on. What is to be found after a power cut is
synced here, files before the folders that name them; an object store has what it has answered for.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def sync_files(root: Path, paths: Iterable[str]) -> None:
    """Have these files below `root` on disk, then the folders they lie in, up to `root`.

    Raises FileNotFoundError where one is not there.
    """
    folders: set[Path] = set()
    for path in paths:
        _sync(root / path)
        folders |= {root / parent for parent in Path(path).parents}
    # The deepest first: a folder is there once the one above it says so.
    for folder in sorted(folders, key=lambda path: (-len(path.parts), path)):
        _sync(folder)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def set_aside(root: Path, path: str) -> None:
    """Move a file or folder below `root` into `root/_broken`, where nobody looks for it."""
    target = root / "_broken" / path
    number = 0
    while target.exists():
        number += 1
        target = root / "_broken" / f"{path}.{number}"
    target.parent.mkdir(parents=True, exist_ok=True)
    # Of two who do this at once, one finds it done.
    with suppress(FileNotFoundError):
        (root / path).replace(target)
