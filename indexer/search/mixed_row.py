"""One row of videos, lives and products, by how likely a shopper wants each.

Scores of videos and of products are on scales of their own. Each is brought to a probability by a
logistic function of its score (Platt, "Probabilistic outputs for support vector machines", 1999),
fitted on judged queries. Rules may keep places for a kind.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.search.curation import Pinned
from reelshelf.indexer.search.ranking import Clustered, Spread
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
    waiting = deque(sorted(pins, key=lambda pin: pin[0]))
    pinned = {(one.is_product, one.place) for _, one in waiting}
    shown: dict[int | None, int] = {}
    free = [one for one in items if (one.is_product, one.place) not in pinned]
    kinds = dict.fromkeys(one.kind for one in free)
    spreads = {
        kind: Spread(
            ((one.probability, one.group, one) for one in free if one.kind == kind),
            _REPEATED,
            shown,
        )
        for kind in kinds
    }
    for at in range(len(free) + len(waiting)):
        left = [kind for kind, spread in spreads.items() if len(spread)]
        if waiting and (waiting[0][0] <= at or not left):
            chosen = waiting.popleft()[1]
            shown[chosen.group] = shown.get(chosen.group, 0) + 1
            yield chosen
            continue
        kind = slots.get(at)
        best = kind if kind in left else max(left, key=lambda one: spreads[one].worth())
        yield spreads[best].take()


def pins_of(
    pinned: Sequence[Pinned], known: Mapping[tuple[bool, int], MixedItem]
) -> list[tuple[int, MixedItem]]:
    """Pins of the row; `known` has an item for each by its kind and place."""
    return [(pin.in_row, known[pin.is_product, pin.place]) for pin in pinned]
