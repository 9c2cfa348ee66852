"""What the processes of a node share: made once, as files that each of them maps.

An object is pickled with its arrays beside it (PEP 574), and who opens it maps these: they are read
when they are needed, and however many processes have it, they are in memory once. What a node has
made stays until something else of its kind is made there and no process uses it.
"""

import fcntl
import io
import mmap
import os
import pickle
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reelshelf.indexer.store.catalog_files import mapped
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import StoreError

_OBJECT, _ARRAYS = "object.pickle", "arrays.bin"
_MADE, _IN_USE, _MAKING = "made", "in-use", "making"
_ALIGNED = 64

# Folders in use by this process, with what holds them.
_HELD: dict[Path, int] = {}


def prepared(
    kind: str, name: str, make: Callable[[Path], object], storage: StorageConfig | None
) -> Path:
    """The folder with an object's files, which `make` makes if this node does not have them.

    `make` gets the folder, which is empty, and may leave files of its own there; the object that it
    gives back is saved. `kind` names the folder of all such objects, and `name` must tell all that
    it depends on, the code among it. The folder stays while this process runs.

    Raises StoreError where the folder of that kind is somebody else's.
    """
    root = _root(kind, storage)
    folder = root / name
    with _locked(root / _MAKING):
        if not (folder / _MADE).exists():
            _make_room(root)
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            save(make(folder), folder)
            (folder / _MADE).touch()
        _HELD.setdefault(folder, _hold(folder))
    return folder


def release(folder: Path) -> None:
    """Let a folder be removed that this process holds."""
    os.close(_HELD.pop(folder))


def save(value: object, folder: Path) -> None:
    """Write an object into a folder, its arrays apart."""
    buffers: list[pickle.PickleBuffer] = []
    body = io.BytesIO()
    _Pickler(body, protocol=5, buffer_callback=buffers.append).dump(value)
    spans, end = [], 0
    with (folder / _ARRAYS).open("wb") as file:
        for buffer in buffers:
            end += file.write(b"\0" * (-end % _ALIGNED))
            size = file.write(buffer.raw())
            spans.append((end, end + size))
            end += size
        file.write(b"\0")  # an empty file cannot be mapped
    with (folder / _OBJECT).open("wb") as file:
        pickle.dump(spans, file)
        file.write(body.getbuffer())


def opened(folder: Path) -> object:
    """The object that lies in a folder of this user's; its arrays are mapped."""
    with (folder / _ARRAYS).open("rb") as file:
        arrays = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    with (folder / _OBJECT).open("rb") as file:
        spans = pickle.load(file)  # noqa: S301 - of this user, in a folder that nobody else writes to
        return pickle.load(file, buffers=[arrays[a:b] for a, b in spans])  # noqa: S301


class _Pickler(pickle.Pickler):
    """Pickles arrays that are whole files as their paths."""

    def reducer_override(self, value: Any) -> Any:
        # A part of a mapped array has another array below it, and is pickled as any other.
        below: object = getattr(value, "base", None)
        if isinstance(value, np.memmap) and isinstance(below, mmap.mmap):
            value.flush()
            return mapped, (Path(str(value.filename)),)
        return NotImplemented


def _root(kind: str, storage: StorageConfig | None) -> Path:
    """The folder of all objects of a kind of this user, which nobody else may write to."""
    above = Path((storage and storage.spool_dir) or tempfile.gettempdir())
    root = above / f"reelshelf-{kind}-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StoreError(
            f"{root}: is another user's, or others may write to it: remove it, or name another "
            "folder for temporary files by storage.spool_dir"
        )
    return root


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _hold(folder: Path) -> int:
    """Keep a folder from being removed for as long as this process runs."""
    held = os.open(folder / _IN_USE, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(held, fcntl.LOCK_SH)
    return held


def _make_room(root: Path) -> None:
    """Remove what no process uses."""
    for folder in filter(Path.is_dir, root.iterdir()):
        if folder in _HELD:
            os.close(_HELD.pop(folder))
        held = os.open(folder / _IN_USE, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(held)
