from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.media.audio import SoundTrack
from reelshelf.models.whisper import windows
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


def test_long_sound_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    sound = np.full(16_000 * 300, 9000, np.int16)
    sound[16_000 * 50 : 16_000 * 51] = 3
    cut = windows(sound)
    assert (cut[0][0], cut[-1][1]) == (0, len(sound))
    assert all(a[1] == b[0] for a, b in pairwise(cut))
    assert all(end - start <= 16_000 * 60 for start, end in cut)
    assert 50 <= cut[0][1] / 16_000 <= 51
    assert windows(sound[: 16_000 * 60]) == [(0, 16_000 * 60)]


@given(st.lists(st.tuples(st.integers(-2000, 9000), st.integers(1, 500)), max_size=8))
def test_it_is_never_longer_than_allowed(parts: list[tuple[int, int]]) -> None:
    sound = assemble([chunk(start, ms) for start, ms in sorted(parts)], max_ms=4000)
    assert sound is None or len(sound) <= 4000 * 16
