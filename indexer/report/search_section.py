"""What a report says of search: judged queries, now and with the release before."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from reelshelf.indexer.quality.judged import Answer
from reelshelf.indexer.report.facts import (
    KindOfQuery,
    Listing,
    QueryChange,
    SearchQuality,
    SearchScores,
)
from reelshelf.indexer.sources.queries import Judged
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text.clean import same_id

ALL = "all"
# Scores of one query that differ by less are the same.
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class JudgedFile:
    """Judged queries, and the file they were read from."""

    name: str
    read: Judged
    sha256: str


@dataclass(frozen=True, slots=True)
class Before:
    """How the release before answers the same queries, or why it was not asked."""

    release_id: str | None = None
    answers: Sequence[Answer] | None = None
    why_not: str | None = None


def search_section(
    snapshot: ReleaseSnapshot, judged: JudgedFile, now: Sequence[Answer], before: Before
) -> SearchQuality:
    """What the answers to all judged queries come to, beside those of the release before."""
    queries, then = judged.read.queries, before.answers
    kinds = sorted({answer.query.kind for answer in now} - {ALL})
    taken = [answer.ms for answer in now]
    stored = set(map(same_id, snapshot.scan("videos", ["video_id"])["video_id"].to_pylist()))
    relevant = {same_id(video) for query in queries for video in query.relevant}
    changes = _changes(now, then) if then is not None else []
    return SearchQuality(
        source=judged.name,
        sha256=judged.sha256,
        kinds=tuple(_kind(kind, now, then) for kind in [ALL, *kinds]),
        won=Listing.of([c for c in reversed(changes) if c.now > c.before]),
        lost=Listing.of([c for c in changes if c.now < c.before]),
        unanswered=sum(answer.reciprocal_rank == 0 for answer in now),
        p50_ms=float(np.percentile(taken, 50)),
        p95_ms=float(np.percentile(taken, 95)),
        before_id=before.release_id if then is not None else None,
        not_compared=before.why_not,
        unknown_videos=len(relevant - stored),
        rejected=len(judged.read.rejected),
    )


def _kind(kind: str, now: Sequence[Answer], then: Sequence[Answer] | None) -> KindOfQuery:
    def of(answers: Sequence[Answer]) -> list[Answer]:
        return [a for a in answers if kind in (ALL, a.query.kind)]

    earlier = _means(of(then)) if then is not None else None
    return KindOfQuery(kind, len(of(now)), _means(of(now)), earlier)


def _means(answers: Sequence[Answer]) -> SearchScores:
    return SearchScores(
        ndcg_at_10=fmean(answer.ndcg_at_10 for answer in answers),
        recall_at_5=fmean(answer.recall_at_5 for answer in answers),
        recall_at_10=fmean(answer.recall_at_10 for answer in answers),
        mrr=fmean(answer.reciprocal_rank for answer in answers),
    )


def _changes(now: Sequence[Answer], then: Sequence[Answer]) -> list[QueryChange]:
    """Queries whose nDCG differs, the worst loss first."""
    found = [
        QueryChange(
            new.query.query_id,
            new.query.kind,
            new.query.text or f"picture {new.query.image.name if new.query.image else ''}",
            new.ndcg_at_10,
            old.ndcg_at_10,
        )
        for new, old in zip(now, then, strict=True)
        if abs(new.ndcg_at_10 - old.ndcg_at_10) > _SAME
    ]
    return sorted(found, key=lambda change: (change.now - change.before, change.query_id))
