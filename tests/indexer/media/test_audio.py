import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.media.audio import SoundTrack, is_silent
from reelshelf.schemas.media import AudioChunk, Samples


def assemble(chunks: list[AudioChunk], *, max_ms: int) -> Samples | None:
    track = SoundTrack(max_ms)
    for part in chunks:
        track.add(part)
    return track.finish()


def chunk(start_ms: int, ms: int, value: int = 5000) -> AudioChunk:
    return AudioChunk(start_ms, np.full(ms * 16, value, np.int16))


def test_sound_that_starts_late_is_heard_late() -> None:
    sound = assemble([chunk(3000, 100)], max_ms=60_000)
    assert sound is not None
    assert not sound[: 3000 * 16].any()
    assert sound[3000 * 16 :].all()


def test_a_hole_in_the_sound_is_filled_with_silence() -> None:
    sound = assemble([chunk(0, 100), chunk(1000, 100)], max_ms=60_000)
    assert sound is not None
    assert len(sound) == 1100 * 16
    assert not sound[100 * 16 : 1000 * 16].any()


def test_sound_before_the_start_is_cut_off() -> None:
    sound = assemble([chunk(-500, 1000)], max_ms=60_000)
    assert sound is not None
    assert len(sound) == 500 * 16


def test_no_chunks_mean_no_sound() -> None:
    assert assemble([], max_ms=1000) is None


@given(st.lists(st.tuples(st.integers(-2000, 9000), st.integers(1, 500)), max_size=8))
def test_it_is_never_longer_than_allowed(parts: list[tuple[int, int]]) -> None:
    sound = assemble([chunk(start, ms) for start, ms in sorted(parts)], max_ms=4000)
    assert sound is None or len(sound) <= 4000 * 16


def stereo(left: Samples, right: Samples) -> AudioChunk:
    return AudioChunk(0, np.stack([left, right], axis=1).astype(np.int16))


def _voice(seconds: int) -> Samples:
    rng = np.random.default_rng(0)
    return (rng.standard_normal(seconds * 16_000) * 3000).astype(np.int16)


@pytest.mark.parametrize(("left", "right"), [(1, -1), (1, 0), (0, 1), (1, 1), (0.7, 0.7)], ids=str)
def test_a_voice_is_heard_however_its_channels_are(left: float, right: float) -> None:
    voice = _voice(3)
    sound = assemble([stereo(voice * left, voice * right)], max_ms=60_000)
    assert sound is not None
    assert sound.ndim == 1
    loud = np.abs(sound.astype(int)).mean() / np.abs(voice.astype(int)).mean()
    assert loud > 0.65
    assert abs(np.corrcoef(sound, voice)[0, 1]) > 0.99


def test_silence_is_told_from_a_whisper() -> None:
    assert is_silent(None)
    assert is_silent(np.zeros(16_000, np.int16))
    quiet = np.zeros(16_000 * 60, np.int16)
    quiet[16_000 * 40 : 16_000 * 41] = 40
    assert not is_silent(quiet)
