"""One timeline for streams whose clock does not run on.

Recorders that lose their signal begin to count anew, wrapped and joined transport streams jump. A
file is shown in the order of its frames all the same, so that times here go on where they were: at
each break all streams are moved by as much as the first that came to it had to be.
"""

from dataclasses import dataclass, field
from fractions import Fraction

# Frames that are shown out of order, and streams that are a little apart, go back by less.
_BACK = Fraction(1)
# A picture may hold for long where each has its own time; a running clock has no such holes.
_AHEAD = Fraction(10)
# Two streams come to the same break at slightly different times.
_SAME_BREAK = Fraction(2)


@dataclass(slots=True)
class _StreamClock:
    last: Fraction | None = None
    length: Fraction = Fraction(0)
    breaks: int = 0


@dataclass(slots=True)
class Clock:
    """Turns the times of one file's streams into times that never go back by much.

    `runs` says that the clock of the container runs on by itself, so that a jump ahead is a break
    too; in other containers a hole is a hole.
    """

    runs: bool
    _moved: list[Fraction] = field(default_factory=lambda: [Fraction(0)])
    _at: dict[int, _StreamClock] = field(default_factory=dict)

    @property
    def jumps(self) -> int:
        """How many breaks there were."""
        return len(self._moved) - 1

    def time_of(self, stream: int, given: Fraction, length: Fraction) -> Fraction:
        """When something is shown or heard that a stream says is so at `given`, in seconds."""
        own = self._at.setdefault(stream, _StreamClock())
        time = given + self._moved[own.breaks]
        if own.last is not None and self._breaks(time - own.last - own.length):
            time = self._after_break(own, given)
        if own.last is None or time > own.last:
            own.last, own.length = time, length
        return time

    def _breaks(self, ahead: Fraction) -> bool:
        return ahead < -_BACK or (self.runs and ahead > _AHEAD)

    def _after_break(self, own: _StreamClock, given: Fraction) -> Fraction:
        assert own.last is not None
        wanted = own.last + own.length
        # Another stream came to this break first, or to later ones as well.
        for number in range(own.breaks + 1, len(self._moved)):
            if abs(given + self._moved[number] - wanted) <= _SAME_BREAK:
                own.breaks = number
                return given + self._moved[number]
        self._moved.append(wanted - given)
        own.breaks = len(self._moved) - 1
        return wanted
