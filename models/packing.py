"""Packing stretches of speech into the windows that a recognizer hears.

A window holds whole stretches, of one sound or of several, with silence between them, so that what
is heard in one is not taken for the end of another. Stretches stay in their order: a window is
filled until the next one does not fit any more.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.schemas.media import SAMPLE_RATE, Samples

# Whisper's windows, in seconds.
LONGEST_S = 30
# Silence between two stretches: as long as it was, at most and at least so long.
_APART_S, _NEXT_S = 0.8, 0.2


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where somebody speaks: `samples[start:end]` of the sound with this number."""

    sound: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """In samples."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Window:
    """Stretches of speech, each with its place in the window, in samples."""

    stretches: tuple[Stretch, ...]
    places: tuple[int, ...]

    @property
    def sounds(self) -> tuple[int, ...]:
        """The numbers of the sounds in it."""
        return tuple(dict.fromkeys(stretch.sound for stretch in self.stretches))

    def samples(self, sounds: Sequence[Samples]) -> Samples:
        """What is heard in it."""
        last, place = self.stretches[-1], self.places[-1]
        heard = np.zeros(place + last.length, np.int16)
        for stretch, at in zip(self.stretches, self.places, strict=True):
            own = sounds[stretch.sound][stretch.start : stretch.end]
            heard[at : at + len(own)] = own
        return heard

    def stretch_at(self, second: float) -> Stretch:
        """The stretch that is heard at a time of the window, or else the nearest to it."""
        at = second * SAMPLE_RATE

        def distance(number: int) -> float:
            start = self.places[number]
            return max(start - at, at - start - self.stretches[number].length, 0.0)

        return self.stretches[min(range(len(self.stretches)), key=distance)]

    def time_ms(self, stretch: Stretch, second: float) -> int:
        """When in its own sound something is heard, within the stretch that it belongs to."""
        place = self.places[self.stretches.index(stretch)]
        within = min(max(round(second * SAMPLE_RATE) - place, 0), stretch.length)
        return (stretch.start + within) * 1000 // SAMPLE_RATE


def pack(stretches: Iterable[Stretch], *, shared: bool = True) -> Iterator[Window]:
    """Windows of at most `LONGEST_S`, and of one stretch where that alone is longer.

    Unless windows are `shared`, each is of one sound.
    """
    held: list[Stretch] = []
    places: list[int] = []
    for stretch in stretches:
        place = 0
        if held:
            place = places[-1] + held[-1].length + _pause(held[-1], stretch)
            alone = not shared and held[-1].sound != stretch.sound
            if alone or place + stretch.length > LONGEST_S * SAMPLE_RATE:
                yield Window(tuple(held), tuple(places))
                held, places, place = [], [], 0
        held.append(stretch)
        places.append(place)
    if held:
        yield Window(tuple(held), tuple(places))


def _pause(before: Stretch, after: Stretch) -> int:
    pause = _APART_S
    if before.sound == after.sound:
        pause = min(max((after.start - before.end) / SAMPLE_RATE, _NEXT_S), _APART_S)
    return round(pause * SAMPLE_RATE)
