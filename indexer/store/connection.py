"""Reaching the place where a store lies: a folder, or a prefix of an object store.

Credentials are found by Lance itself, where the cloud's own tools look: the environment, then the
files and services of the profile. They are never part of what a store holds.
"""

import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lancedb
from lancedb.db import DBConnection
from pyarrow import fs

from reelshelf.indexer.sources.s3 import Bucket
from reelshelf.indexer.text.clean import printable
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import InfrastructureError, StoreError

# Lance reads a path as a URL, of which the first ends the path, and takes none of the others.
_NO_PATH = re.compile(r"[?\x00-\x1f\x7f\ud800-\udfff]")
# What Lance writes as it is, and not as a percent sign with a number, into the paths it makes.
_PLAIN_PATH = re.compile(r"[\w/.:-]*", re.ASCII)


def connect(uri: str, storage: StorageConfig | None = None) -> DBConnection:
    """Open a connection; makes the folder of a local store.

    Raises StoreError where there can be no store, InfrastructureError where the place fails.
    """
    remote = "://" in uri
    if not remote:
        check_path(uri)
    try:
        # Absolute: "a:b/store" would be taken for a scheme of its own.
        place = uri if remote else str(Path(uri).absolute())
        return lancedb.connect(place, storage_options=_options(storage) if remote else None)
    except OSError as error:
        raise InfrastructureError(f"{uri}: cannot be opened as a store: {error}") from error
    except (ValueError, RuntimeError) as error:
        raise StoreError(f"{uri}: cannot be opened as a store: {error}") from error


def check_path(uri: str) -> None:
    """Raise StoreError for a local path below which Lance can keep nothing. Touches nothing."""
    path = Path(uri).absolute()
    if found := _NO_PATH.search(str(path)):
        name = found[0].encode("utf-8", "surrogatepass").decode("utf-8", "backslashreplace")
        raise StoreError(
            f"{printable(str(path))}: its path holds {name!r}, below which Lance can keep no "
            "table: choose another folder"
        )


def check_writable(uri: str) -> None:
    """Raise InfrastructureError where a local store cannot be written to, as far as can be seen."""
    if "://" in uri:
        return
    check_path(uri)
    path = Path(uri).absolute()
    there = next((p for p in (path, *path.parents) if p.exists()), path)
    if not there.is_dir():
        raise StoreError(f"{uri}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InfrastructureError(
            f"{uri}: {there} cannot be written to (read-only, or no permission): choose another "
            "folder for the store, or have this one made writable"
        )
    if not _PLAIN_PATH.fullmatch(str(path)):
        plain_folder()


def plain_folder() -> str:
    """A folder for temporary files whose name Lance spells as it is."""
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - for a link's name only
        if _PLAIN_PATH.fullmatch(folder) and os.access(folder, os.W_OK):
            return folder
    raise InfrastructureError(
        f"{tempfile.gettempdir()}: its name has letters that Lance cannot spell, and neither /tmp "
        "nor /var/tmp can be written to: name another folder as TMPDIR"
    )


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """A way to a folder by a path that Lance spells as it is.

    Lance makes some folders (those of tags) by a path whose other letters are percent-encoded: they
    would lie beside the store, in an empty twin of its folder.
    """
    if _PLAIN_PATH.fullmatch(str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="reelshelf-", dir=plain_folder()) as folder:
        link = Path(folder) / "folder"
        link.symlink_to(path)
        try:
            yield link
        finally:
            link.unlink()


def filesystem(uri: str, storage: StorageConfig | None = None) -> tuple[fs.FileSystem, str]:
    """Where a store's files can be read as they are, and the path of the store there."""
    if "://" not in uri:
        # Absolute, as `connect` has it: "a:b/store" would be taken for a scheme of its own.
        return fs.LocalFileSystem(), str(Path(uri).absolute())
    config = storage or StorageConfig()
    endpoint = _endpoint(config)
    scheme, _, host = (endpoint or "").rpartition("://")
    files = fs.S3FileSystem(
        region=config.region, scheme=scheme or "https", endpoint_override=host or None
    )
    return files, uri.partition("://")[2].rstrip("/")


def check_conditional_writes(uri: str, storage: StorageConfig | None) -> None:
    """Raise StoreError where an object store writes what was to be written only if it is new.

    Two runs that publish at once would both succeed, and one of them be lost. Only a try can tell:
    such a service takes the condition, and ignores it.
    """
    if "://" not in uri:
        return
    bucket = Bucket(storage or StorageConfig())
    place = f"{uri.rstrip('/')}/_probe/{uuid.uuid4()}"
    try:
        if not bucket.create(place, b"first"):
            raise StoreError(f"{uri}: a new object could not be written to {place}")
        if bucket.create(place, b"second"):
            raise StoreError(
                f"{uri}: the service behind it ignores `If-None-Match`, with which an object is "
                "written only where there is none: changes of two writers would be lost. Nothing "
                "was written. docs/operations.md names services that pass"
            )
    finally:
        bucket.delete(place)


def _options(storage: StorageConfig | None) -> dict[str, str]:
    config = storage or StorageConfig()
    endpoint = _endpoint(config)
    options = {"aws_region": config.region} if config.region else {}
    if endpoint:
        options |= {
            "aws_endpoint": endpoint,
            "allow_http": str(endpoint.startswith("http://")).lower(),
            "aws_virtual_hosted_style_request": "false",
        }
    return options


def _endpoint(config: StorageConfig) -> str | None:
    """Where requests go. Names the profile on the way, for Lance's and Arrow's own credentials."""
    if config.profile:
        # Their chains of credentials read this one variable, and refresh what expires.
        os.environ["AWS_PROFILE"] = config.profile
    return config.endpoint or os.environ.get("AWS_ENDPOINT_URL")
