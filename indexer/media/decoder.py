"""What a decoding backend must do, and the checks that all of them share.

A backend turns a file into a stream of upright, scaled frames and of sound. It knows nothing of
shots or sampling, so the two backends are exchangeable and one test holds for both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import AudioChunk, Cue, Pixels, VideoInfo

# The long side of the picture that every look comes with: enough to see a new line of small print.
LOOK_SIDE = 320


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a stream: a small upright picture, and the way to a larger one.

    `picture` renders the frame upright with its long side at most so many pixels, or in its own
    resolution. The frame is held for as long as the look is.
    """

    time_ms: int
    small: Pixels
    picture: Callable[[int | None], Pixels]


StreamItem: TypeAlias = Look | AudioChunk


class OpenVideo(Protocol):
    """A video that has been opened and found fit to decode, with or without its sound.

    `end_ms` is the end of the last frame, and `sound_end_ms` that of the sound, decoded or not.
    Both are known once the stream has been read, as are the counts and the `cues` of its file.
    """

    info: VideoInfo
    frames_decoded: int
    end_ms: int
    cues: list[Cue]

    @property
    def corrupt_packets(self) -> int:
        """How many packets and frames were damaged."""
        ...

    @property
    def clock_jumps(self) -> int:
        """How often the clock went back or jumped, and was continued."""
        ...

    @property
    def sound_end_ms(self) -> int:
        """The end of the sound."""
        ...

    def stream(self) -> Iterator[StreamItem]:
        """Looks at least `TICK_MS` apart in presentation order, and sound, interleaved or not."""
        ...

    @property
    def track_count(self) -> int:
        """How many tracks of sound there are."""
        ...

    def sound(self, track: int = 0) -> Iterator[AudioChunk]:
        """Only the sound of a track, the likeliest first, without decoding the pictures."""
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


def check_length(length_ms: int | None, config: MediaConfig) -> None:
    """Refuse what its header says is too long, before anything of it is decoded."""
    if length_ms is not None and length_ms > config.max_duration_s * 1000:
        raise MediaError(
            FailureKind.TOO_LONG,
            f"lasts {length_ms // 1000} s, media.max_duration_s is {config.max_duration_s}",
        )


def check_size(width: int, height: int, config: MediaConfig) -> None:
    """Refuse frames that no screen shows and that would take all memory."""
    if width < 2 or height < 2:
        raise MediaError(FailureKind.NO_FRAMES, f"frames of {width}x{height} show nothing")
    if max(width, height) > config.max_side:
        raise MediaError(
            FailureKind.TOO_LARGE,
            f"frames are {width}x{height}, media.max_side is {config.max_side}",
        )
    if width * height > config.max_pixels:
        raise MediaError(
            FailureKind.TOO_LARGE,
            f"frames have {width * height} pixels, media.max_pixels is {config.max_pixels}",
        )


def scaled_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Even width and height with the long side at most `side`; never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
