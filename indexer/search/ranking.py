"""From what the retrievers found to a list of results: score, one for each cluster, SKUs spread.

The first stage is a weighted sum of each retriever's best score for a video (CombSUM; Fox and
Shaw, "Combination of Multiple Searches", 1994). The final stage adds features that no retriever
knows: the authority of what is sold and the freshness of the video. Both are small and neutral for
what has no history, so they order what is otherwise equal and bury nothing that is new.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ranked:
    """A video with its score and the parts of it; `sku` is the product that carries it, if any."""

    video_key: str
    cluster: str
    score: float
    parts: tuple[tuple[str, float], ...]
    sku: str | None


def freshness(published: dt.datetime | None, now: dt.datetime, half_life_days: float) -> float:
    """1 for a video published now, halved after each half-life; 0 where the date is not known."""
    if published is None:
        return 0.0
    age = max(0.0, (now - published).total_seconds() / 86_400)
    return float(0.5 ** (age / half_life_days))


def diversify(
    ranked: Sequence[Ranked], penalty: float, k: int, each_of: frozenset[str] = frozenset()
) -> list[tuple[Ranked, list[str]]]:
    """At most `k` results, one for each duplicate cluster with its others' keys; SKUs spread.

    First comes the best result of each SKU in `each_of`. The others are taken greedily; each one
    that sells what an earlier one sold loses a little, as in maximal marginal relevance (Carbonell
    and Goldstein, 1998).
    """
    ordered = sorted(ranked, key=lambda r: (-r.score, r.video_key))
    best: dict[str, Ranked] = {}
    copies: dict[str, list[str]] = {}
    for item in ordered:
        if item.cluster in best:
            copies[item.cluster].append(item.video_key)
        else:
            best[item.cluster], copies[item.cluster] = item, []
    remaining = list(best.values())
    shown: dict[str | None, int] = {}
    result: list[tuple[Ranked, list[str]]] = []
    while remaining and len(result) < k:
        ahead = [r for r in remaining if r.sku in each_of and r.sku not in shown]
        chosen = max(ahead or remaining, key=lambda r: r.score - _repeats(r, shown) * penalty)
        remaining.remove(chosen)
        shown[chosen.sku] = shown.get(chosen.sku, 0) + 1
        result.append((chosen, copies[chosen.cluster]))
    return result


def _repeats(item: Ranked, shown: Mapping[str | None, int]) -> int:
    return 0 if item.sku is None else shown.get(item.sku, 0)
