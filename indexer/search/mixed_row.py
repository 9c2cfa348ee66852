"""One row of videos, lives and products, by how likely a shopper wants each.

Scores of videos and of products are on scales of their own. Each is brought to a probability by a
logistic function of its score (Platt, "Probabilistic outputs for support vector machines", 1999),
fitted on judged queries. Rules may keep places for a kind.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.search.curation import Pinned
from reelshelf.indexer.search.ranking import Clustered
from reelshelf.schemas.rules import ResultKind

# What a result loses for each earlier one that shows the same product: its video, or the product.
_REPEATED = 0.1


@dataclass(frozen=True, slots=True)
class Scale:
    """The probability of a score, on the scale of one kind of results."""

    slope: float
    offset: float

    def probability(self, score: float) -> float:
        """How likely a result of such a score is wanted, in 0..1."""
        # This form of the logistic function does not overflow.
        return 0.5 + 0.5 * math.tanh(0.5 * (self.slope * score + self.offset))


# Fitted by `benchmarks.row_scales`.
OF_VIDEOS, OF_PRODUCTS = Scale(8.0, -4.55), Scale(6.6, -5.2)


@dataclass(frozen=True, slots=True)
class MixedItem:
    """A result of any kind: a video by its place, or a product by its.

    `group` numbers the group of products that it shows, None where it is not known.
    """

    kind: ResultKind
    place: int
    score: float
    probability: float
    group: int | None
    video: Clustered | None = None

    @property
    def is_product(self) -> bool:
        """Whether it is a product."""
        return self.video is None


def mixed(
    items: Sequence[MixedItem],
    slots: Mapping[int, ResultKind],
    pins: Sequence[tuple[int, MixedItem]],
) -> Iterator[MixedItem]:
    """Results, the likeliest first and products spread.

    At a place of `slots` the likeliest of that kind is taken, if there is one left. `pins` are
    shown at their places, whatever their kind.
    """
    waiting = sorted(pins, key=lambda pin: pin[0])
    pinned = {(one.is_product, one.place) for _, one in waiting}
    remaining = [one for one in items if (one.is_product, one.place) not in pinned]
    shown: dict[int | None, int] = {}
    at = 0

    def worth(one: MixedItem) -> float:
        again = 0 if one.group is None else shown.get(one.group, 0)
        return one.probability - _REPEATED * again

    while remaining or waiting:
        if waiting and (waiting[0][0] <= at or not remaining):
            chosen = waiting.pop(0)[1]
        else:
            kind = slots.get(at)
            chosen = max([one for one in remaining if one.kind == kind] or remaining, key=worth)
            remaining.remove(chosen)
        shown[chosen.group] = shown.get(chosen.group, 0) + 1
        at += 1
        yield chosen


def pins_of(
    pinned: Sequence[Pinned], known: Mapping[tuple[bool, int], MixedItem]
) -> list[tuple[int, MixedItem]]:
    """Pins of the row; `known` has an item for each by its kind and place."""
    return [(pin.in_row, known[pin.is_product, pin.place]) for pin in pinned]
