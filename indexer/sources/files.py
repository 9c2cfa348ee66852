"""One way to files, wherever they are: which they are, whether they changed, their bytes.

A location is an absolute path, or an s3://, https:// or http:// URL. What a row of a stranger's
list names becomes a location only below the list's own root, or a prefix that the config allows.
"""

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property, lru_cache
from pathlib import Path

from reelshelf.indexer.sources import local, s3, web
from reelshelf.indexer.sources.local import Listed
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import FailureKind, InputError, MediaError
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.outcomes import SourceStamp

# What a copy leaves free on the spool's disk, for everything else that lives there.
LEAVE_FREE = 512 * 1024**2
# How many answers of servers are waited for at once.
_ASKED_AT_ONCE, _ASKED_AHEAD = 16, 1024
_FOLDERS = 64
# Names of lists of rows; all else is taken for a folder, or a video.
CSV, JSON = (".csv", ".tsv", ".txt"), (".json", ".jsonl", ".ndjson")
PARQUET = (".parquet", ".pq")
LIST_SUFFIXES = (*CSV, *JSON, *PARQUET)
PACKED = ".gz"


class Files:
    """Access to folders and buckets as the config describes it. Cheap to make in every worker."""

    def __init__(self, storage: StorageConfig) -> None:
        self._storage = storage
        # The rows of a list name files of few folders, one after the other.
        self._real = lru_cache(_FOLDERS)(os.path.realpath)
        self._listed: tuple[Path, frozenset[str]] | None = None
        self._held: tuple[str, SourceStamp, tempfile.TemporaryDirectory[str], Path] | None = None

    @cached_property
    def _bucket(self) -> s3.Bucket:
        return s3.Bucket(self._storage)

    @cached_property
    def _web(self) -> web.Web:
        return web.Web(self._storage.allow)

    def is_folder(self, uri: str) -> bool:
        """Whether files are to be listed below `uri`; in a bucket, all that no list is named as."""
        return not is_list(uri) if uri.startswith(s3.SCHEME) else Path(uri).is_dir()

    def root_of(self, uri: str) -> str:
        """The folder that a list's own names are below; a bucket's ends in a slash."""
        if uri.startswith((s3.SCHEME, *web.SCHEMES)):
            path = uri.partition("?")[0]
            return path[: path.rfind("/") + 1]
        return str(Path(uri).parent)

    def home_of(self, uri: str) -> str:
        """The folder that names in the list `uri` are below: itself, if it is one of parts."""
        if self.is_folder(uri):
            return uri if not uri.startswith(s3.SCHEME) or uri.endswith("/") else uri + "/"
        return self.root_of(uri)

    def resolve(self, root: str, name: str) -> str | None:
        """Where `name` of a list below `root` is; None where it may not be read."""
        if "\0" in name:
            return None
        if "://" in name:
            return next(
                (found for allowed in self._storage.allow if (found := _below(allowed, name))), None
            )
        if root.startswith(s3.SCHEME):
            return _below(root, root + name)
        if root.startswith(web.SCHEMES):
            return web.below(root, web.joined(root, name))
        return local.inside(root, name, self._real)

    def beside(self, location: str, suffixes: Sequence[str]) -> str | None:
        """A file with the same name and another suffix; of files in folders only."""
        if location.startswith((s3.SCHEME, *web.SCHEMES)):
            return None
        path = Path(location)
        names = self._names_in(path.parent)
        found = (path.stem + suffix for suffix in suffixes)
        return next((str(path.with_name(name)) for name in found if name in names), None)

    def _names_in(self, folder: Path) -> frozenset[str]:
        """Of the folder that was asked for last: the rows of a list name one after the other."""
        if self._listed is None or self._listed[0] != folder:
            try:
                names = frozenset(item.name for item in folder.iterdir())
            except OSError:
                names = frozenset()
            self._listed = folder, names
        return self._listed[1]

    def walk(self, root: str) -> Iterator[Listed]:
        """Every file below `root`."""
        if not root.startswith(s3.SCHEME):
            yield from local.walk(Path(root))
            return
        home = root if root.endswith("/") else root + "/"
        try:
            for location, _ in self._bucket.list(home):
                yield Listed(location.removeprefix(home), location)
        except MediaError as error:
            raise InputError(str(error)) from error

    def stamp(self, location: str) -> SourceStamp:
        """The stamp of a file. Raises MediaError where it is not there or no regular file."""
        if location.startswith(s3.SCHEME):
            return self._bucket.stamps([location]).get(location) or _not_there()
        if location.startswith(web.SCHEMES):
            return self._web.stamp(location)
        return local.stamp_of(Path(location))

    def stamps(self, locations: Sequence[str]) -> Iterator[SourceStamp | MediaError]:
        """The stamps of many files, in order; nothing is read."""
        remote = [location for location in locations if location.startswith(s3.SCHEME)]
        try:
            found = self._bucket.stamps(remote) if remote else {}
        except MediaError as error:
            # One file can be missing; a whole bucket that cannot be listed is no plan.
            raise InputError(str(error)) from error

        def one(location: str) -> SourceStamp | MediaError:
            try:
                if location.startswith(s3.SCHEME):
                    return found.get(location) or _not_there()
                return self.stamp(location)
            except MediaError as error:
                return error

        with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
            for start in range(0, len(locations), _ASKED_AHEAD):
                batch = locations[start : start + _ASKED_AHEAD]
                # Only servers are worth waiting for side by side.
                far = any(location.startswith(web.SCHEMES) for location in batch)
                yield from (pool.map if far else map)(one, batch)

    @contextmanager
    def local(self, location: str, *, max_bytes: int) -> Iterator[Path]:
        """A file as a path: itself, or a copy that is gone afterwards. Raises MediaError."""
        if not location.startswith((s3.SCHEME, *web.SCHEMES)):
            yield Path(location)
            return
        size = self._size(self.stamp(location), max_bytes)
        with self._spool() as folder:
            yield self._copied(location, Path(folder), size, max_bytes)

    def held(self, location: str, *, max_bytes: int) -> Path:
        """The same, whose copy stays until another file is held: chunks are read one by one."""
        if not location.startswith((s3.SCHEME, *web.SCHEMES)):
            return Path(location)
        stamp = self.stamp(location)
        size = self._size(stamp, max_bytes)
        if self._held is not None and self._held[:2] == (location, stamp):
            return self._held[3]
        self.let_go()
        with ExitStack() as stack:
            folder = self._spool()
            stack.callback(folder.cleanup)
            path = self._copied(location, Path(folder.name), size, max_bytes)
            stack.pop_all()
        self._held = location, stamp, folder, path
        return path

    def let_go(self) -> None:
        """Remove the copy that is held, if any."""
        if self._held is not None:
            self._held[2].cleanup()
            self._held = None

    def _spool(self) -> "tempfile.TemporaryDirectory[str]":
        return tempfile.TemporaryDirectory(prefix="reelshelf-", dir=self._storage.spool_dir)

    def _size(self, stamp: SourceStamp, max_bytes: int) -> int:
        if stamp.size > max_bytes:
            message = f"has {stamp.size} bytes, at most {max_bytes} are fetched"
            raise MediaError(FailureKind.TOO_LARGE, message)
        return stamp.size

    def _copied(self, location: str, folder: Path, size: int, max_bytes: int) -> Path:
        if shutil.disk_usage(folder).free < size + LEAVE_FREE:
            raise MediaError(
                FailureKind.UNREADABLE,
                f"its {size} bytes do not fit on the disk of {folder.parent}: free some, "
                "or name another storage.spool_dir",
            )
        # The name is ours; a key's suffix only tells lists apart.
        name = Path(location.partition("?")[0].lower())
        packed = Path(name.stem).suffix[:8] if name.suffix == PACKED else ""
        target = folder / f"copy{packed}{name.suffix[:8]}"
        try:
            if location.startswith(web.SCHEMES):
                self._web.download(location, target, max_bytes)
            else:
                self._bucket.download(location, target)
        except OSError as error:
            message = f"cannot be copied to {folder}: {error.strerror}"
            raise MediaError(FailureKind.UNREADABLE, message) from error
        return target

    def sha256(self, location: str, *, max_bytes: int) -> str:
        """The hash of a file's bytes. Raises MediaError where it cannot be read."""
        with self.local(location, max_bytes=max_bytes) as path:
            try:
                return file_sha256(path)
            except OSError as error:
                message = f"cannot be read: {error.strerror}"
                raise MediaError(FailureKind.UNREADABLE, message) from error


def _not_there() -> SourceStamp:
    raise MediaError(FailureKind.UNREADABLE, "cannot be read: No such object")


def _below(root: str, url: str) -> str | None:
    """`url`, tidied, if it lies below `root`."""
    if root.startswith(web.SCHEMES):
        return web.below(root, url)
    if not url.startswith(s3.SCHEME):
        return None
    bucket, key = s3.split(url)
    home_bucket, home = s3.split(root)
    tidy = posixpath.normpath(key)
    home = home if not home or home.endswith("/") else home + "/"
    if bucket != home_bucket or not tidy.startswith(home) or tidy.startswith((".", "/")):
        return None
    return f"{s3.SCHEME}{bucket}/{tidy}"


def is_list(uri: str) -> bool:
    """Whether a location is that of a list of rows, by its name."""
    return Path(uri.partition("?")[0].lower().removesuffix(PACKED)).suffix in LIST_SUFFIXES
