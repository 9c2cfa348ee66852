"""Addresses of what the service hands out. Ids are strangers' texts, and are quoted whole."""

from urllib.parse import quote


def media_link(video_id: str) -> str:
    """Where a video plays from its start."""
    return f"/media/{quote(video_id, safe='')}"


def moment_link(video_id: str, start_ms: int) -> str:
    """The page that plays a video from a moment on."""
    return f"/videos/{quote(video_id, safe='')}?t={start_ms / 1000:g}"


def captions_link(video_id: str) -> str:
    """The subtitles of a video."""
    return f"/captions/{quote(video_id, safe='')}"


def poster_link(video_id: str) -> str:
    """The poster of a video."""
    return f"/posters/{quote(video_id, safe='')}"


def picture_link(sku: str, number: int = 0) -> str:
    """A picture of a product, by its number from 0."""
    return f"/pictures/{quote(sku, safe='')}/{number}"
