"""Stretches of speech in windows, and the way back."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.models.packing import LONGEST_S, Stretch, Window, pack
from reelshelf.schemas.media import SAMPLE_RATE


@st.composite
def speech(draw: st.DrawFn) -> list[Stretch]:
    """Stretches of some sounds, in order, none longer than a window."""
    found = []
    for sound in range(draw(st.integers(1, 6))):
        at = 0
        for _ in range(draw(st.integers(0, 6))):
            at += draw(st.integers(100, 20 * SAMPLE_RATE))
            end = at + draw(st.integers(160, 29 * SAMPLE_RATE))
            found.append(Stretch(sound, at, end))
            at = end
    return found


@given(speech())
def test_every_stretch_is_heard_once_whole_and_in_order(stretches: list[Stretch]) -> None:
    windows = list(pack(stretches))
    assert [stretch for window in windows for stretch in window.stretches] == stretches
    for window in windows:
        ends = [a + s.length for a, s in zip(window.places, window.stretches, strict=True)]
        assert ends[-1] <= LONGEST_S * SAMPLE_RATE
        assert all(place > end for end, place in zip(ends, window.places[1:], strict=False))
    # No two windows in a row would have been one.
    for one, other in pairwise(windows):
        first = other.stretches[0]
        used = one.places[-1] + one.stretches[-1].length
        assert used + SAMPLE_RATE + first.length > LONGEST_S * SAMPLE_RATE


@given(speech())
def test_what_is_heard_goes_back_to_where_it_was_said(stretches: list[Stretch]) -> None:
    for window in pack(stretches):
        for stretch, place in zip(window.stretches, window.places, strict=True):
            middle = (place + stretch.length / 2) / SAMPLE_RATE
            assert window.stretch_at(middle) == stretch
            said = (stretch.start + stretch.length / 2) * 1000 / SAMPLE_RATE
            assert abs(window.time_ms(stretch, middle) - said) <= 1


def test_between_stretches_there_is_silence() -> None:
    sounds = [np.full(SAMPLE_RATE * 4, 1000, np.int16), np.full(SAMPLE_RATE * 4, 2000, np.int16)]
    (window,) = pack([Stretch(0, 0, 16_000), Stretch(0, 48_000, 64_000), Stretch(1, 0, 16_000)])
    heard = window.samples(sounds)
    assert isinstance(window, Window)
    assert set(heard.tolist()) == {0, 1000, 2000}
    assert (heard == 1000).sum() == 32_000
    assert not heard[window.places[2] - 8_000 : window.places[2]].any()
