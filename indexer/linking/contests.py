"""Contests: what groups of products reach with one moment of a video, and what each keeps of it.

A moment shows or names few things, so groups that suit it are rivals. What a group keeps depends on
the rivals that are near the best, and on no other: what a million others reach far below it takes
nothing off. So the links of a video depend on few products. Which these are is known here, and by
it the videos that a changed product concerns (`reelshelf.indexer.linking.trace`).
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.links import LinkableVideo
from reelshelf.schemas.media import Vectors

# A rival so many softnesses behind the best is none.
REACH = 4.0
# So many rivals may go from a moment between two runs without a group's gain being overlooked.
_GONE = 2


class Kind(IntEnum):
    """What a contest is about. The numbers are stored."""

    SEEN = 0
    MEANT = 1
    HEARD = 2
    PRINTED = 3
    WRITTEN = 4
    SAID = 5
    POSTED = 6


# Where the words that one name claims are no other's.
CLAIMING = frozenset([Kind.WRITTEN, Kind.SAID, Kind.POSTED])


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """One moment, and the groups that reach anything with it.

    `place` tells contests of one kind in a video apart. Arrays are `(n,)`: `numbers` of groups, in
    order; `reached`, what each reaches alone; `own`, what its rivals leave of that; `beside`, what
    the contest's second signal says of it; `rivals`, whether it takes anything off others.
    `softness` is that by which shares are made, infinite where only the first keeps anything. A
    lead counts up to `lead`. What is below `least` is no match: it would say next to nothing.
    `matches` makes the matches of one of the groups, by its place in the arrays. `words` are those
    that each of them takes of a text, and `claimed` those that the best takes, as of `NameMatch`;
    none where there is no text.
    """

    kind: Kind
    place: int
    numbers: Numbers
    reached: Vectors
    own: Vectors
    beside: Vectors
    rivals: npt.NDArray[np.bool_]
    least: float
    softness: float
    lead: float
    matches: Callable[[int], Iterable[Match]]
    words: npt.NDArray[np.uint64] | None = None
    claimed: int = 0

    def nearest(self, most: int) -> list[int]:
        """The groups that reach most, up to so many."""
        first = np.argsort(-self.reached, kind="stable")[:most]
        return [int(number) for number in self.numbers[first]]

    def found(self, declared: Collection[int]) -> Iterable[Match]:
        """The matches of groups that keep enough, and of those that are declared and reach any."""
        chosen = self.own >= self.least
        if declared:
            chosen |= (self.reached > 0.0) & np.isin(self.numbers, list(declared))
        for column in np.flatnonzero(chosen).tolist():
            yield from self.matches(column)

    def most(self, staying: npt.NDArray[np.bool_]) -> tuple[Vectors, Vectors]:
        """`own` and `beside` as they would be at most, were some rivals gone.

        Those are for each group the strongest two of the others but for those that are `staying`.
        """
        if self.kind in CLAIMING:
            # Who claims a word of whom is not known here.
            return (self.own if staying[self.rivals].all() else self.reached), self.beside
        order = np.argsort(-self.reached, kind="stable")
        going = order[~staying[order]]
        left = np.maximum(
            _best_other(self.reached, order[staying[order]], 0),
            _best_other(self.reached, going, _GONE),
        )
        ahead = np.clip(self.reached - left, -self.lead, self.lead)
        if math.isinf(self.softness):
            return np.maximum(ahead, 0.0), self.beside
        # Each of the first may lose the others of them, and all the rest lose the very first.
        first = going[: _GONE + 1]
        most = _without(self.reached, first[:_GONE], self.softness)
        for place in first[:_GONE].tolist():
            most[place] = _without(self.reached, first[first != place], self.softness)[place]
        return np.maximum(most, self.own), ahead


def _best_other(reached: Vectors, ranked: Numbers, gone: int) -> Vectors:
    """What the best of some others of each reaches, without the first `gone` of them.

    `ranked` are the places of these, best first.
    """
    values = np.append(reached[ranked], np.zeros(gone + 2, np.float32))
    best = np.full(len(reached), values[gone], np.float32)
    best[ranked[: gone + 1]] = values[gone + 1]
    return best


def _without(reached: Vectors, gone: Numbers, softness: float) -> Vectors:
    left = reached.copy()
    left[gone] = 0.0
    return shared(left, softness)[0]


class Matcher(Protocol):
    """Holds the moments of a video against groups, in one way."""

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """Those of a video, in an order that is the same whatever catalog it is held against."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """What rivals leave of what each of a row of groups reaches; see `Contest`.

    `hints` are how much each reaches as far as none is better, however many are as good. They tell
    what a declaration may lean on: in a large catalog many products are as likely as the one that
    is declared, and that they are there makes it no less likely. `ahead` is how far each is ahead
    of the best other one, or of nothing; negative where behind.
    """

    own: Vectors
    hints: Vectors
    ahead: Vectors
    rivals: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, reached: Vectors, softness: float) -> "Shares":
        """Of what groups reach, `(n,)`, all above 0. A lead counts as far as rivals reach."""
        own, near = shared(reached, softness)
        lead = REACH * softness
        ahead = np.clip(_ahead(reached), -lead, lead)
        return cls(own, np.asarray(reached * near, np.float32), ahead, near > 0.0)


def first_alone(reached: Vectors, lead: float) -> Shares:
    """Where only the first keeps anything: what it is ahead of the next, up to `lead`."""
    ahead = _ahead(reached)
    own = np.clip(ahead, 0.0, lead)
    ranked = np.append(np.sort(reached)[::-1], np.zeros(2, np.float32))
    rivals = np.zeros(len(reached), bool)
    for value in ranked[:2].tolist():
        level = reached == value
        # More that are level are level still where some of them are gone.
        if value > max(ranked[0] - lead, 0.0) and level.sum() <= _GONE + 1:
            rivals |= level
    return Shares(own, own, ahead, rivals)


def _ahead(reached: Vectors) -> Vectors:
    """How far each of some is ahead of the best other, or of nothing; negative where behind."""
    order = np.argsort(-reached, kind="stable")
    return np.asarray(reached - _best_other(reached, order, 0), np.float32)


def shared(reached: Vectors, softness: float) -> tuple[Vectors, Vectors]:
    """What is left of what each of some `(n,)` reaches when its rivals have their share of it.

    Far ahead all of it, level with another half, with two others a third, far behind nothing;
    `softness` is the lead that counts as far. Also how near each is to the best: 1 for that, 0 from
    `REACH` softnesses on. What is nothing stays it.
    """
    if not len(reached):
        return reached.copy(), reached.copy()
    near = closeness((reached.max() - reached) / np.float32(softness))
    near = np.where(reached > 0.0, near, np.float32(0.0))
    return np.asarray(reached * near / max(float(near.sum()), 1e-12), np.float32), near


def closeness(behind: Vectors) -> Vectors:
    """How near what is so many softnesses behind the best is to it, 0..1."""
    left = (np.exp(-behind) - math.exp(-REACH)) / (1.0 - math.exp(-REACH))
    return np.asarray(np.where(behind < REACH, left, 0.0), np.float32)
