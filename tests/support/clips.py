"""Tiny real videos, made with the codecs inside PyAV."""

import tempfile
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

Color = tuple[int, int, int]
RED, GREEN, BLUE, WHITE, BLACK = (
    (200, 30, 30),
    (30, 180, 40),
    (40, 60, 200),
    (255, 255, 255),
    (5, 5, 5),
)
RATE = 16_000
TEN_COLORS = [RED, GREEN, BLUE, WHITE, GREEN, RED, WHITE, BLUE, GREEN, RED]


def textured(color: Color, width: int, height: int, corner: Color | None = None) -> np.ndarray:
    """A picture of one color with a fixed pattern, and maybe a block in its top left corner."""
    rng = np.random.default_rng(sum(color))
    grid = rng.integers(-25, 25, (8, 8, 1)).repeat(-(-height // 8), 0).repeat(-(-width // 8), 1)
    picture = np.clip(np.array(color) + grid[:height, :width], 0, 255).astype(np.uint8)
    if corner is not None:
        picture[: height // 4, : width // 4] = corner
    return picture


def write_clip(
    path: Path,
    colors: Sequence[Color],
    *,
    size: tuple[int, int] = (96, 64),
    fps: int = 10,
    sound: bool = False,
    corner: Color | None = None,
    times_ms: Sequence[int] | None = None,
) -> Path:
    """One second of each color, or one frame of each at `times_ms`; a tone where asked.

    A process encodes a clip once, and writes it as often as it is asked for.
    """
    times = tuple(times_ms) if times_ms is not None else None
    path.write_bytes(_encoded(path.suffix, tuple(colors), size, fps, sound, corner, times))
    return path


@lru_cache(maxsize=64)
def _encoded(
    suffix: str,
    colors: tuple[Color, ...],
    size: tuple[int, int],
    fps: int,
    sound: bool,
    corner: Color | None,
    times_ms: tuple[int, ...] | None,
) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        _encode(Path(file.name), colors, size, fps, sound, corner, times_ms)
        return Path(file.name).read_bytes()


def _encode(
    path: Path,
    colors: tuple[Color, ...],
    size: tuple[int, int],
    fps: int,
    sound: bool,
    corner: Color | None,
    times_ms: tuple[int, ...] | None,
) -> None:
    width, height = size
    frames = [c for c in colors for _ in range(1 if times_ms else fps)]
    stamps = times_ms or [i * 1000 // fps for i in range(len(frames))]
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=fps, options={"crf": "20", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = Fraction(1, 1000)
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for color, stamp in zip(frames, stamps, strict=True):
            picture = textured(color, width, height, corner)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        if audio is not None:
            seconds = len(frames) / fps
            t = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
            tone = 0.5 * np.sin(2 * np.pi * 440 * t)
            for start in range(0, len(tone), 1024):
                part = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], "flt", "mono")
                part.sample_rate, part.pts, part.time_base = RATE, start, Fraction(1, RATE)
                out.mux(audio.encode(part))
            out.mux(audio.encode(None))


def write_long(path: Path, colors: list[Color], *, key_frame_every: int = 10) -> Path:
    """Two seconds of each color at 10 frames a second, and a tone that says which second it is."""
    with av.open(str(path), "w") as out:
        options = {"crf": "20", "g": str(key_frame_every), "bf": "2", "sc_threshold": "0"}
        video = out.add_stream("libx264", rate=10, options=options)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="mono")
        seconds = 2 * len(colors)
        pitch = np.repeat(200.0 + 50 * np.arange(seconds), RATE)
        tone = 0.4 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE).astype(np.float32)
        for number in range(10 * seconds):
            frame = av.VideoFrame.from_ndarray(textured(colors[number // 20], 96, 64), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
            at = number * RATE // 10
            part = av.AudioFrame.from_ndarray(tone[None, at : at + RATE // 10], "flt", "mono")
            part.sample_rate, part.pts, part.time_base = RATE, at, Fraction(1, RATE)
            out.mux(audio.encode(part))
        for stream in (video, audio):
            out.mux(stream.encode(None))
    return path
