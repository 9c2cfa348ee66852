import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indexer.media.audio import assemble
from schemas.media import AudioChunk


def chunk(start_ms: int, ms: int, value: float = 0.5) -> AudioChunk:
    return AudioChunk(start_ms, np.full(ms * 16, value, np.float32))


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


def test_broken_samples_become_harmless() -> None:
    bad = AudioChunk(0, np.array([np.nan, np.inf, -9.0, 0.25], np.float32))
    sound = assemble([bad], max_ms=1000)
    assert sound is not None
    np.testing.assert_array_equal(sound, [0.0, 1.0, -1.0, 0.25])


@given(st.lists(st.tuples(st.integers(-2000, 9000), st.integers(1, 500)), max_size=8))
def test_it_is_never_longer_than_allowed(parts: list[tuple[int, int]]) -> None:
    sound = assemble([chunk(start, ms) for start, ms in sorted(parts)], max_ms=4000)
    assert sound is None or len(sound) <= 4000 * 16
