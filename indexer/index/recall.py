"""How well an index finds what exact search finds, and what that costs.

Queries are rows of the column, or vectors near them. What is identical to a query is left out on
both sides: a stored vector finds itself in any index and would flatter it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import lance
import numpy as np
import numpy.typing as npt

from reelshelf.indexer.index.parts import ColumnPart, TaskMapper, column_parts
from reelshelf.indexer.index.quantizer import decoded
from reelshelf.indexer.index.queries import QuerySet
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer
from reelshelf.schemas.release import SearchPoint, VectorIndex

K = 10
# Cosine distances of float32 vectors are no more exact than this.
_SAME = 1e-5
# A query with more copies than this is met by any of them; it says nothing about an index.
_MOST_COPIES = 50
# Coded distances are sums of a few float32 squares, by Lance and by FAISS in another order.
_SAME_CODE = 1e-3
_CODE_QUERIES = 30
# So many groups of queries, and a tenth of them is one at least.
_LEAST_GROUPS = 10
# While tuning, a setting that is far from the target need not be measured to the last query.
_LOOK_EVERY = 40
_CLEAR = 4.0
_LEAST_ERROR = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """Queries `(q, dim)` with the distance of the tenth nearest row, and how many copies each has.

    `wanted` is how many rows there are to find: ten, or fewer in a small table. `kind` says what
    the queries are, and `groups`, `(q,)`, which of them are alike: of one category, or near one
    centroid. -1 is no group.
    """

    queries: Vectors
    limits: "np.ndarray[tuple[int], np.dtype[np.float32]]"
    copies: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    wanted: int
    kind: str = ""
    groups: "np.ndarray[tuple[int], np.dtype[np.int64]] | None" = None


def exact_search(dataset: lance.LanceDataset, column: str, queries: Vectors) -> GroundTruth:
    """Exact search, streaming: memory does not grow with the rows."""
    return exact_searches(dataset, column, [QuerySet("", queries)])[0]


def exact_searches(
    dataset: lance.LanceDataset, column: str, sets: Sequence[QuerySet]
) -> list[GroundTruth]:
    """The same for several sets of queries, reading the column once."""
    return _truths_of(sets, _nearest(dataset, column, _all_of(sets)))


def map_exact_searches(
    pinned: PinnedTables,
    table: str,
    column: str,
    sets: Sequence[QuerySet],
    map_tasks: TaskMapper,
    workers: int,
) -> list[GroundTruth]:
    """The same in tasks, each over some fragments of the table."""
    numbers = [piece.fragment_id for piece in pinned.dataset(table).get_fragments()]
    queries = _all_of(sets)
    parts = [_Part(part, queries) for part in column_parts(pinned, table, column, numbers, workers)]
    together = reduce(_Nearest.beside, map_tasks(_search_part, parts))
    return _truths_of(sets, together)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some fragments of a column for one task, and all queries."""

    part: ColumnPart
    queries: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class _Nearest:
    """The ten smallest distances of each query, `(q, 10)`, copies of it, and rows looked at."""

    distances: Vectors
    copies: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    rows: int

    def beside(self, other: "_Nearest") -> "_Nearest":
        """Of both together."""
        both = np.sort(np.hstack([self.distances, other.distances]), axis=1)[:, :K]
        return _Nearest(both, self.copies + other.copies, self.rows + other.rows)


def _search_part(part: _Part) -> _Nearest:
    return _nearest(part.part.dataset, part.part.column, part.queries, part.part.fragments)


def _all_of(sets: Sequence[QuerySet]) -> Vectors:
    return np.concatenate([own.vectors for own in sets])


