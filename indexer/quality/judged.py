"""How well a release answers queries that somebody has judged.

R@k is the share of a query's relevant videos among the first k, of at most k; nDCG@10 is with
binary relevance (Järvelin and Kekäläinen, 2002). A result stands for its duplicate cluster, whose
videos follow it. A query without an answer scores 0.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2

from reelshelf.indexer.search.results import SearchHit
from reelshelf.indexer.sources.queries import JudgedQuery
from reelshelf.indexer.text.clean import same_id

RESULTS = 20

Ask = Callable[[JudgedQuery], list[SearchHit]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One judged query with its scores, and how long its answer took."""

    query: JudgedQuery
    ndcg_at_10: float
    recall_at_5: float
    recall_at_10: float
    reciprocal_rank: float
    ms: float


def answer_all(queries: Sequence[JudgedQuery], ask: Ask) -> list[Answer]:
    """Ask every query once, after the first one has been asked to warm up."""
    if queries:
        ask(queries[0])
    return [_answer(query, ask) for query in queries]


def _answer(query: JudgedQuery, ask: Ask) -> Answer:
    began = time.perf_counter()
    hits = ask(query)
    taken = (time.perf_counter() - began) * 1000
    shown = (same_id(video) for hit in hits for video in (hit.video_id, *hit.copies))
    found = list(dict.fromkeys(shown))
    relevant = frozenset(map(same_id, query.relevant))
    return Answer(
        query,
        ndcg_at(10, found, relevant),
        recall_at(5, found, relevant),
        recall_at(10, found, relevant),
        reciprocal_rank(found, relevant),
        taken,
    )


def recall_at(k: int, found: Sequence[str], relevant: frozenset[str]) -> float:
    """Share of the relevant videos among the first `k` found."""
    return len(relevant & set(found[:k])) / min(k, len(relevant))


def reciprocal_rank(found: Sequence[str], relevant: frozenset[str]) -> float:
    """One over the place of the first relevant video; 0 where none was found."""
    return next((1 / place for place, video in enumerate(found, 1) if video in relevant), 0.0)


def ndcg_at(k: int, found: Sequence[str], relevant: frozenset[str]) -> float:
    """Discounted gain of the first `k`, over that of the best order there is."""
    gain = sum(1 / log2(place + 1) for place, video in enumerate(found[:k], 1) if video in relevant)
    return gain / sum(1 / log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))
