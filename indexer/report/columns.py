"""What a report says of each vector column: its index, its recall, its drift."""

from math import sqrt

import numpy as np

from reelshelf.indexer.index.inspect import index_facts
from reelshelf.indexer.report.facts import Bin, ColumnFacts, Partitions
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.release import VectorIndex

_Z = 1.96
_SIZE_BINS = 16
_NO_ERROR = 1e-6


def column_facts(snapshot: ReleaseSnapshot) -> tuple[ColumnFacts, ...]:
    """Every vector column of a release."""
    return tuple(_facts(snapshot, index) for index in snapshot.release.indexes)


def _facts(snapshot: ReleaseSnapshot, index: VectorIndex) -> ColumnFacts:
    quality = snapshot.release.quality
    name = f"{index.table}.{index.column}"
    recall = quality.recall_at_10.get(name)
    queries = quality.recall_queries.get(name, 0)
    low = high = None
    if recall is not None and queries and index.kind != "flat":
        low, high = recall_bounds(recall, quality.recall_error[name], queries)
    return ColumnFacts(
        name=name,
        index=index,
        recall=recall,
        low=low,
        high=high,
        queries=queries,
        partitions=_partitions(snapshot, index) if index.kind != "flat" else None,
        unindexed=quality.health.unindexed.get(name, 0),
        missing=quality.health.missing.get(name, 0),
        bad_vectors=quality.bad_vectors.get(name, 0),
        moved=quality.health.moved.get(name),
        cosine=quality.health.centers.get(name),
        kinds=tuple(quality.recalls.get(name, ())),
    )


def recall_bounds(recall: float, error: float, queries: int) -> tuple[float, float]:
    """Where the recall lies with 95 % confidence: a score interval.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927. The
    tenth parts that a query finds hang together, so the trials counted are those that the measured
    standard error stands for, and never fewer than the queries.
    """
    spread = recall * (1 - recall)
    trials = max(float(queries), spread / error**2 if error > _NO_ERROR else 0.0)
    return wilson(recall, trials)


def wilson(share: float, trials: float) -> tuple[float, float]:
    """Bounds of a share that was found in `trials` independent trials."""
    if trials <= 0:
        return 0.0, 1.0
    square = _Z**2 / trials
    middle = (share + square / 2) / (1 + square)
    half = _Z * sqrt(share * (1 - share) / trials + square / (4 * trials)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def _partitions(snapshot: ReleaseSnapshot, index: VectorIndex) -> Partitions | None:
    dataset = snapshot.store.dataset(index.table, snapshot.release.table_version(index.table))
    found = index_facts(dataset, index.name)
    if not found.partitions:
        return None
    sizes = np.array(found.partitions)
    counts, edges = np.histogram(sizes, min(_SIZE_BINS, max(1, len(np.unique(sizes)))))
    bins = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    return Partitions(
        count=len(sizes),
        smallest=int(sizes.min()),
        median=float(np.median(sizes)),
        largest=int(sizes.max()),
        empty=int((sizes == 0).sum()),
        imbalance=found.imbalance,
        sizes=tuple(Bin(*item) for item in bins),
    )