def _nearest(
    dataset: lance.LanceDataset,
    column: str,
    queries: Vectors,
    fragments: Sequence[int] | None = None,
) -> _Nearest:
    """Look at all rows of a column, or at those of some pieces, a batch at a time."""
    nearest = np.full((len(queries), K), np.inf, np.float32)
    copies = np.zeros(len(queries), np.int64)
    rows = 0
    pieces = None if fragments is None else [dataset.get_fragment(n) for n in fragments]
    scanner = dataset.scanner(
        columns=[column], filter=f"{column} IS NOT NULL", batch_size=8192, fragments=pieces
    )
    for batch in scanner.to_batches() if len(queries) and pieces != [] else ():
        vectors = vector_matrix(batch[column])
        rows += len(vectors)
        nearest, same = _nearer(nearest, queries, vectors)
        copies += same
    return _Nearest(nearest, copies, rows)


def _truths_of(sets: Sequence[QuerySet], found_all: _Nearest) -> list[GroundTruth]:
    nearest, copies, rows = found_all.distances, found_all.copies, found_all.rows
    found = np.isfinite(nearest)
    limits = np.where(found, nearest, -np.inf).max(axis=1)
    ends = np.cumsum([len(own.vectors) for own in sets])
    truths = []
    for own, end in zip(sets, ends, strict=True):
        part = slice(end - len(own.vectors), end)
        there = found[part].sum(axis=1)
        wanted = min(K, int(there.max(initial=0)))
        useful = (copies[part] <= _MOST_COPIES) & (there >= min(wanted, rows)) & (wanted > 0)
        groups = None if own.groups is None else own.groups[useful]
        truths.append(
            GroundTruth(
                own.vectors[useful],
                limits[part][useful],
                copies[part][useful],
                wanted,
                own.kind,
                groups,
            )
        )
    return truths


def _nearer(
    nearest: Vectors, queries: Vectors, vectors: Vectors
) -> "tuple[Vectors, np.ndarray[tuple[int], np.dtype[np.int64]]]":
    """The ten smallest distances of each query after some more rows, and copies among these."""
    distances = 1.0 - queries @ vectors.T
    same = distances <= _SAME
    copies = np.count_nonzero(same, axis=1)
    # Most rows are nearer to no query than the ten that it has: only the others are sorted.
    places, columns = np.nonzero((distances < nearest[:, -1:]) & ~same)
    counts = np.bincount(places, minlength=len(queries))
    wide = np.full((len(queries), K + int(counts.max(initial=0))), np.inf, np.float32)
    wide[:, :K] = nearest
    offsets = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
    wide[places, K + offsets] = distances[places, columns]
    best = np.partition(wide, K - 1, axis=1)[:, :K] if wide.shape[1] > K else wide
    return np.sort(best, axis=1), copies


@dataclass(frozen=True, slots=True)
class Measured:
    """Recall@10 with its standard error, over `queries` queries, and milliseconds per query.

    Where no query says anything, because every row has too many copies, nothing was found. `worst`
    is the recall of the tenth of the groups that is found worst, with its error, where there are
    enough groups to tell.
    """

    recall: float
    error: float
    queries: int
    p50_ms: float
    p95_ms: float
    worst: float | None = None
    worst_error: float = 0.0

    @property
    def surely(self) -> float:
        """A recall that the index has in five cases of six."""
        return self.recall - self.error

    @property
    def least(self) -> float:
        """What a setting is judged by: the recall that it surely has, or that of the worst tenth.

        The worst tenth is of few queries: it counts as it is measured.
        """
        return self.surely if self.worst is None else min(self.surely, self.worst)


