"""The videos that a shop hands over: a folder, or a manifest of rows.

Rows come from strangers. Videos are taken from below the source's own folder, or from the prefixes
that the config allows; a row that names another URL, an absolute path or a way out of the folder
does not get to read it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated

from pydantic import AliasChoices, Field

from reelshelf.indexer.sources import subtitles
from reelshelf.indexer.sources.cells import Chapters, Hashtags, Id, Instant, Kind, Prose, Skus, Text
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.lists import GivenList, GivenRow
from reelshelf.indexer.sources.local import Listed
from reelshelf.indexer.sources.opened import opened_lists
from reelshelf.indexer.sources.playlists import is_playlist, segment_names
from reelshelf.indexer.text.clean import printable
from reelshelf.schemas.catalog import Chapter, RejectedRow, VideoSource
from reelshelf.schemas.errors import MediaError
from reelshelf.schemas.outcomes import Skipped

# The names of files in the containers that the decoder takes; a test holds it against the decoder.
# Those of pictures and sound in them are left out: they lie beside videos as covers and tracks.
VIDEO_SUFFIXES = frozenset(
    (
        ".264", ".265", ".3g2", ".3gp", ".asf", ".avc", ".avi", ".divx", ".evo", ".f4v", ".flv",
        ".gif", ".h264", ".h265", ".h26l", ".hevc", ".ism", ".ismv", ".ivf", ".m2t", ".m2ts",
        ".m4v", ".mj2", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts",
        ".mxf", ".ogm", ".ogv", ".psp", ".qt", ".tod", ".trp", ".ts", ".vob", ".webm", ".wmv",
    )
)  # fmt: skip
TWICE = "video_id: stands in an earlier row already"
_LARGEST_PLAYLIST = 16 * 1024**2


class VideoRow(GivenRow):
    """One row of a video manifest, as written."""

    video_id: Id
    file: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("file", "path"))]
    merchant_skus: Skus = ()
    merchant_id: Text = None
    title: Prose = None
    language: Text = None
    published_at: Instant = None
    description: Prose = None
    hashtags: Hashtags = ()
    chapters: Chapters = ()
    subtitles: Text = None
    kind: Kind = None
    started_at: Instant = None
    ended_at: Instant = None


@dataclass(frozen=True, slots=True)
class VideosRead:
    """The videos to index, rows that were refused, and files that are no videos by their name."""

    videos: tuple[VideoSource, ...]
    rejected: tuple[RejectedRow, ...]
    skipped: tuple[Skipped, ...]


def read_videos(uri: str, files: Files) -> VideosRead:
    """List the videos of a folder, or of a manifest: JSON, CSV or Parquet."""
    if files.is_folder(uri):
        return _read_folder(uri, files)
    videos: dict[str, VideoSource] = {}
    rejected: list[RejectedRow] = []
    for given in manifest_lists(uri, files):
        for line, item in manifest_rows(given, files.root_of(uri), files):
            if isinstance(item, RejectedRow):
                rejected.append(item)
            elif item.video_id in videos:
                rejected.append(RejectedRow(given.name, line, item.video_id, TWICE))
            else:
                videos[item.video_id] = item
    return VideosRead(tuple(videos.values()), tuple(rejected), ())


def manifest_lists(uri: str, files: Files) -> Iterator[GivenList[VideoRow]]:
    """The file of a manifest with its rows. Raises InputError where it is none."""
    return opened_lists(uri, files, VideoRow)


def manifest_rows(
    given: GivenList[VideoRow], root: str, files: Files
) -> Iterator[tuple[int, VideoSource | RejectedRow]]:
    """The videos that a manifest names, each with its line, or why a row names none."""
    for line, item in given:
        if isinstance(item, RejectedRow):
            yield line, item
        elif (location := files.resolve(root, item.file)) is None:
            reason = "file: lies outside the manifest's folder"
            yield line, RejectedRow(given.name, line, item.video_id, reason)
        else:
            yield line, _source(item, location, root, files)


def _source(row: VideoRow, location: str, root: str, files: Files) -> VideoSource:
    return VideoSource(
        video_id=row.video_id,
        path=location,
        merchant_skus=row.merchant_skus,
        merchant_id=row.merchant_id,
        title=row.title,
        language=row.language,
        published_at=row.published_at,
        description=row.description,
        hashtags=row.hashtags,
        chapters=tuple(Chapter(start, title) for start, title in row.chapters),
        subtitles=_beside(location, row.subtitles, root, files),
        kind=row.kind,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


def _beside(location: str, given: str | None, root: str, files: Files) -> str | None:
    """Where the subtitles of a video are: as a row says, or beside its file under its name."""
    if given is not None:
        # One that lies outside is told when it is read: the video is indexed without.
        return files.resolve(root, given) or given
    return files.beside(location, subtitles.SUFFIXES)


def _read_folder(folder: str, files: Files) -> VideosRead:
    videos: dict[str, VideoSource] = {}
    rejected: list[RejectedRow] = []
    skipped: list[Skipped] = []

    def refuse(name: str, reason: str) -> None:
        rejected.append(RejectedRow(PurePath(folder).name, 0, name, reason))

    listed = list(files.walk(folder))
    segments = _segments(listed, files)
    by_name = {item.name: item.location for item in listed}
    for item in listed:
        name = PurePath(item.name)
        suffix = name.suffix.lower()
        if any(part.startswith(".") and part != "." for part in name.parts):
            hidden = item.is_folder or not name.name.startswith(".")
            skipped.append(Skipped(item.name, "hidden folder" if hidden else "hidden file"))
        elif item.location is None:
            refuse(item.name, item.reason)
        elif item.location in segments:
            skipped.append(Skipped(item.name, f"a segment of {segments[item.location]}"))
        elif suffix and suffix not in VIDEO_SUFFIXES and not is_playlist(item.name):
            skipped.append(Skipped(item.name, f"not a video by its name ({suffix})"))
        elif (known := videos.get(item.name)) is None:
            beside = next((s for s in _subtitle_names(item.name) if s in by_name), None)
            videos[item.name] = VideoSource(
                video_id=item.name,
                path=item.location,
                subtitles=by_name[beside] if beside is not None else None,
            )
        else:
            # Bytes that are not UTF-8 are shown by their numbers, which another name may spell out.
            kept, other = sorted((known.path, item.location), key=_is_unprintable)
            videos[item.name] = VideoSource(video_id=item.name, path=kept)
            refuse(item.name, f"another file has this id already: rename {os.fsencode(other)!r}")
    return VideosRead(tuple(videos.values()), tuple(rejected), tuple(skipped))


def _subtitle_names(name: str) -> Iterator[str]:
    stem = name[: -len(PurePath(name).suffix)] if PurePath(name).suffix else name
    yield from (f"{stem}{suffix}" for suffix in subtitles.SUFFIXES)


def _segments(listed: Sequence[Listed], files: Files) -> dict[str, str]:
    """The locations that playlists of a folder name, each with the name of the playlist.

    Segments, and playlists of single renditions, are no videos of their own.
    """
    found: dict[str, str] = {}
    for item in listed:
        if item.location is None or not is_playlist(item.name):
            continue
        try:
            with files.local(item.location, max_bytes=_LARGEST_PLAYLIST) as path:
                text = path.read_text(encoding="utf-8-sig", errors="replace")
        except (MediaError, OSError):
            continue  # told when it is its turn to be decoded
        for name in segment_names(text):
            location = files.resolve(files.root_of(item.location), name) if name else None
            if location is not None:
                found.setdefault(location, item.name)
    return found


def _is_unprintable(path: str) -> bool:
    return printable(path) != path
