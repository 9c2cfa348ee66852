"""Objects in buckets, through boto3: its credentials, its retries, its pages.

Errors of the client become ours, with the object and the error's code; never a request, whose
headers carry signatures.
"""

import bisect
import importlib.util
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import (
    FailureKind,
    InfrastructureError,
    InputError,
    MediaError,
    ModelUnavailable,
)
from reelshelf.schemas.outcomes import SourceStamp

SCHEME = "s3://"

# Above this many objects, pages of a listing (1000 each) are cheaper than asking one by one.
_ONE_BY_ONE = 50
# What a service says of an object that was to be written only if it is not there.
_IS_THERE = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409")


def split(location: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URL."""
    bucket, _, key = location.removeprefix(SCHEME).partition("/")
    return bucket, key


class Bucket:
    """All buckets that one account reaches."""

    def __init__(self, storage: StorageConfig) -> None:
        self._storage = storage

    @cached_property
    def _client(self) -> Any:
        if importlib.util.find_spec("boto3") is None:
            raise ModelUnavailable(
                "s3:// needs the package boto3: run `pip install 'reelshelf[s3]'`"
            )
        import boto3
        from botocore.config import Config as ClientConfig
        from botocore.exceptions import BotoCoreError

        storage = self._storage
        try:
            session = boto3.Session(profile_name=storage.profile, region_name=storage.region)
            return session.client(
                "s3",
                endpoint_url=storage.endpoint,
                config=ClientConfig(
                    retries={"mode": "standard", "total_max_attempts": storage.attempts},
                    # Endpoints of one's own (MinIO, Ceph) have no host for each bucket.
                    s3={"addressing_style": "path" if storage.endpoint else "auto"},
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"s3: no client can be made: {error}") from error

    def stamps(self, locations: Sequence[str]) -> dict[str, SourceStamp]:
        """Stamps of many objects; those that are not there are left out.

        Both for one object and for many it is a listing that is asked, since another kind of
        question might give another stamp.
        """
        found: dict[str, SourceStamp] = {}
        buckets: dict[str, list[str]] = {}
        for location in locations:
            bucket, key = split(location)
            buckets.setdefault(bucket, []).append(key)
        for bucket, keys in buckets.items():
            pages: Iterator[tuple[str, SourceStamp]]
            if len(keys) <= _ONE_BY_ONE:
                pages = (page for key in keys for page in self._pages(bucket, key, exact=True))
            else:
                pages = self._jumping(bucket, sorted(set(keys)))
            wanted = set(keys)
            for key, stamp in pages:
                if key in wanted:
                    found[f"{SCHEME}{bucket}/{key}"] = stamp
        return found

    def _jumping(self, bucket: str, keys: Sequence[str]) -> Iterator[tuple[str, SourceStamp]]:
        """What lies at and around these sorted keys, page by page.

        A page begins where the last one ended, or just before the next key where that is further:
        however much else lies in the bucket, no more pages are asked for than there are keys.
        """
        shared, place, start = _shared_folder(keys), 0, ""
        while place < len(keys):
            # Just before it: a listing begins after what it is told.
            start = max(start, keys[place][:-1])
            with _Told(f"{SCHEME}{bucket}/{keys[place]}"):
                page = self._client.list_objects_v2(Bucket=bucket, Prefix=shared, StartAfter=start)
            items = page.get("Contents", ())
            yield from (_listed(item) for item in items)
            if not page.get("IsTruncated") or not items:
                return
            start = items[-1]["Key"]
            place = bisect.bisect_right(keys, start)

    def list(self, root: str) -> Iterator[tuple[str, SourceStamp]]:
        """Every object below `root`, in order of keys: its location and stamp."""
        bucket, prefix = split(root)
        for key, stamp in self._pages(bucket, prefix, exact=False):
            if not key.endswith("/"):
                yield f"{SCHEME}{bucket}/{key}", stamp

    def _pages(self, bucket: str, prefix: str, *, exact: bool) -> Iterator[tuple[str, SourceStamp]]:
        client = self._client
        with _Told(f"{SCHEME}{bucket}/{prefix}"):
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=bucket,
                Prefix=prefix,
                # The key itself is the first of all that begin with it.
                PaginationConfig={"MaxItems": 1, "PageSize": 1} if exact else {},
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    yield _listed(item)

    def download(self, location: str, target: Path) -> None:
        """Copy an object into a file, piece by piece."""
        client = self._client
        from boto3.s3.transfer import TransferConfig

        bucket, key = split(location)
        with _Told(location):
            client.download_file(bucket, key, str(target), Config=TransferConfig(use_threads=False))

    def create(self, location: str, data: bytes) -> bool:
        """Write an object that is not there yet; False where it is.

        Raises InfrastructureError where the service does not do as it is asked.
        """
        client = self._client
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, key = split(location)
        try:
            client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            if code in _IS_THERE:
                # An answer that was lost on its way makes the client try again.
                return self._holds(bucket, key, data)
            raise InfrastructureError(f"{location}: cannot be written: {code}") from None
        except BotoCoreError as error:
            raise InfrastructureError(f"{location}: cannot be written: {error}") from None
        return True

    def _holds(self, bucket: str, key: str, data: bytes) -> bool:
        with _Told(f"{SCHEME}{bucket}/{key}"):
            found: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found == data

    def delete(self, location: str) -> None:
        """Delete an object, if it is there."""
        client = self._client
        from botocore.exceptions import BotoCoreError, ClientError

        bucket, key = split(location)
        try:
            client.delete_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise InfrastructureError(f"{location}: cannot be deleted: {error}") from None


def _listed(item: Any) -> tuple[str, SourceStamp]:
    stamp = SourceStamp(item["Size"], _ns(item["LastModified"]), version=_bare(item["ETag"]))
    return item["Key"], stamp


def _shared_folder(keys: Sequence[str]) -> str:
    """The longest prefix, up to a slash, that all keys begin with."""
    first, last = min(keys), max(keys)
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[: first.rfind("/", 0, shared) + 1]


class _Told:
    """Turns the client's errors into MediaError, naming the object and the code alone."""

    def __init__(self, location: str) -> None:
        self._location = location

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "unknown")
            reason = "is not there" if code in ("404", "NoSuchKey") else f"cannot be read: {code}"
            raise MediaError(FailureKind.UNREADABLE, f"{self._location}: {reason}") from None
        if isinstance(error, BotoCoreError | Boto3Error):
            reason = f"cannot be read: {type(error).__name__}"
            raise MediaError(FailureKind.UNREADABLE, f"{self._location}: {reason}") from None


def _ns(instant: Any) -> int:
    return int(instant.timestamp()) * 1_000_000_000


def _bare(version: str) -> str:
    return version.strip('"')