def measure_recall(
    dataset: lance.LanceDataset, index: VectorIndex, truth: GroundTruth, target: float | None = None
) -> Measured:
    """Search every query as the release would; with a `target`, only until it is clear of it."""
    shares: list[float] = []
    taken: list[float] = []
    for query, limit, copies in zip(truth.queries, truth.limits, truth.copies, strict=True):
        began = time.perf_counter()
        distances, ids = search(dataset, index, query, truth.wanted + int(copies))
        taken.append((time.perf_counter() - began) * 1000)
        # Rows at the distance of the tenth are as good as the tenth; a row counts once.
        good = ids[(distances > _SAME) & (distances <= limit + _SAME)]
        shares.append(min(len(np.unique(good)), truth.wanted) / truth.wanted)
        if target is not None and len(shares) % _LOOK_EVERY == 0:
            so_far = _measured(shares, taken)
            beyond = so_far.recall - target
            # What is far above the target on the whole may be below it for some groups.
            told = beyond < 0 or truth.groups is None
            if told and abs(beyond) > _CLEAR * max(so_far.error, _LEAST_ERROR):
                break
    measured = _measured(shares, taken)
    if truth.groups is None or len(shares) < len(truth.queries):
        return measured
    worst = worst_tenth(np.array(shares), truth.groups)
    return measured if worst is None else replace(measured, worst=worst[0], worst_error=worst[1])


