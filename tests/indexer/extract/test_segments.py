from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.segments import cut_moments, segment_videos, stage_fingerprints
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodeCounts, DecodedVideo, Shot, TimedFrame, VideoInfo
from reelshelf.schemas.outcomes import SourceStamp, VideoJob
from reelshelf.schemas.run import Stage, StageFingerprints
from tests.support.clips import BLUE, RED, WHITE, Color, textured
from tests.support.fakes import FakeReader, load_fakes

CONFIG = parse_config({})


def video(colors: list[Color], *, sound: bool = False, corner: Color | None = None) -> DecodedVideo:
    """One frame and one shot for each color, a second long."""
    pictures = [textured(color, 64, 64, corner) for color in colors]
    frames = [TimedFrame(i * 1000, p, FakeReader().detect(p)) for i, p in enumerate(pictures)]
    end = len(colors) * 1000
    return DecodedVideo(
        content_sha256="00",
        info=VideoInfo(64, 64, 0, "h264", "mp4", end, sound),
        frames=tuple(frames),
        shots=tuple(Shot(i * 1000, (i + 1) * 1000) for i in range(len(colors))),
        audio=np.full(end * 16, 9000, np.int16) if sound else None,
        end_ms=end,
        counts=DecodeCounts(len(frames), len(frames), 0, 0),
    )


def job(name: str) -> VideoJob:
    stamp = SourceStamp(1, 1, 1, 1)
    return VideoJob(video_key("shop", name), VideoSource(name, name), stamp)


def test_what_is_shown_written_and_said_meets_in_one_segment() -> None:
    models = load_fakes(CONFIG)
    (result,) = segment_videos(
        [(job("v"), video([RED], sound=True, corner=WHITE))], models, CONFIG, Meter()
    )
    (segment,) = result.segments
    assert segment.text == "written words\na crimson kettle"
    assert segment.text_vector is not None
    assert result.language == "en"
    assert result.absent == ()


def test_a_silent_video_names_its_missing_sound_and_has_no_text_vector() -> None:
    (result,) = segment_videos([(job("v"), video([RED]))], load_fakes(CONFIG), CONFIG, Meter())
    assert result.absent == ("audio",)
    assert result.segments[0].text_vector is None


def test_a_batch_gives_what_each_video_gives_alone() -> None:
    models = load_fakes(CONFIG)
    pairs = [(job("a"), video([RED, BLUE], sound=True)), (job("b"), video([BLUE], corner=WHITE))]
    together = segment_videos(pairs, models, CONFIG, Meter())
    apart = [segment_videos([pair], models, CONFIG, Meter())[0] for pair in pairs]
    for one, other in zip(together, apart, strict=True):
        assert [s.segment_key for s in one.segments] == [s.segment_key for s in other.segments]
        assert [s.text for s in one.segments] == [s.text for s in other.segments]
        for s, t in zip(one.segments, other.segments, strict=True):
            np.testing.assert_allclose(s.frame_vector, t.frame_vector, atol=1e-6)


@given(
    st.lists(st.integers(200, 9000), min_size=1, max_size=5),
    st.lists(st.integers(0, 20_000), max_size=12, unique=True),
    st.integers(500, 5000),
)
def test_moments_hold_every_frame_once_and_never_overlap(
    lengths: list[int], times: list[int], segment_ms: int
) -> None:
    bounds = np.cumsum([0, *lengths]).tolist()
    shots = [Shot(a, b) for a, b in pairwise(bounds)]
    pixels = np.zeros((2, 2, 3), np.uint8)
    frames = [TimedFrame(t, pixels) for t in sorted(times) if t < bounds[-1]]
    moments = cut_moments(shots, frames, segment_ms)
    stored = [i for moment in moments for i in moment.frames]
    assert stored == list(range(len(frames)))
    if not frames:
        return
    assert moments[0].start_ms == 0
    assert moments[-1].end_ms == bounds[-1]
    assert all(a.end_ms == b.start_ms for a, b in pairwise(moments))


@pytest.mark.parametrize(("length", "moments"), [(4000, 1), (4200, 1), (4300, 2), (8300, 3)])
def test_a_shot_that_is_hardly_longer_than_a_moment_is_one(length: int, moments: int) -> None:
    blank = np.zeros((8, 8, 3), np.uint8)
    frames = [TimedFrame(time, blank) for time in range(0, length, 500)]
    assert len(cut_moments([Shot(0, length)], frames, 4000)) == moments


def test_a_stage_changes_with_its_own_settings_and_what_it_builds_on() -> None:
    refs = load_fakes(CONFIG).refs

    def fingerprints(**sections: dict[str, object]) -> StageFingerprints:
        return stage_fingerprints(parse_config(sections), refs)

    base, quiet = fingerprints(), fingerprints(asr={"min_log_probability": -0.5})
    assert {stage for stage in base if quiet[stage] != base[stage]} == {Stage.ASR, Stage.TEXT}
    assert fingerprints(linking={"keep_above": 0.2}) == base
