"""What comes out of a video file, before any model has seen it.

Pixels are `(H, W, 3)` uint8 RGB. Times are milliseconds of presentation time, counted from the
start of the container, as `int`. Spans are half-open: `start_ms <= t < end_ms`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]
Samples: TypeAlias = npt.NDArray[np.int16]
Vectors: TypeAlias = npt.NDArray[np.float32]

SAMPLE_RATE = 16_000


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What the container says of itself. `width` and `height` are as displayed, after rotation."""

    width: int
    height: int
    rotation: int
    codec: str
    container: str
    duration_ms: int | None
    has_audio: bool


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded frame, upright and scaled, at its presentation time."""

    time_ms: int
    pixels: Pixels

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(
                f"pixels must be (H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Decoded sound, `(n,)` int16 at 16 kHz mono, starting at `start_ms`."""

    start_ms: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Shot:
    """A run of frames between two cuts."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class DecodeCounts:
    """What was looked at and what was let go while a video was decoded."""

    frames_decoded: int
    frames_sampled: int
    near_duplicates: int
    corrupt_packets: int


@dataclass(frozen=True, slots=True)
class DecodedVideo:
    """All that the models need of one video: a few frames, the cuts, and the sound.

    `audio` is 16 kHz mono int16 from time 0 on, or None where the video carries no sound.
    `end_ms` is the end of the last frame, measured, whatever the container claims.
    """

    content_sha256: str
    info: VideoInfo
    frames: tuple[TimedFrame, ...]
    shots: tuple[Shot, ...]
    audio: Samples | None
    end_ms: int
    counts: DecodeCounts
