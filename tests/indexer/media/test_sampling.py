import os
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelshelf.indexer.media.decoder import Look
from reelshelf.indexer.media.sampling import FrameSampler, frames_per_minute
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Pixels, TimedFrame
from tests.support.clips import BLUE, GREEN, RED, Color, textured


def look(time_ms: int, pixels: Pixels) -> Look:
    return Look(time_ms, pixels, lambda side: pixels)


def frame(time_ms: int, color: Color, corner: Color | None = None) -> Look:
    return look(time_ms, textured(color, 128, 96, corner))


def taken(item: Look) -> TimedFrame:
    return TimedFrame(item.time_ms, item.picture(None))


def sampled(frames: list[Look], length_ms: int | None = None, **settings: int) -> FrameSampler:
    sampler = FrameSampler(MediaConfig(**settings), taken, length_ms)
    for item in frames:
        sampler.add(item)
    return sampler


def test_a_cut_is_found_where_the_picture_jumps() -> None:
    frames = [frame(t, RED if t < 2000 else BLUE) for t in range(0, 4000, 250)]
    _, shots = sampled(frames).finish(4000)
    assert [(shot.start_ms, shot.end_ms) for shot in shots] == [(0, 2000), (2000, 4000)]


def test_shots_cover_the_video_even_if_its_first_frame_is_late() -> None:
    _, shots = sampled([frame(700, RED), frame(950, GREEN)]).finish(1200)
    assert [(shot.start_ms, shot.end_ms) for shot in shots] == [(0, 950), (950, 1200)]


def test_frames_that_show_the_same_are_dropped_and_counted() -> None:
    sampler = sampled([frame(t, RED) for t in range(0, 5000, 250)])
    kept, _ = sampler.finish(5000)
    assert len(kept) == 1
    assert sampler.near_duplicates == 2


def test_a_new_caption_on_a_still_picture_is_kept() -> None:
    white = (255, 255, 255)
    frames = [frame(t, RED, white if t >= 2000 else None) for t in range(0, 4000, 250)]
    kept, shots = sampled(frames).finish(4000)
    assert len(shots) == 1
    assert [k.time_ms >= 2000 for k in kept] == [False, True]


def test_the_sharpest_frame_of_a_window_is_taken() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
    flat = np.full_like(sharp, int(sharp.mean()))
    blurred = ((sharp.astype(int) + flat) // 2).astype(np.uint8)
    sampler = FrameSampler(MediaConfig(cut_threshold=1.0), taken)
    for time_ms, pixels in ((0, blurred), (250, sharp), (500, blurred)):
        sampler.add(look(time_ms, pixels))
    kept, _ = sampler.finish(750)
    assert [k.time_ms for k in kept] == [250]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([RED, GREEN, BLUE]), min_size=1, max_size=60), st.integers(1, 9))
def test_the_budget_holds_and_order_is_kept(colors: list[Color], budget: int) -> None:
    frames = [frame(i * 250, color) for i, color in enumerate(colors)]
    end_ms = len(frames) * 250
    kept, shots = sampled(frames, end_ms, max_frames=budget, sample_ms=250).finish(end_ms)
    times = [k.time_ms for k in kept]
    assert 1 <= len(kept) <= budget
    assert times == sorted(set(times))
    assert shots[0].start_ms == 0
    assert shots[-1].end_ms == len(frames) * 250
    assert all(a.end_ms == b.start_ms for a, b in pairwise(shots))


@st.composite
def cut_patterns(draw: st.DrawFn) -> tuple[int, list[int]]:
    """The length of a video of up to 4 hours, and its cuts: in runs of very different density."""
    length_s = draw(st.integers(60, 4 * 3600))
    cuts: list[int] = []
    at = 0.0
    while at < length_s and len(cuts) < 3000:
        every = draw(st.sampled_from([0.3, 0.8, 1.5, 3.0, 8.0, 60.0, 1e5]))
        until = at + draw(st.integers(1, max(1, length_s // 2)))
        while (at := at + every) < min(until, length_s) and len(cuts) < 3000:
            cuts.append(int(at * 4) * 250)
        at = until
    return length_s * 1000, sorted(set(cuts))


# Two pictures that every cut jumps between, and a stripe that makes each look differ from the last.
_SCENES = [np.full((18, 32, 3), color, np.uint8) for color in ((200, 30, 40), (30, 60, 210))]


def _picture(number: int, scene: int) -> Pixels:
    pixels = _SCENES[scene % 2].copy()
    pixels[(number * 5) % 18, :] = 128 + number % 97
    return pixels


# docs/benchmarks.md has 1,000 of them.
@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("REELSHELF_EXAMPLES", "20")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(cut_patterns())
def test_frames_are_spread_fairly_over_any_video(pattern: tuple[int, list[int]]) -> None:
    length_ms, cuts = pattern
    config = MediaConfig()
    # Every look of a day's video would take an hour: looks at the grid of times that matter.
    step = 250 if length_ms < 600_000 else 500
    bounds = np.array([*cuts, length_ms + 1])
    sampler = FrameSampler(config, lambda item: TimedFrame(item.time_ms, _DOT), length_ms)
    for number, time_ms in enumerate(range(0, length_ms, step)):
        scene = int(np.searchsorted(bounds, time_ms, side="right"))
        sampler.add(look(time_ms, _picture(number, scene)))
    kept, _ = sampler.finish(length_ms)
    times = np.array([frame.time_ms for frame in kept])
    assert (np.diff(times) > 0).all()
    minutes = length_ms / 60_000
    assert len(times) <= frames_per_minute(config, length_ms) * minutes + 5
    tenths = np.histogram(times, bins=10, range=(0, length_ms))[0]
    assert tenths.min() + 1 >= 0.5 * len(times) / 10
    longest = 2 * config.sample_ms + 60_000 / frames_per_minute(config, length_ms) + 2 * step
    assert np.diff([0, *times, length_ms]).max() <= longest


_DOT = np.zeros((2, 2, 3), np.uint8)
