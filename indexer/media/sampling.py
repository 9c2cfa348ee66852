"""Which frames of a stream are worth a model's time, and where the cuts are.

One pass, bounded memory: each look at the stream leaves a thumbnail's worth of figures; full frames
are kept only for the best look of the current window. Cuts are jumps in the HSV difference of two
consecutive thumbnails. Within a window of a shot the sharpest frame wins, and a frame that shows
what the last kept one of its shot showed is dropped. A video longer than the budget gets a window
twice as long and every second frame is let go, so the frames stay spread over the whole video.
"""

from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Pixels, Shot, TimedFrame, Vectors

_THUMB = (64, 36)
_GRID = 6


@dataclass(slots=True)
class _Candidate:
    frame: TimedFrame
    shot: int
    sharpness: float
    cells: Vectors


@dataclass(slots=True)
class FrameSampler:
    """Feed it frames in order with `add`; take the result with `finish`."""

    config: MediaConfig
    near_duplicates: int = 0
    _kept: list[_Candidate] = field(default_factory=list)
    _cuts: list[int] = field(default_factory=list)
    _best: _Candidate | None = None
    _window_ms: int = 0
    _window_end: int = 0
    _last_thumb: Pixels | None = None

    def __post_init__(self) -> None:
        self._window_ms = self.config.sample_ms

    def add(self, frame: TimedFrame) -> None:
        """Look at one frame."""
        thumb = cv2.resize(frame.pixels, _THUMB, interpolation=cv2.INTER_AREA)
        cut = self._last_thumb is not None and (
            _hsv_difference(self._last_thumb, thumb) > self.config.cut_threshold
        )
        if self._last_thumb is None or cut:
            self._keep_best()
            self._cuts.append(frame.time_ms if cut else 0)
            self._window_end = frame.time_ms + self._window_ms
        elif frame.time_ms >= self._window_end:
            self._keep_best()
            self._window_end = frame.time_ms + self._window_ms
        self._last_thumb = thumb
        sharpness = _sharpness(frame.pixels)
        if self._best is None or sharpness > self._best.sharpness:
            cells = _cells(frame.pixels)
            self._best = _Candidate(frame, len(self._cuts) - 1, sharpness, cells)

    def finish(self, end_ms: int) -> tuple[tuple[TimedFrame, ...], tuple[Shot, ...]]:
        """The frames kept, and the shots of a video that ends at `end_ms`."""
        self._keep_best()
        bounds = [*self._cuts, end_ms]
        shots = tuple(Shot(a, b) for a, b in pairwise(bounds))
        return tuple(item.frame for item in self._kept), shots

    def _keep_best(self) -> None:
        best, self._best = self._best, None
        if best is None:
            return
        if self._kept and self._kept[-1].shot == best.shot:
            change = float(np.abs(self._kept[-1].cells - best.cells).max())
            if change < self.config.near_duplicate:
                self.near_duplicates += 1
                return
        self._kept.append(best)
        if len(self._kept) > self.config.max_frames:
            self._thin()

    def _thin(self) -> None:
        self._window_ms *= 2
        self._kept = self._kept[::2]


def _hsv_difference(a: Pixels, b: Pixels) -> float:
    """Mean absolute difference in HSV, 0..1. Hue counts as far as both colors are saturated."""
    first = cv2.cvtColor(a, cv2.COLOR_RGB2HSV).astype(np.float32)
    second = cv2.cvtColor(b, cv2.COLOR_RGB2HSV).astype(np.float32)
    hue = np.abs(first[..., 0] - second[..., 0])
    hue = np.minimum(hue, 180.0 - hue) / 90.0
    saturation = np.abs(first[..., 1] - second[..., 1]) / 255.0
    value = np.abs(first[..., 2] - second[..., 2]) / 255.0
    vivid = np.minimum(first[..., 1], second[..., 1]) / 255.0
    return float((hue * vivid + saturation + value).mean() / 2.0)


def _sharpness(pixels: Pixels) -> float:
    small = cv2.resize(pixels, (160, 160), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def _cells(pixels: Pixels) -> Vectors:
    """Means and edge strengths over a grid: a new caption changes a cell, noise does not."""
    side = _GRID * 16
    gray = cv2.cvtColor(
        cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    ).astype(np.float32)
    edges = np.abs(np.diff(gray, axis=1, prepend=gray[:, :1]))
    planes = np.stack([gray, edges * 2.0]).reshape(2, _GRID, 16, _GRID, 16) / 255.0
    return np.asarray(planes.mean(axis=(2, 4)), np.float32)