def worst_tenth(
    shares: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]
) -> tuple[float, float] | None:
    """Mean of the tenth of the groups that is found worst, with its standard error.

    The worst of many small groups is always bad by chance. So one half of each group's queries says
    which groups are the worst, and the other half what they are worth, and the other way round.
    None where there are too few groups of two queries and more.
    """
    halves: list[list[tuple[float, npt.NDArray[np.float64]]]] = [[], []]
    for group in np.unique(groups[groups >= 0]):
        own = shares[groups == group]
        if len(own) < 2:
            continue
        for half in (0, 1):
            chooses, tells = own[half::2], own[1 - half :: 2]
            halves[half].append((float(chooses.mean()), tells))
    if len(halves[0]) < _LEAST_GROUPS:
        return None
    told = []
    for found in halves:
        worst = sorted(found, key=lambda item: item[0])[: max(1, len(found) // 10)]
        told += [share for _, tells in worst for share in tells]
    return float(np.mean(told)), float(np.std(told) / np.sqrt(len(told)))


def _measured(shares: list[float], taken: list[float]) -> Measured:
    if not shares:
        return Measured(0.0, 0.0, 0, 0.0, 0.0)
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
) -> "tuple[npt.NDArray[np.float32], npt.NDArray[np.uint64]]":
    """Cosine distances and row ids of `k` rows for one query, found in the way the release says."""
    nearest: dict[str, object] = {
        "column": index.column,
        "q": query,
        "k": k,
        "metric": "cosine",
        "use_index": index.kind != "flat",
    }
    if index.kind != "flat":
        nearest |= {"nprobes": index.nprobes, "refine_factor": index.refine_factor}
    found = dataset.to_table(columns=["_distance"], nearest=nearest, with_row_id=True)
    distances, ids = (found[name].to_numpy() for name in ("_distance", "_rowid"))
    return np.asarray(distances, np.float32), np.asarray(ids, np.uint64)


def agreement(dataset: lance.LanceDataset, index: VectorIndex, quantizer: Quantizer) -> float:
    """Share of coded distances in an index that are what its quantizer makes of the same rows.

    Refining hides codes that are of another quantizer, so this searches without.
    """
    right = total = 0
    for query in quantizer.queries[:_CODE_QUERIES]:
        nearest = {
            "column": index.column,
            "q": query,
            "k": K,
            "metric": "cosine",
            "nprobes": index.partitions,
        }
        found = dataset.to_table(columns=[index.column, "_distance"], nearest=nearest)
        vectors = vector_matrix(found[index.column])
        sound = np.isfinite(vectors).all(axis=1)
        wanted = ((query - decoded(quantizer, vectors[sound])) ** 2).sum(axis=1)
        coded = found["_distance"].to_numpy()[sound]
        right += int((np.abs(coded - wanted) < _SAME_CODE).sum())
        total += len(vectors)
    return right / total if total else 1.0


def bytes_read(index: VectorIndex, dim: int) -> int:
    """What one query touches: the codes of the probed partitions, and full vectors to refine."""
    codes = index.rows * index.nprobes // max(index.partitions, 1) * index.sub_vectors
    return codes + index.refine_factor * K * dim * 4


_REFINE = (5, 10, 20, 40)
_FIRST = 64
_STALLED = 0.002


def tune(
    dataset: lance.LanceDataset, index: VectorIndex, truths: list[GroundTruth], dim: int
) -> VectorIndex | None:
    """The index with the settings that read least and reach its target for every set of queries.

    Probes double up to all partitions, for each refine factor; then the last step is halved. None
    where nothing reaches the target.
    """
    tuner = _Tuner(dataset, index, truths, dim)
    best: SearchPoint | None = None
    for refine in [index.refine_factor] if index.refine_factor else _REFINE:
        short, before = 0, 0.0
        for nprobes in _ladder(index):
            cost = bytes_read(tuner.with_settings(nprobes, refine), dim)
            if best is not None and cost >= best.bytes_read:
                break
            point, surely = tuner.measure(nprobes, refine)
            if surely < index.recall_target:
                if short and point.recall - before < _STALLED:
                    break  # what is refined too little is not found by more probes
                short, before = nprobes, point.recall
                continue
            best = point
            half = (short + nprobes) // 2
            if short and short < half < nprobes:
                point, surely = tuner.measure(half, refine)
                best = point if surely >= index.recall_target else best
            break
    return tuner.tuned(best) if best else None


def widest(
    dataset: lance.LanceDataset, index: VectorIndex, truth: GroundTruth, dim: int
) -> VectorIndex:
    """For an index that never reaches its target: everything is probed, and the gate will judge."""
    tuner = _Tuner(dataset, index, [truth], dim)
    nprobes = index.nprobes or index.partitions
    point, _ = tuner.measure(nprobes, index.refine_factor or _REFINE[-1])
    return tuner.tuned(point)


class _Tuner:
    """Measures settings of one index, and remembers what it found."""

    def __init__(
        self, dataset: lance.LanceDataset, index: VectorIndex, truths: list[GroundTruth], dim: int
    ) -> None:
        self._dataset, self._index, self._truths, self._dim = dataset, index, truths, dim
        self._curve: list[SearchPoint] = []

    def with_settings(self, nprobes: int, refine: int) -> VectorIndex:
        """The index as it would be searched with these."""
        update = {"nprobes": nprobes, "refine_factor": refine}
        return self._index.model_copy(update=update)

    def measure(self, nprobes: int, refine: int) -> tuple[SearchPoint, float]:
        """The settings with what they reach for the queries that are found worst, and surely."""
        tried = self.with_settings(nprobes, refine)
        found: list[Measured] = []
        for truth in self._truths:
            found.append(measure_recall(self._dataset, tried, truth, tried.recall_target))
            if found[-1].least < tried.recall_target:
                break
        worst = min(found, key=lambda measured: measured.least)
        point = SearchPoint(
            nprobes=nprobes,
            refine_factor=refine,
            recall=round(worst.recall, 4),
            p50_ms=round(worst.p50_ms, 2),
            p95_ms=round(worst.p95_ms, 2),
            bytes_read=bytes_read(tried, self._dim),
        )
        self._curve.append(point)
        return point, worst.least

    def tuned(self, chosen: SearchPoint) -> VectorIndex:
        """The index with the chosen settings, and all that was measured."""
        curve = sorted(self._curve, key=lambda p: (p.refine_factor, p.nprobes))
        index = self.with_settings(chosen.nprobes, chosen.refine_factor)
        return index.model_copy(update={"curve": curve})


def _ladder(index: VectorIndex) -> list[int]:
    if index.nprobes:
        return [index.nprobes]
    steps = [max(1, index.partitions // _FIRST)]
    while steps[-1] < index.partitions:
        steps.append(min(index.partitions, steps[-1] * 2))
    return steps
