"""From scored videos to a list of results: one for each cluster, products spread."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heapreplace
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import UNKNOWN_DATE
from reelshelf.schemas.media import Vectors

_DAY_MS = 86_400_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A video by its place with its score; `product` is the place of what carries it, if any."""

    video: int
    cluster: int
    score: float
    product: int | None


def freshness(
    published: npt.NDArray[np.int64], now_ms: int, half_life_days: float
) -> npt.NDArray[np.float32]:
    """1 for videos published now, halved after each half-life; 0 where the date is not known.

    Times are milliseconds of UTC.
    """
    known = published != UNKNOWN_DATE
    age = np.maximum(now_ms - np.where(known, published, now_ms), 0) / _DAY_MS
    return np.where(known, 0.5 ** (age / half_life_days), 0.0).astype(np.float32)


def price_fit(prices: npt.NDArray[np.float64], least: float, most: float) -> Vectors:
    """1 in the middle of a price range, 0 at its ends and where a price is not known."""
    half = max((most - least) / 2.0, 1e-9)
    away = np.abs(prices - (least + most) / 2.0) / half
    return np.nan_to_num(np.clip(1.0 - away, 0.0, 1.0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Clustered:
    """The best video of a duplicate cluster, and the places of its other ones, best first."""

    best: Ranked
    copies: tuple[int, ...]


def one_of_each(ranked: Sequence[Ranked]) -> list[Clustered]:
    """One result for each duplicate cluster, best first."""
    ordered = sorted(ranked, key=lambda r: (-r.score, r.video))
    best: dict[int, Ranked] = {}
    copies: dict[int, list[int]] = {}
    for item in ordered:
        if item.cluster in best:
            copies[item.cluster].append(item.video)
        else:
            best[item.cluster], copies[item.cluster] = item, []
    return [Clustered(item, tuple(copies[cluster])) for cluster, item in best.items()]


class Spread(Generic[T]):
    """Results of which the best is taken again and again, with products spread.

    What shows a product loses `penalty` for each result that showed it before, as in maximal
    marginal relevance (Carbonell and Goldstein, 1998). `shown` counts those; several of these may
    share it. What a result is worth only falls: if the first of the heap is worth what it was, no
    other is worth more (lazy greedy: Minoux, "Accelerated greedy algorithms", 1978). Of equals the
    first is taken.
    """

    def __init__(
        self,
        items: Iterable[tuple[float, int | None, T]],
        penalty: float,
        shown: dict[int | None, int],
    ) -> None:
        """`items` are scores, the numbers of the products that are shown, and results."""
        self._penalty, self._shown = penalty, shown
        self._heap = [
            (-score, number, score, product, item)
            for number, (score, product, item) in enumerate(items)
        ]
        heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def worth(self) -> float:
        """What the best of what is left is worth; minus infinity where nothing is."""
        while self._heap:
            known, number, score, product, item = self._heap[0]
            again = 0 if product is None else self._shown.get(product, 0)
            worth = score - again * self._penalty
            if worth == -known:
                return worth
            heapreplace(self._heap, (-worth, number, score, product, item))
        return -math.inf

    def take(self) -> T:
        """The best of what is left, which counts as shown. Raises IndexError where nothing is."""
        self.worth()
        _, _, _, product, item = heappop(self._heap)
        self._shown[product] = self._shown.get(product, 0) + 1
        return item


def diversify(
    results: Sequence[Clustered], penalty: float, each_of: frozenset[int] = frozenset()
) -> Iterator[Clustered]:
    """Results, best first and products spread, as many as are asked for.

    First comes the best result of each product in `each_of`.
    """
    shown: dict[int | None, int] = {}
    first: set[int] = set()
    if each_of:
        for place in sorted(range(len(results)), key=lambda place: -results[place].best.score):
            product = results[place].best.product
            if product in each_of and product not in shown:
                shown[product] = 1
                first.add(place)
                yield results[place]
    left = (one for place, one in enumerate(results) if place not in first)
    spread = Spread(((one.best.score, one.best.product, one) for one in left), penalty, shown)
    while len(spread):
        yield spread.take()
