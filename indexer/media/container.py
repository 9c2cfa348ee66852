"""Opening containers, whole or at the place where a chunk of them begins.

Most formats have an index, and are sought in by time. Transport and program streams have none, and
their times may start anew; in them a chunk is a range of bytes.
"""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import Chunk

# Streams without an index and with a clock that runs on: FFmpeg seeks in them by guessing, and
# lands beyond the place. They are cut out of a clock, so their start is whatever that showed.
CLOCKED = frozenset(["mpegts", "mpeg"])
# Of the beginning of a stream, which says what is in it; and beyond the end of a chunk, for packets
# that begin in it.
_HEAD, _TAIL = 1024 * 1024, 4 * 1024 * 1024
# Packets that are looked at after the last picture of a chunk for sound that belongs to it.
_MOST_AFTER = 500
# Seconds by which sound may lie apart from the pictures that it belongs to.
_NEAR = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file: `length` bytes from `start` on, all of it where that is None."""

    path: Path
    start: int = 0
    length: int | None = None


# A file, or parts of files that make a stream when one is read behind the other.
Source: TypeAlias = Path | tuple[Piece, ...]


@contextmanager
def opened(source: Source, chunk: Chunk | None = None) -> Iterator[InputContainer]:
    """A container, or raise MediaError with the reason it is no video.

    Of a transport stream no more than a chunk of it needs is in reach; pieces are a chunk already.
    """
    container = _open(source, chunk)
    with container:
        yield container


def _open(source: Source, chunk: Chunk | None) -> InputContainer:
    try:
        if isinstance(source, tuple):
            return av.open(_Joined(source), mode="r", metadata_errors="replace")
        # The "file:" prefix keeps names like "-rf.mp4" or "%03d.mp4" from meaning anything.
        container = av.open(
            f"file:{source}", metadata_errors="replace", options={"protocol_whitelist": "file"}
        )
        if chunk is not None and (name := container.format.name) in CLOCKED:
            container.close()
            reader = _Joined(_with_head(source, chunk))
            container = av.open(reader, mode="r", format=name, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(FailureKind.NOT_A_VIDEO, f"cannot be opened: {reason}") from error
    return container


def packets_of(
    packets: Iterator["Packet[Stream]"], chunk: Chunk, video: VideoStream, *, clocked: bool
) -> Iterator["Packet[Stream]"]:
    """Of packets in the order of the file those of a chunk.

    Sound belongs to a chunk by its time, and may lie a little before or behind the pictures.
    """
    base = video.time_base
    assert base is not None
    start, end = chunk.start_pts * base, None if chunk.end_pts is None else chunk.end_pts * base
    pictures = _pictures_by_place(chunk) if clocked else _pictures_by_time(chunk)
    after = 0
    for packet in packets:
        place = pictures(packet)
        after += place > 0 or after > 0
        if packet.stream is video:
            if place == 0:
                yield packet
        elif packet.pts is not None and packet.time_base is not None:
            time = packet.pts * packet.time_base
            if not clocked:
                inside = time >= start and (end is None or time < end)
            else:
                # Of a clock that starts anew times say nothing but near the ends.
                early = start - _NEAR < time < start
                late = end is not None and end - _NEAR < time < end
                inside = (place == 0 and not early) or (place > 0 and late)
            if inside:
                yield packet
            elif after and end is not None and end <= time < end + _NEAR:
                return
        if after > _MOST_AFTER:
            return


def seek_to(container: InputContainer, video: VideoStream, chunk: Chunk) -> None:
    """Go to the first picture of a chunk, or before it. Raises MediaError where that cannot be."""
    try:
        container.seek(chunk.start_pts, stream=video, backward=True)
    except av.FFmpegError as error:
        message = f"cannot be sought in: {error.strerror}"
        raise MediaError(FailureKind.CORRUPT, message) from error


def _pictures_by_time(chunk: Chunk) -> Callable[["Packet[Stream]"], int]:
    """Tells whether packets come before a chunk (-1), in it (0) or behind it (1)."""
    at = -1

    def place(packet: "Packet[Stream]") -> int:
        nonlocal at
        if packet.stream.type == "video" and packet.pts is not None:
            if at < 0 and packet.pts == chunk.start_pts:
                at = 0
            elif at == 0 and packet.pts == chunk.end_pts:
                at = 1
        return at

    return place


def _pictures_by_place(chunk: Chunk) -> Callable[["Packet[Stream]"], int]:
    """The same, by where packets begin in the file."""
    begin, end = _in_range(chunk)
    last: dict[int, int] = {}

    def place(packet: "Packet[Stream]") -> int:
        # What a packet of the stream is cut into has a place of its own only at its beginning.
        own = packet.pos if packet.pos is not None else last.get(packet.stream.index, -1)
        last[packet.stream.index] = own
        return (own >= begin) - 1 + (end is not None and own >= end)

    return place


def _in_range(chunk: Chunk) -> tuple[int, int | None]:
    """Where a chunk begins and ends in what `_with_head` gives."""
    begin = min(chunk.position, _HEAD)
    end = chunk.end_position
    return begin, None if end is None else begin + end - chunk.position


def _with_head(path: Path, chunk: Chunk) -> list[Piece]:
    """The beginning of a file, and behind it a chunk with what may follow of its sound."""
    size = path.stat().st_size
    end = size if chunk.end_position is None else min(size, chunk.end_position + _TAIL)
    if chunk.position <= _HEAD:
        return [Piece(path, 0, end)]
    return [Piece(path, 0, _HEAD), Piece(path, chunk.position, max(0, end - chunk.position))]


class _Joined(io.RawIOBase):
    """Pieces of files, one behind the other."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        lengths = [
            piece.length if piece.length is not None else piece.path.stat().st_size - piece.start
            for piece in pieces
        ]
        self._ends = list(accumulate(lengths))
        self._open: tuple[int, BinaryIO] | None = None
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._ends[-1]}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        number = bisect_right(self._ends, self._at)
        if number == len(self._pieces) or not size:
            return b""
        file, piece = self._file(number), self._pieces[number]
        begin = self._ends[number - 1] if number else 0
        left = self._ends[number] - self._at
        file.seek(piece.start + self._at - begin)
        data = file.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data

    def _file(self, number: int) -> BinaryIO:
        if self._open is None or self._open[0] != number:
            if self._open is not None:
                self._open[1].close()
            self._open = number, self._pieces[number].path.open("rb")
        return self._open[1]

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
        super().close()
