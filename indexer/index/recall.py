"""How well an index finds what exact search finds, and what that costs.

Queries are rows of the column, or vectors near them. What is identical to a query is left out on
both sides: a stored vector finds itself in any index and would flatter it.
"""

import time
from dataclasses import dataclass

import lance
import numpy as np

from indexer.store.rows import vector_matrix
from schemas.media import Vectors
from schemas.release import SearchPoint, VectorIndex

K = 10
# Cosine distances of float32 vectors are no more exact than this.
_SAME = 1e-5
# A query with more copies than this is met by any of them; it says nothing about an index.
_MOST_COPIES = 50


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Queries `(q, dim)` with the distance of the tenth nearest row, and how many copies each has.

    `wanted` is how many rows there are to find: ten, or fewer in a small table.
    """

    queries: Vectors
    limits: "np.ndarray[tuple[int], np.dtype[np.float32]]"
    copies: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    wanted: int


def exact(dataset: lance.LanceDataset, column: str, queries: Vectors) -> Truth:
    """Exact search, streaming: memory does not grow with the rows."""
    nearest = np.full((len(queries), K), np.inf, np.float32)
    copies = np.zeros(len(queries), np.int64)
    rows = 0
    scanner = dataset.scanner(columns=[column], filter=f"{column} IS NOT NULL", batch_size=8192)
    for batch in scanner.to_batches():
        vectors = vector_matrix(batch[column])
        rows += len(vectors)
        distances = 1.0 - queries @ vectors.T
        same = distances <= _SAME
        copies += same.sum(axis=1)
        distances[same] = np.inf
        nearest = np.partition(np.hstack([nearest, distances]), K - 1, axis=1)[:, :K]
    found = np.isfinite(nearest)
    wanted = min(K, int(found.sum(axis=1).max(initial=0)))
    limits = np.where(found, nearest, -np.inf).max(axis=1)
    useful = (copies <= _MOST_COPIES) & (found.sum(axis=1) >= min(wanted, rows)) & (wanted > 0)
    return Truth(queries[useful], limits[useful], copies[useful], wanted)


@dataclass(frozen=True, slots=True)
class Measured:
    """Recall@10 with its standard error, over `queries` queries, and milliseconds per query."""

    recall: float
    error: float
    queries: int
    p50_ms: float
    p95_ms: float

    @property
    def surely(self) -> float:
        """A recall that the index has in five cases of six."""
        return self.recall - self.error


def measure_recall(dataset: lance.LanceDataset, index: VectorIndex, truth: Truth) -> Measured:
    """Search every query as the release would."""
    shares: list[float] = []
    taken: list[float] = []
    for query, limit, copies in zip(truth.queries, truth.limits, truth.copies, strict=True):
        began = time.perf_counter()
        distances = search(dataset, index, query, truth.wanted + int(copies))
        taken.append((time.perf_counter() - began) * 1000)
        # Rows at the distance of the tenth are as good as the tenth.
        hits = int(((distances > _SAME) & (distances <= limit + _SAME)).sum())
        shares.append(min(hits, truth.wanted) / truth.wanted)
    if not shares:
        return Measured(1.0, 0.0, 0, 0.0, 0.0)
    found = np.array(shares)
    return Measured(
        recall=float(found.mean()),
        error=float(found.std() / np.sqrt(len(found))),
        queries=len(found),
        p50_ms=float(np.percentile(taken, 50)),
        p95_ms=float(np.percentile(taken, 95)),
    )


def search(
    dataset: lance.LanceDataset, index: VectorIndex, query: Vectors, k: int
) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    """Cosine distances of the `k` rows found for one query, in the way the release says."""
    nearest: dict[str, object] = {
        "column": index.column,
        "q": query,
        "k": k,
        "metric": "cosine",
        "use_index": index.kind != "flat",
    }
    if index.kind != "flat":
        nearest |= {"nprobes": index.nprobes, "refine_factor": index.refine_factor}
    found = dataset.to_table(columns=["_distance"], nearest=nearest)
    return np.asarray(found["_distance"].to_numpy(), np.float32)


def bytes_read(index: VectorIndex, dim: int) -> int:
    """What one query touches: the codes of the probed partitions, and full vectors to refine."""
    codes = index.rows * index.nprobes // max(index.partitions, 1) * index.sub_vectors
    return codes + index.refine_factor * K * dim * 4


_REFINE = (5, 10, 20, 40)
_FIRST = 64


def tune(
    dataset: lance.LanceDataset, index: VectorIndex, truths: list[Truth], dim: int
) -> VectorIndex:
    """The index with the settings that read least and reach its target for every set of queries.

    Probes double up to all partitions, for each refine factor; then the last step is halved. Where
    nothing reaches the target, the settings that came nearest are taken, and the gate will judge.
    """
    curve: list[SearchPoint] = []

    def at(nprobes: int, refine: int) -> tuple[SearchPoint, float]:
        tried = index.model_copy(update={"nprobes": nprobes, "refine_factor": refine})
        found = [measure_recall(dataset, tried, truth) for truth in truths]
        worst = min(found, key=lambda m: m.surely)
        point = SearchPoint(
            nprobes=nprobes,
            refine_factor=refine,
            recall=round(worst.recall, 4),
            p50_ms=round(worst.p50_ms, 2),
            p95_ms=round(worst.p95_ms, 2),
            bytes_read=bytes_read(tried, dim),
        )
        curve.append(point)
        return point, worst.surely

    best: SearchPoint | None = None
    for refine in [index.refine_factor] if index.refine_factor else _REFINE:
        short = 0
        for nprobes in _ladder(index):
            tried = index.model_copy(update={"nprobes": nprobes, "refine_factor": refine})
            if best is not None and bytes_read(tried, dim) >= best.bytes_read:
                break
            point, surely = at(nprobes, refine)
            if surely < index.recall_target:
                short = nprobes
                continue
            best = point
            between = (short + nprobes) // 2
            if short and short < between < nprobes:
                point, surely = at(between, refine)
                best = point if surely >= index.recall_target else best
            break
    chosen = best or max(curve, key=lambda point: (point.recall, -point.bytes_read))
    return index.model_copy(
        update={
            "nprobes": chosen.nprobes,
            "refine_factor": chosen.refine_factor,
            "curve": sorted(curve, key=lambda p: (p.refine_factor, p.nprobes)),
        }
    )


def _ladder(index: VectorIndex) -> list[int]:
    if index.nprobes:
        return [index.nprobes]
    steps = [max(1, index.partitions // _FIRST)]
    while steps[-1] < index.partitions:
        steps.append(min(index.partitions, steps[-1] * 2))
    return steps
