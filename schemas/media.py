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
class Box:
    """An upright rectangle as fractions of the frame, `0 <= left < right <= 1`."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text found but not read: where it is, and its pixels turned upright."""

    box: Box
    crop: Pixels


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One decoded frame, upright and scaled, at its presentation time.

    `lines` were found in the frame at its own resolution, and are cut from that; None where nobody
    looked for any.
    """

    time_ms: int
    pixels: Pixels
    lines: tuple[TextLine, ...] | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(
                f"pixels must be (H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}"
            )


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """Decoded sound, `(n,)` or `(n, 2)` int16 at 16 kHz, starting at `start_ms`."""

    start_ms: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a long video that is decoded, extracted and stored by itself.

    It begins with a picture that needs no other, at `start_ms` of the video's time, and ends where
    the next one begins. `sha256` is of what is in it: the packets of a file, or the segments of a
    playlist. It is all that tells a chunk from another, so what is made of it stays when the video
    grows; only the last chunk of a video may still grow itself.

    `start_pts` is the time of its first picture as the stream counts it, and `position` the byte of
    the file that it begins at, or the number of its first segment in a playlist. `end_pts` and
    `end_position` are those of the next chunk; None in the last one.
    """

    number: int
    start_ms: int
    end_ms: int
    sha256: str
    start_pts: int
    position: int
    end_pts: int | None = None
    end_position: int | None = None

    def holds(self, time_ms: int) -> bool:
        """Whether a time of the video lies in it."""
        return self.start_ms <= time_ms and (self.end_pts is None or time_ms < self.end_ms)


@dataclass(frozen=True, slots=True)
class Shot:
    """A run of frames between two cuts."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    """A text for a stretch of the video: a subtitle, or the name of a chapter.

    `inside`: it comes from the video's own file.
    """

    text: str
    start_ms: int
    end_ms: int
    is_chapter: bool = False
    inside: bool = True


@dataclass(frozen=True, slots=True)
class DecodeCounts:
    """What was looked at and what was let go while a video was decoded.

    `clock_jumps`: how often its clock went back or jumped ahead, and was continued instead.
    """

    frames_decoded: int
    frames_sampled: int
    near_duplicates: int
    corrupt_packets: int
    clock_jumps: int = 0


@dataclass(frozen=True, slots=True)
class DecodedVideo:
    """All that the models need of one video: a few frames, the cuts, and the sound.

    `audio` is 16 kHz mono int16 from time 0 on, or None where the video carries no sound.
    `end_ms` is the end of the last frame, measured, whatever the container claims; where sound goes
    on after it the last picture holds, and `end_ms` is the end of the sound. `cues` are its
    subtitles and chapters; `missing` says what else was to be there and is not.
    """

    content_sha256: str
    info: VideoInfo
    frames: tuple[TimedFrame, ...]
    shots: tuple[Shot, ...]
    audio: Samples | None
    end_ms: int
    counts: DecodeCounts
    cues: tuple[Cue, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """How much memory its pictures, crops and sound take."""
        size = self.audio.nbytes if self.audio is not None else 0
        for frame in self.frames:
            size += frame.pixels.nbytes + sum(line.crop.nbytes for line in frame.lines or ())
        return size
