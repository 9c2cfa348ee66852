"""From scored videos to a list of results: one for each cluster, products spread."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import UNKNOWN_DATE
from reelshelf.schemas.media import Vectors

_DAY_MS = 86_400_000


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


def diversify(
    results: Sequence[Clustered], penalty: float, each_of: frozenset[int] = frozenset()
) -> Iterator[Clustered]:
    """Results, best first and products spread, as many as are asked for.

    First comes the best result of each product in `each_of`. The others are taken greedily; each
    one that sells what an earlier one sold loses a little, as in maximal marginal relevance
    (Carbonell and Goldstein, 1998).
    """
    remaining = list(results)
    shown: dict[int | None, int] = {}
    while remaining:
        due = each_of - shown.keys()
        ahead = [r for r in remaining if r.best.product in due] if due else []
        chosen = max(
            ahead or remaining, key=lambda r: r.best.score - _repeats(r.best, shown) * penalty
        )
        remaining.remove(chosen)
        product = chosen.best.product
        shown[product] = shown.get(product, 0) + 1
        yield chosen


def _repeats(item: Ranked, shown: Mapping[int | None, int]) -> int:
    return 0 if item.product is None else shown.get(item.product, 0)
