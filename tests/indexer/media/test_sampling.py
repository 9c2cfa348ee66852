from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.media.sampling import FrameSampler
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import TimedFrame
from tests.support.clips import BLUE, GREEN, RED, Color, textured


def frame(time_ms: int, color: Color, corner: Color | None = None) -> TimedFrame:
    return TimedFrame(time_ms, textured(color, 128, 96, corner))


def sampled(frames: list[TimedFrame], **settings: int) -> FrameSampler:
    sampler = FrameSampler(MediaConfig(**settings))
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
    assert sampler.near_duplicates == 4


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
    sampler = FrameSampler(MediaConfig(cut_threshold=1.0))
    for time_ms, pixels in ((0, blurred), (250, sharp), (500, blurred)):
        sampler.add(TimedFrame(time_ms, pixels))
    kept, _ = sampler.finish(750)
    assert [k.time_ms for k in kept] == [250]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from([RED, GREEN, BLUE]), min_size=1, max_size=60), st.integers(1, 9))
def test_the_budget_holds_and_order_is_kept(colors: list[Color], budget: int) -> None:
    frames = [frame(i * 250, color) for i, color in enumerate(colors)]
    kept, shots = sampled(frames, max_frames=budget, sample_ms=250).finish(len(frames) * 250)
    times = [k.time_ms for k in kept]
    assert 1 <= len(kept) <= budget
    assert times == sorted(set(times))
    assert shots[0].start_ms == 0
    assert shots[-1].end_ms == len(frames) * 250
    assert all(a.end_ms == b.start_ms for a, b in pairwise(shots))
