"""Which frames of a stream are worth a model's time, and where the cuts are.

One pass, bounded memory: each look at the stream leaves a small picture's worth of figures, and
full frames are held only for the best look of the current window and for one that waits. Cuts are
jumps in the HSV difference of two consecutive looks. Within a window of a shot the sharpest frame
wins, and a frame that shows what the last kept one of its shot showed is dropped.

The budget is a rate, so that it grows with the length of a video and is spent evenly over it: a
token bucket, as networks shape their traffic with. Each shot and each `media.sample_ms` of a long
one asks for a token. Where cuts come faster than tokens, the longest of the shots that wait gets
the next one, and the others join their neighbors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from reelshelf.indexer.media.decoder import Look
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Pixels, Shot, TimedFrame

_THUMB = (64, 36)
# Pixels of a side of the places in which two looks are compared, which a line of text fills.
_CELL = 8
# How many frames may come faster than the rate, after a while in which fewer did.
_BURST = 4.0
_MINUTE_MS = 60_000


@dataclass(slots=True)
class _Candidate:
    look: Look
    shot: int
    sharpness: float
    is_first: bool = False
    length_ms: int = 0

    @property
    def claim(self) -> tuple[bool, int]:
        """Which of two gets a token: a shot that has no frame yet, then the longer one."""
        return self.is_first, self.length_ms


class FrameSampler:
    """Feed it looks in order with `add`; take the result with `finish`.

    `take` makes a frame of a look that is kept, as soon as that is certain. `length_ms` is how long
    the video claims to be, where it does; `start_ms` is where what is looked at of it begins.
    """

    def __init__(
        self,
        config: MediaConfig,
        take: Callable[[Look], TimedFrame],
        length_ms: int | None = None,
        start_ms: int = 0,
    ) -> None:
        self.near_duplicates = 0
        self._config = config
        self._take = take
        self._frames: list[TimedFrame] = []
        self._cuts: list[int] = []
        self._best: _Candidate | None = None
        self._waiting: _Candidate | None = None
        self._kept: tuple[int, Pixels] | None = None
        self._window_end = 0
        self._last_thumb: Pixels | None = None
        self._per_ms = frames_per_minute(config, length_ms) / _MINUTE_MS
        self._start_ms = start_ms
        self._most_tokens = min(_BURST, config.max_frames or _BURST)
        self._tokens, self._counted_to = self._most_tokens, start_ms

    def add(self, look: Look) -> None:
        """Look at one frame."""
        now = look.time_ms
        thumb = cv2.resize(look.small, _THUMB, interpolation=cv2.INTER_AREA)
        cut = self._last_thumb is not None and (
            _hsv_difference(self._last_thumb, thumb) > self._config.cut_threshold
        )
        if self._last_thumb is None or cut:
            self._settle(now)
            self._cuts.append(now if cut else self._start_ms)
            self._window_end = now + self._config.sample_ms
        elif now >= self._window_end:
            self._settle(now)
            self._window_end = now + self._config.sample_ms
        self._last_thumb = thumb
        sharpness = _sharpness(look.small)
        if self._best is None or sharpness > self._best.sharpness:
            self._best = _Candidate(look, len(self._cuts) - 1, sharpness)

    def finish(self, end_ms: int) -> tuple[tuple[TimedFrame, ...], tuple[Shot, ...]]:
        """The frames kept, and the shots of a video that ends at `end_ms`."""
        self._settle(end_ms)
        if self._waiting is not None and not self._frames:
            self._keep(self._waiting)
        bounds = [*self._cuts, end_ms]
        shots = tuple(Shot(a, b) for a, b in pairwise(bounds))
        return tuple(self._frames), shots

    def _settle(self, now: int) -> None:
        """A window ends: its best look gets a token, or waits for one."""
        best, self._best = self._best, None
        earned = (now - self._counted_to) * self._per_ms
        self._tokens = min(self._tokens + earned, self._most_tokens)
        self._counted_to = now
        if self._waiting is not None and self._tokens >= 1.0:
            self._keep(self._waiting)
            self._waiting = None
        if best is None:
            return
        if self._shows_the_same(best):
            self.near_duplicates += 1
            return
        best.length_ms = now - best.look.time_ms
        best.is_first = self._kept is None or self._kept[0] != best.shot
        if self._tokens >= 1.0:
            self._keep(best)
        elif self._waiting is None or best.claim >= self._waiting.claim:
            self._waiting = best

    def _keep(self, candidate: _Candidate) -> None:
        self._tokens -= 1.0
        self._frames.append(self._take(candidate.look))
        self._kept = candidate.shot, _gray(candidate.look.small)

    def _shows_the_same(self, candidate: _Candidate) -> bool:
        if self._kept is None or self._kept[0] != candidate.shot:
            return False
        return _change(self._kept[1], _gray(candidate.look.small)) < self._config.near_duplicate


def frames_per_minute(config: MediaConfig, length_ms: int | None) -> float:
    """The rate at which a video of this length gets frames, on average over its time."""
    rate = float(config.frames_per_minute)
    minutes = max((length_ms or 0) / _MINUTE_MS, 1e-9)
    if length_ms is None or minutes * rate > config.max_frames_per_hour:
        rate = min(rate, config.max_frames_per_hour / 60)
    if config.max_frames and length_ms is not None:
        rate = min(rate, max(0.0, config.max_frames - _BURST) / minutes)
    return rate


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
    return float(cv2.Laplacian(_gray(pixels), cv2.CV_16S).std())


def _gray(pixels: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.uint8)


def _change(a: Pixels, b: Pixels) -> float:
    """By how much the place that changed most did, 0..1: what small print covers, and not more."""
    if a.shape != b.shape:
        return 1.0
    difference = cv2.absdiff(a, b)
    height, width = (max(1, -(-side // _CELL)) for side in difference.shape)
    cells = cv2.resize(difference, (width, height), interpolation=cv2.INTER_AREA)
    return float(cells.max()) / 255.0
