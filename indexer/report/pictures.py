"""Pictures for the sheet of sampled links: the moment of the video, and the product beside it.

A file is opened only where its bytes are still those that were indexed: what was decoded once in a
process that may be killed can be decoded here. A video is fetched once, however many of its links
are in the sample.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.indexer.report.facts import SampledLink
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.sources import FileState, seen_files
from reelshelf.indexer.store.tables import among
from reelshelf.models.pictures import load_picture
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError, ReelshelfError
from reelshelf.schemas.keys import file_sha256, product_key, video_key
from reelshelf.schemas.media import Pixels

_SIDE = 240
_QUALITY = 72
# What is fetched from elsewhere for one picture.
_MOST_FETCHED = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG as a data: URL, and its size in pixels."""

    url: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LinkPictures:
    """What can be shown of a sampled link.

    `why_not` says why there is no frame, `why_no_product` why a product's picture is not shown.
    `playable` is the file: URL of a source on this machine.
    """

    frame: Picture | None
    product: Picture | None
    playable: str | None
    why_not: str | None
    why_no_product: str | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a video was, and the hash of the bytes it had."""

    path: str
    content_sha256: str


def link_pictures(
    snapshot: ReleaseSnapshot,
    sample: Sequence[SampledLink],
    files: Files,
    media: MediaConfig,
    catalog: str | None,
) -> dict[str, LinkPictures]:
    """Pictures of each sampled link by its key. `catalog` is where the products came from."""
    shop = snapshot.release.shop_id
    by_video: dict[str, list[SampledLink]] = {}
    for item in sample:
        by_video.setdefault(video_key(shop, item.video_id), []).append(item)
    sources = _sources(snapshot, sorted(by_video))
    seen = seen_files(snapshot.store, sorted(by_video))
    wanted = {product_key(shop, item.sku) for item in sample}
    products, unshown = _product_pictures(snapshot, wanted, files, catalog)
    found = {}
    for key, links in by_video.items():
        frames, why_not = _frames(sources.get(key), seen.get(key), links, files, media)
        for link in links:
            frame = frames.get(link.link_key)
            found[link.link_key] = LinkPictures(
                frame=frame,
                product=products.get(product_key(shop, link.sku)),
                playable=_playable(sources[key].path) if frame else None,
                why_not=None if frame else why_not or "no frame can be decoded at that time",
                why_no_product=unshown.get(product_key(shop, link.sku)),
            )
    return found


def _sources(snapshot: ReleaseSnapshot, keys: Sequence[str]) -> dict[str, _Source]:
    if not keys:
        return {}
    columns = ["video_key", "path", "content_sha256"]
    rows = snapshot.scan("videos", columns, among("video_key", keys)).to_pylist()
    return {row["video_key"]: _Source(row["path"], row["content_sha256"]) for row in rows}


def _frames(
    source: _Source | None,
    seen: FileState | None,
    links: Sequence[SampledLink],
    files: Files,
    media: MediaConfig,
) -> tuple[Mapping[str, Picture], str | None]:
    """The frame of each link of one video by the link's key, or why there are none."""
    frames: dict[str, Picture] = {}
    if source is None:
        return frames, "the release holds no such video"
    try:
        stamp = files.stamp(source.path)
        known = seen is not None and (seen.stamp, seen.content_sha256) == (
            stamp,
            source.content_sha256,
        )
        with files.local(source.path, max_bytes=_MOST_FETCHED) as path:
            if not known and file_sha256(path) != source.content_sha256:
                return frames, "has changed since it was indexed"
            for link in links:
                with PyavVideo.open(path, media, sound=False) as video:
                    pixels = video.picture_at(link.at_ms)
                if pixels is not None:
                    frames[link.link_key] = picture_of(pixels)
    except ReelshelfError as error:
        # Not this video alone: a bucket may be out of reach, or its client not installed.
        return frames, str(error)
    except OSError as error:
        return frames, f"cannot be read: {error.strerror}"
    return frames, None


def _playable(path: str) -> str | None:
    return Path(path).as_uri() if Path(path).is_absolute() else None


def _product_pictures(
    snapshot: ReleaseSnapshot, keys: set[str], files: Files, catalog: str | None
) -> tuple[dict[str, Picture], dict[str, str]]:
    """The first picture of each product that is still there as it was, or why there is none."""
    if catalog is None or not keys:
        return {}, {}
    root = files.root_of(catalog)
    columns = ["product_key", "uri", "content_sha256"]
    rows = snapshot.scan("product_images", columns, among("product_key", sorted(keys)))
    found: dict[str, Picture] = {}
    why_not: dict[str, str] = {}
    for row in rows.sort_by("uri").to_pylist():
        key = row["product_key"]
        if key in found:
            continue
        location = files.resolve(root, row["uri"])
        if location is None:
            why_not[key] = "lies outside the catalog's folder"
            continue
        try:
            with files.local(location, max_bytes=_MOST_FETCHED) as path:
                if file_sha256(path) != row["content_sha256"]:
                    raise MediaError(FailureKind.CHANGING, "has changed since it was indexed")
                found[key] = picture_of(load_picture(path))
        except (ReelshelfError, OSError, ValueError) as error:
            why_not[key] = str(error)
    return found, {key: reason for key, reason in why_not.items() if key not in found}


def picture_of(pixels: Pixels) -> Picture:
    """Pixels, `(H, W, 3)` uint8, scaled down to a thumbnail."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    packed = io.BytesIO()
    picture.save(packed, "JPEG", quality=_QUALITY, optimize=True)
    text = base64.b64encode(packed.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", picture.width, picture.height)
