"""Playlists as videos: their segments, a few at a time, are chunks.

Segments are sealed when they are listed, so chunks are: one ends with the segment that makes it as
long as `media.chunk_s`. What is appended changes the last chunk at most.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from reelshelf.indexer.media.container import Piece
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.playlists import (
    ByteRange,
    Playlist,
    PlaylistSegment,
    read_playlist,
)
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import Chunk

_READ = 1024 * 1024


def divided_playlist(location: str, files: Files, config: MediaConfig) -> tuple[Chunk, ...]:
    """The chunks of a playlist, however short it is. Raises MediaError."""
    playlist = read_playlist(location, files)
    length_ms = sum(segment.duration_ms for segment in playlist.segments)
    if length_ms > config.max_duration_s * 1000:
        raise MediaError(
            FailureKind.TOO_LONG,
            f"lasts {length_ms // 1000} s, media.max_duration_s is {config.max_duration_s}",
        )
    groups = list(_groups(playlist, config.chunk_s * 1000))
    chunks: list[Chunk] = []
    start_ms = 0
    for number, group in enumerate(groups):
        end_ms = start_ms + sum(segment.duration_ms for segment in group)
        after = groups[number + 1][0].sequence if number + 1 < len(groups) else None
        chunks.append(
            Chunk(
                number=number,
                start_ms=start_ms,
                end_ms=end_ms,
                sha256=_hash(group, start_ms, files, config),
                start_pts=0,
                position=group[0].sequence,
                end_pts=None if after is None else 0,
                end_position=after,
            )
        )
        start_ms = end_ms
    return tuple(chunks)


@contextmanager
def pieces_of(
    location: str, chunk: Chunk, files: Files, config: MediaConfig
) -> Iterator[tuple[Piece, ...]]:
    """The segments of a chunk as pieces of local files, gone afterwards if they were copied."""
    playlist = read_playlist(location, files)
    end = chunk.end_position
    own = [
        segment
        for segment in playlist.segments
        if segment.sequence >= chunk.position and (end is None or segment.sequence < end)
    ]
    with ExitStack() as stack:
        found: list[Piece] = []
        header: ByteRange | None = None
        for segment in own:
            if segment.header is not None and segment.header != header:
                found.append(_piece(segment.header, stack, files, config))
                header = segment.header
            found.append(_piece(segment.data, stack, files, config))
        yield tuple(found)


def _groups(playlist: Playlist, chunk_ms: int) -> Iterator[list[PlaylistSegment]]:
    group: list[PlaylistSegment] = []
    length = 0
    for segment in playlist.segments:
        group.append(segment)
        length += segment.duration_ms
        if length >= chunk_ms:
            yield group
            group, length = [], 0
    if group:
        yield group


def _hash(group: list[PlaylistSegment], start_ms: int, files: Files, config: MediaConfig) -> str:
    """Of the bytes of segments, and of when they begin: an advertisement may come twice."""
    digest = hashlib.sha256(f"{start_ms} ".encode())
    for segment in group:
        for part in (segment.header, segment.data):
            if part is None:
                continue
            with files.local(part.location, max_bytes=config.max_bytes) as path:
                digest.update(_bytes_of(Piece(path, part.start, part.length)))
    return digest.hexdigest()


def _bytes_of(piece: Piece) -> bytes:
    """The hash of a piece of a file, as bytes."""
    digest = hashlib.sha256()
    try:
        with piece.path.open("rb") as file:
            file.seek(piece.start)
            left = piece.length
            while left is None or left > 0:
                data = file.read(_READ if left is None else min(_READ, left))
                if not data:
                    break
                digest.update(data)
                left = None if left is None else left - len(data)
    except OSError as error:
        message = f"a segment cannot be read: {error.strerror}"
        raise MediaError(FailureKind.UNREADABLE, message) from error
    return digest.digest()


def _piece(part: ByteRange, stack: ExitStack, files: Files, config: MediaConfig) -> Piece:
    path = stack.enter_context(files.local(part.location, max_bytes=config.max_bytes))
    return Piece(path, part.start, part.length)
