"""Cutting a long file into chunks, without decoding any of it.

A chunk ends at the first key frame after `media.chunk_s`. What is in it is hashed packet by packet,
in the order of the file: bytes that are appended change no chunk but the last.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from reelshelf.indexer.media.clock import Clock
from reelshelf.indexer.media.container import CLOCKED, opened
from reelshelf.indexer.media.decoder import check_length
from reelshelf.indexer.media.pyav import length_ms, milliseconds, origin_of
from reelshelf.indexer.media.tracks import audio_streams, video_stream
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import Chunk

# A clock that starts anew makes a transport stream look short: from this size on it is looked at.
_LOOKED_AT = 16 * 1024**2


def divided_if_long(path: Path, config: MediaConfig) -> tuple[Chunk, ...]:
    """The chunks of a file; none of one that is not longer than a chunk.

    Raises MediaError where it is no video, or longer than it may be.
    """
    with opened(path) as container:
        check_length(length_ms(container), config)
        video_stream(container)
        known = length_ms(container)
        if container.format.name in CLOCKED and path.stat().st_size > _LOOKED_AT:
            known = None
        if known is not None and known <= config.chunk_s * 1000:
            return ()
    try:
        found = divided(path, config)
    except MediaError as error:
        if error.kind is FailureKind.TOO_LONG:
            raise
        return ()  # whatever is wrong with it is told by who decodes it
    return found if len(found) > 1 else ()


def divided(path: Path, config: MediaConfig) -> tuple[Chunk, ...]:
    """The chunks of a file, in order; one where it is no longer than that.

    Raises MediaError where it is no video, or longer than it may be.
    """
    with opened(path) as container:
        return _Cutter(container, config).chunks()


# A chunk is complete once so much of the next one is there: the last packets of a growing file may
# be cut off, and sound comes a little after the pictures that it belongs to.
_CERTAIN_MS = 2000


class _Cutter:
    """Reads packets, and begins a new chunk where one is due and may begin."""

    def __init__(self, container: InputContainer, config: MediaConfig) -> None:
        self._container = container
        self._video = video_stream(container)
        # All that may be chosen for sound: which it is depends on what is known of the video.
        self._streams: list[Stream] = [self._video, *audio_streams(container, None)]
        self._config = config
        self._clocked = container.format.name in CLOCKED
        self._clock = Clock(self._clocked)
        self._origin = origin_of(container)
        self._begun: list[_Begun] = []
        self._hashes: list[str] = []
        self._digest = hashlib.sha256()
        # What the chunk before would be, if this one turns out to be too short to be one.
        self._joined: hashlib._Hash | None = None
        self._waiting: list[Packet[Stream]] = []
        self._end_ms = 0

    def chunks(self) -> tuple[Chunk, ...]:
        for packet in self._packets():
            if packet.stream is not self._video:
                self._waiting.append(packet)
                continue
            self._take_sound(packet)
            self._picture(packet)
            self._update(packet)
        self._take_sound(None)
        if not self._begun:
            raise MediaError(FailureKind.NO_FRAMES, "has no picture that needs no other")
        if self._joined is not None:
            self._begun.pop()
            self._hashes.pop()
            self._digest = self._joined
        self._hashes.append(self._digest.hexdigest())
        return tuple(self._made())

    def _made(self) -> Iterator[Chunk]:
        for number, (own, sha256) in enumerate(zip(self._begun, self._hashes, strict=True)):
            after = self._begun[number + 1] if number + 1 < len(self._begun) else None
            yield Chunk(
                number=number,
                start_ms=own.start_ms,
                end_ms=after.start_ms if after else self._end_ms,
                # The same bytes may come twice, at two times.
                sha256=hashlib.sha256(f"{own.start_ms} {sha256}".encode()).hexdigest(),
                start_pts=own.pts,
                position=own.position,
                end_pts=after.pts if after else None,
                end_position=after.position if after else None,
            )

    def _packets(self) -> Iterator["Packet[Stream]"]:
        packets = self._container.demux(self._streams)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return  # what comes before the damage is cut all the same
            if packet.size:
                yield packet

    def _take_sound(self, picture: "Packet[Stream] | None") -> None:
        """Count the sound that lies before a picture, in whatever order they are read."""
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            behind = (
                self._clocked and picture is not None and (packet.pos or 0) > (picture.pos or 0)
            )
            if behind:
                self._waiting.append(packet)
            else:
                self._update(packet)

    def _update(self, packet: "Packet[Stream]") -> None:
        if not self._begun:
            return
        for digest in (self._digest, self._joined):
            if digest is not None:
                digest.update(f"{packet.stream.index} {packet.pts} ".encode())
                digest.update(packet)

    def _picture(self, packet: "Packet[Stream]") -> None:
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None or packet.time_base is None:
            return
        length = (packet.duration or 0) * packet.time_base
        given = at * packet.time_base - self._origin
        time = self._clock.time_of(packet.stream.index, given, length)
        time_ms = milliseconds(time)
        if time_ms > self._config.max_duration_s * 1000:
            raise MediaError(
                FailureKind.TOO_LONG,
                f"shows frames after {self._config.max_duration_s} s (media.max_duration_s)",
            )
        last = self._begun[-1] if self._begun else None
        if last is not None and time_ms >= last.start_ms + _CERTAIN_MS:
            self._joined = None
        due_ms = last.start_ms + self._config.chunk_s * 1000 if last else 0
        if time_ms >= due_ms and packet.is_keyframe and packet.pts is not None:
            if last is not None:
                self._hashes.append(self._digest.hexdigest())
                self._joined = self._digest
            self._digest = hashlib.sha256()
            position = packet.pos if packet.pos is not None else -1
            self._begun.append(_Begun(time_ms if last else 0, packet.pts, position))
        self._end_ms = max(self._end_ms, milliseconds(time + length))


@dataclass(frozen=True, slots=True)
class _Begun:
    """Where a chunk begins: in the video's time, in the stream's, and in the file."""

    start_ms: int
    pts: int
    position: int
