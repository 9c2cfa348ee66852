"""Pictures for the sheet of sampled links: the moment of the video, and the product beside it.

A video's file is opened only where it is still the file that was indexed: what was decoded once in
a process that may be killed can be decoded here.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from indexer.media.pyav import PyavVideo
from indexer.products import load_picture
from indexer.report.facts import SampledLink
from indexer.report.pinned import Pinned
from indexer.sources.files import Files
from indexer.store.sources import Seen, seen_files
from indexer.store.tables import among
from schemas.config import MediaConfig
from schemas.errors import FailureKind, MediaError, ReelshelfError
from schemas.keys import product_key, video_key
from schemas.media import Pixels

_SIDE = 240
_QUALITY = 72
_MOST_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG as a data: URL, and its size in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LinkPictures:
    """What can be shown of a sampled link. `why_not` says why there is no frame.

    `playable` is the file: URL of a source on this machine.
    """

    frame: Picture | None
    product: Picture | None
    playable: str | None
    why_not: str | None


def link_pictures(
    pinned: Pinned,
    sample: Sequence[SampledLink],
    files: Files,
    media: MediaConfig,
    catalogue: str | None,
) -> dict[str, LinkPictures]:
    """Pictures of each sampled link by its key. `catalogue` is where the products came from."""
    shop = pinned.release.shop_id
    keys = {item.link_key: video_key(shop, item.video_id) for item in sample}
    paths, hashes = _sources(pinned, sorted(set(keys.values())))
    seen = seen_files(pinned.store, sorted(set(keys.values())))
    products = _product_pictures(
        pinned, {product_key(shop, i.sku) for i in sample}, files, catalogue
    )
    found = {}
    for item in sample:
        key = keys[item.link_key]
        frame, why_not = None, None
        try:
            _still_the_same(paths[key], hashes[key], seen.get(key), files)
            with files.local(paths[key], max_bytes=_MOST_BYTES) as path:
                frame = _frame(path, item.at_ms, media)
        except ReelshelfError as error:
            # Not this video alone: a bucket may be out of reach, or its client not installed.
            why_not = str(error)
        except OSError as error:
            why_not = f"cannot be read: {error.strerror}"
        found[item.link_key] = LinkPictures(
            frame=frame,
            product=products.get(product_key(shop, item.sku)),
            playable=_playable(paths[key]) if frame else None,
            why_not=why_not,
        )
    return found


def _sources(pinned: Pinned, keys: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Path and content hash of each video."""
    columns = ["video_key", "path", "content_sha256"]
    rows = pinned.table("videos", columns, among("video_key", keys)).to_pylist() if keys else []
    return (
        {row["video_key"]: row["path"] for row in rows},
        {row["video_key"]: row["content_sha256"] for row in rows},
    )


def _still_the_same(path: str, content_sha256: str, seen: Seen | None, files: Files) -> None:
    """Raise MediaError where the file is gone, or not the one that was indexed."""
    stamp = files.stamp(path)
    if seen is not None and seen.stamp == stamp and seen.content_sha256 == content_sha256:
        return
    if files.sha256(path, max_bytes=_MOST_BYTES) != content_sha256:
        raise MediaError(FailureKind.CHANGING, "has changed since it was indexed")


def _frame(path: Path, at_ms: int, media: MediaConfig) -> Picture | None:
    with PyavVideo.open(path, media, sound=False) as video:
        pixels = video.picture_at(at_ms)
    return picture_of(pixels) if pixels is not None else None


def _playable(path: str) -> str | None:
    return Path(path).as_uri() if Path(path).is_absolute() else None


def _product_pictures(
    pinned: Pinned, keys: set[str], files: Files, catalogue: str | None
) -> dict[str, Picture]:
    """The first picture of each product that can still be read."""
    if catalogue is None or not keys:
        return {}
    root = files.root_of(catalogue)
    rows = pinned.table(
        "product_images", ["product_key", "uri"], among("product_key", sorted(keys))
    )
    found: dict[str, Picture] = {}
    for row in rows.sort_by("uri").to_pylist():
        location = files.resolve(root, row["uri"])
        if location is None or row["product_key"] in found:
            continue
        try:
            with files.local(location, max_bytes=_MOST_BYTES) as path:
                found[row["product_key"]] = picture_of(load_picture(path))
        except (ReelshelfError, OSError, ValueError):
            # A product without a picture is shown by its title; the gate counts pictures.
            continue
    return found


def picture_of(pixels: Pixels) -> Picture:
    """Pixels, `(H, W, 3)` uint8, scaled down to a thumbnail."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=_QUALITY, optimize=True)
    text = base64.b64encode(packed.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", picture.width, picture.height)
