"""Derived keys and fingerprints.

A stranger's id is data: it is stored in a column and never becomes part of a path or a filter.
Paths and filters use the keys made here, which are plain UUIDs. Keys are functions of what they
name, so writing a row twice writes the same row.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

NAMESPACE = uuid.UUID("5b1a9c1e-6a5c-5f0e-9a53-2f1f4a0c7d11")

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None

# One for all: `json.dumps` makes one each time.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def video_key(shop_id: str, video_id: str) -> str:
    """Key of a video of a shop. The NUL keeps ("ab", "c") and ("a", "bc") apart."""
    return str(uuid.uuid5(NAMESPACE, f"{shop_id}\0{video_id}"))


def product_key(shop_id: str, sku: str) -> str:
    """Key of a product of a shop."""
    return str(uuid.uuid5(NAMESPACE, f"{shop_id}\0product\0{sku}"))


def segment_key(
    video: str, content_sha256: str, start_ms: int, end_ms: int, segmentation: str
) -> str:
    """Key of a moment: the same bytes cut the same way give the same key."""
    name = f"{content_sha256}\0{start_ms}\0{end_ms}\0{segmentation}"
    return str(uuid.uuid5(uuid.UUID(video), name))


def child_key(parent: str, *parts: str) -> str:
    """Key of a row that belongs to another row, such as a link or a product picture."""
    return str(uuid.uuid5(uuid.UUID(parent), "\0".join(parts)))


def link_key(video: str, sku: str) -> str:
    """Key of the link between a video, given by its key, and a SKU."""
    return child_key(video, "link", sku)


def fingerprint(value: Json) -> str:
    """SHA-256 of the canonical JSON of `value`, as 64 hex digits."""
    text = _CANONICAL.encode(value)
    # A stranger's text may hold lone surrogates, which UTF-8 proper refuses.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def poster_name(content_sha256: str) -> str:
    """The file of the poster of a video, by the hash of the video's bytes."""
    return f"{content_sha256}.jpg"
