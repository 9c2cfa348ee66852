"""What a decoding backend must do, and the checks that all of them share.

A backend turns a file into a stream of upright, scaled frames and of sound. It knows nothing of
shots or sampling, so the two backends are exchangeable and one test holds for both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import AudioChunk, TimedFrame, VideoInfo

StreamItem: TypeAlias = TimedFrame | AudioChunk


class OpenVideo(Protocol):
    """A video that has been opened and found fit to decode, with or without its sound.

    `end_ms` is the end of the last frame, known once the stream has been read.
    """

    info: VideoInfo
    corrupt_packets: int
    frames_decoded: int
    end_ms: int

    def stream(self) -> Iterator[StreamItem]:
        """Frames at least `TICK_MS` apart in presentation order, and sound, interleaved or not."""
        ...

    def sound(self) -> Iterator[AudioChunk]:
        """Only the sound, without decoding the pictures."""
        ...


# Cuts are found at four looks a second; more costs time and finds no more of them.
TICK_MS = 250


def check_file(path: Path, config: MediaConfig) -> None:
    """Refuse what is no readable, regular file of a sane size. Never blocks on a pipe."""
    try:
        regular, size = path.is_file(), path.stat().st_size
    except OSError as error:
        raise MediaError(FailureKind.UNREADABLE, f"cannot be read: {error.strerror}") from error
    if not regular:
        raise MediaError(FailureKind.UNREADABLE, "is not a regular file")
    if size == 0:
        raise MediaError(FailureKind.EMPTY, "has no bytes")
    if size > config.max_bytes:
        raise MediaError(
            FailureKind.TOO_LARGE, f"has {size} bytes, media.max_bytes is {config.max_bytes}"
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise MediaError(FailureKind.UNREADABLE, f"cannot be read: {error.strerror}") from error


def check_size(width: int, height: int, config: MediaConfig) -> None:
    """Refuse frames that no screen shows and that would take all memory."""
    if width < 2 or height < 2:
        raise MediaError(FailureKind.NO_FRAMES, f"frames of {width}x{height} show nothing")
    if max(width, height) > config.max_side:
        raise MediaError(
            FailureKind.TOO_LARGE,
            f"frames are {width}x{height}, media.max_side is {config.max_side}",
        )


def scaled_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Even width and height with the long side at most `side`; never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
