"""Reaching the place where a store lies: a folder, or a prefix of an object store.

Credentials are found by Lance itself, where the cloud's own tools look: the environment, then the
files and services of the profile. They are never part of what a store holds.
"""

import os

import lancedb
from lancedb.db import DBConnection
from pyarrow import fs

from schemas.config import StorageConfig
from schemas.errors import StoreError


def connect(uri: str, storage: StorageConfig | None = None) -> DBConnection:
    """Open a connection. Raises StoreError where the place cannot be reached."""
    try:
        return lancedb.connect(uri, storage_options=_options(storage) if "://" in uri else None)
    except (OSError, ValueError, RuntimeError) as error:
        raise StoreError(f"{uri}: cannot be opened as a store: {error}") from error


def filesystem(uri: str, storage: StorageConfig | None = None) -> tuple[fs.FileSystem, str]:
    """Where a store's files can be read as they are, and the path of the store there."""
    if "://" not in uri:
        return fs.LocalFileSystem(), uri.rstrip("/")
    config = storage or StorageConfig()
    endpoint = _endpoint(config)
    scheme, _, host = (endpoint or "").rpartition("://")
    files = fs.S3FileSystem(
        region=config.region, scheme=scheme or "https", endpoint_override=host or None
    )
    return files, uri.partition("://")[2].rstrip("/")


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
