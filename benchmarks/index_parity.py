"""Whether an index trained by FAISS and filled through Lance finds what FAISS's own finds.

    python -m benchmarks.index_parity [--out DIR] [--rows N] [--dim D] [--queries N]

The same sample, seed and sizes for both; the same fresh queries; truth by exact search. Lance is
filled in four ways: all fragments in one piece, in four pieces committed as four segments, in four
merged into one, and from FAISS's own codes ("buffers"). Probes vary, and so does whether candidates
are ranked again by their whole vectors. A column without nulls, and one with a tenth of nulls.

Beside that, without a bar: OPQ against PQ at equal bytes, in FAISS; and HNSW with scalar codes
through Lance, for what it costs and finds.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import faiss
import lance
import numpy as np
import numpy.typing as npt

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.vectors import Cloud, append, vector_store
from reelshelf.indexer.index import encode
from reelshelf.indexer.index.inspect import index_facts
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.index.quantizer import (
    IndexSizes,
    Origin,
    index_sizes,
    null_free,
    sample_vectors,
    train,
)
from reelshelf.indexer.index.recall import GroundTruth, K, exact_search, measure_recall
from reelshelf.indexer.store.quantizers import save_quantizer
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer
from reelshelf.schemas.release import VectorIndex

WAYS = ("one_piece", "four_segments", "four_merged", "buffers")
COLUMNS = (("product_images", "image_vector", 0.0), ("segments", "text_vector", 0.1))
PROBES = (1, 4, 16, 64)
REFINE = (1, 10)
_PIECES = 4
_SAME = 1e-5
_OPQ_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Case:
    """One column, ready to be indexed: `vectors` are its rows without nulls, in order."""

    store: Store
    table: str
    column: str
    vectors: Vectors
    sample: Vectors
    sizes: IndexSizes
    quantizer: Quantizer
    truth: GroundTruth

    @property
    def dataset(self) -> lance.LanceDataset:
        """Its table at the newest version."""
        return self.store.dataset(self.table)


def prepare(store: Store, place: tuple[str, str, float], cloud: Cloud, args: "Asked") -> Case:
    """Fill a column in four fragments, train on a sample of it, and find the truth."""
    table, column, nulls = place
    for number in range(_PIECES):
        count = round(args.rows * (1 - nulls)) // _PIECES
        append(store, table, column, cloud.pieces(count, 1000 * number), nulls)
    config, dataset = IndexConfig(), store.dataset(table)
    vectors = null_free(dataset.to_table(columns=[column])[column])
    sizes = index_sizes(len(vectors), args.dim, config)
    sample = sample_vectors(dataset, column, sizes.train_rows, config.seed)
    origin = Origin(table, column, dataset.version, len(vectors))
    quantizer = train(sample, sample[:0], sizes, origin, seed=config.seed)
    save_quantizer(store, quantizer)
    truth = exact_search(dataset, column, cloud.sample_vectors(args.queries, 10**6))
    return Case(store, table, column, vectors, sample, sizes, quantizer, truth)


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to measure."""

    rows: int
    dim: int
    queries: int


def fill(case: Case, way: str) -> tuple[float, float]:
    """Index the column in one way, alone. Wall and CPU seconds of encoding."""
    if case.quantizer.index_name in {index.name for index in case.dataset.describe_indices()}:
        case.store.writable(case.table).drop_index(case.quantizer.index_name)
    config = IndexConfig(build="buffers" if way == "buffers" else "fragments")
    workers = _PIECES if way.startswith("four") else 1
    fragments = [piece.fragment_id for piece in case.dataset.get_fragments()]
    wall, cpu = time.perf_counter(), time.process_time()
    segments = encode.encode_fragments(
        case.store, case.quantizer, fragments, config, in_turn, workers
    )
    if way == "four_merged":
        segments = [encode.merged(case.store, case.quantizer, segments)]
    encode.commit(case.store, case.quantizer, segments)
    taken = time.perf_counter() - wall, time.process_time() - cpu
    facts = index_facts(case.dataset, case.quantizer.index_name)
    wanted = _PIECES if way == "four_segments" else 1
    # An index that lacks rows would be compared with one that has them all.
    assert (facts.segments, sum(facts.partitions)) == (wanted, len(case.vectors)), facts
    return taken


def through_lance(case: Case, nprobes: int, refine: int) -> float:
    """Recall@10 as the project searches and measures."""
    index = VectorIndex(
        table=case.table,
        column=case.column,
        kind="ivf_pq",
        rows=len(case.vectors),
        nprobes=nprobes,
        refine_factor=refine,
    )
    return measure_recall(case.dataset, index, case.truth).recall


@dataclass(frozen=True, slots=True)
class Plain:
    """An index of FAISS's own, over the same rows. `before` is what it does to a vector first."""

    index: faiss.IndexIVFPQ
    before: faiss.LinearTransform | None = None

    def recall(self, case: Case, nprobes: int, refine: int) -> float:
        """Recall@10, with `refine` times as many candidates ranked by their whole vectors."""
        self.index.nprobe = nprobes
        queries = case.truth.queries
        asked = queries if self.before is None else self.before.apply(queries)
        _, found = self.index.search(asked, K * refine)
        return _recall_of(case, found)


def _recall_of(case: Case, found: npt.NDArray[np.int64]) -> float:
    """Recall@10 of the best ten of the candidates found, by distance as the project counts it."""
    hits = 0
    truth = case.truth
    for query, limit, ids in zip(truth.queries, truth.limits, found, strict=True):
        distances = np.sort(1.0 - case.vectors[ids[ids >= 0]] @ query)[:K]
        hits += min(int((distances <= limit + _SAME).sum()), truth.wanted)
    return hits / (len(found) * truth.wanted)


def plain_pq(case: Case) -> Plain:
    """FAISS on its own: trained anew on the same sample, with the same seed."""
    dim, sizes = case.vectors.shape[1], case.sizes
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, sizes.partitions, sizes.sub_vectors, 8)
    index.cp.seed = index.pq.cp.seed = case.quantizer.recipe.seed
    index.train(case.sample)
    index.add(case.vectors)
    return Plain(index)


def plain_opq(case: Case) -> Plain:
    """The same, on vectors rotated so that they lose least (Ge et al., OPQ, CVPR 2013)."""
    dim, sizes = case.vectors.shape[1], case.sizes
    rotation = faiss.OPQMatrix(dim, sizes.sub_vectors)
    # Of FAISS's 50 rounds the last ones change little, and all of them take many minutes.
    rotation.niter = rotation.niter_pq_0 = 10
    rotation.max_train_points = _OPQ_ROWS
    rotation.train(case.sample)
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, sizes.partitions, sizes.sub_vectors, 8)
    index.cp.seed = index.pq.cp.seed = case.quantizer.recipe.seed
    index.train(rotation.apply(case.sample))
    index.add(rotation.apply(case.vectors))
    return Plain(index, rotation)


def parity(case: Case) -> dict[str, float]:
    """Recalls of each way beside FAISS's own, and the largest difference of each."""
    plain = plain_pq(case)
    figures = {
        f"{case.column}_p{p}_r{r}_faiss": plain.recall(case, p, r) for r in REFINE for p in PROBES
    }
    for way in WAYS:
        wall, cpu = fill(case, way)
        figures[f"{case.column}_{way}_encode_s"] = wall
        figures[f"{case.column}_{way}_encode_cpu_s"] = cpu
        apart = 0.0
        for refine in REFINE:
            for nprobes in PROBES:
                name = f"{case.column}_p{nprobes}_r{refine}"
                recall = through_lance(case, nprobes, refine)
                figures[f"{name}_{way}"] = recall
                apart = max(apart, abs(recall - figures[f"{name}_faiss"]))
        figures[f"{case.column}_{way}_apart"] = apart
    return figures


def rotated(case: Case) -> dict[str, float]:
    """OPQ against PQ at equal bytes, in FAISS alone."""
    figures: dict[str, float] = {}
    for name, make in (("pq", plain_pq), ("opq", plain_opq)):
        wall, cpu = time.perf_counter(), time.process_time()
        plain = make(case)
        figures[f"{name}_build_s"] = time.perf_counter() - wall
        figures[f"{name}_build_cpu_s"] = time.process_time() - cpu
        for refine in REFINE:
            for nprobes in PROBES[-2:]:
                figures[f"{name}_p{nprobes}_r{refine}"] = plain.recall(case, nprobes, refine)
    return figures


def graph(case: Case) -> dict[str, float]:
    """HNSW with scalar codes through Lance, and IVF-PQ beside it: size, latency, recall."""
    figures: dict[str, float] = {"ivf_pq_mb": _index_mb(case)}
    for refine in REFINE:
        nearest: dict[str, object] = {"nprobes": PROBES[-2], "refine_factor": refine}
        figures |= _timed(case, f"ivf_pq_p{PROBES[-2]}_r{refine}", nearest)
    case.store.writable(case.table).drop_index(case.quantizer.index_name)
    before = _index_mb(case)
    wall, cpu = time.perf_counter(), time.process_time()
    case.dataset.create_index(
        case.column, "IVF_HNSW_SQ", name="graph", metric="cosine", num_partitions=1
    )
    figures["hnsw_sq_build_s"] = time.perf_counter() - wall
    figures["hnsw_sq_build_cpu_s"] = time.process_time() - cpu
    figures["hnsw_sq_mb"] = _index_mb(case) - before
    for ef in (50, 100, 200):
        figures |= _timed(case, f"hnsw_sq_ef{ef}", {"nprobes": 1, "ef": ef, "refine_factor": 2})
    return figures


def _timed(case: Case, name: str, how: dict[str, object]) -> dict[str, float]:
    dataset, truth = case.dataset, case.truth
    taken: list[float] = []
    hits = 0
    for query, limit in zip(truth.queries, truth.limits, strict=True):
        began = time.perf_counter()
        asked = {"column": case.column, "q": query, "k": K, "metric": "cosine", **how}
        found = dataset.to_table(columns=["_distance"], nearest=asked)
        taken.append((time.perf_counter() - began) * 1000)
        hits += min(int((found["_distance"].to_numpy() <= limit + _SAME).sum()), truth.wanted)
    return {
        f"{name}_recall": hits / (len(taken) * truth.wanted),
        f"{name}_p50_ms": float(np.percentile(taken, 50)),
        f"{name}_p95_ms": float(np.percentile(taken, 95)),
    }


def _index_mb(case: Case) -> float:
    """Files of all indexes of the table. Dropped ones stay until versions are cleaned up."""
    folder = Path(case.dataset.uri.removeprefix("file://")) / "_indices"
    names = {part.uuid for index in case.dataset.describe_indices() for part in index.segments}
    sizes = [f.stat().st_size for name in names for f in (folder / str(name)).rglob("*.*")]
    return sum(sizes) / 1e6


def bars(figures: dict[str, float], columns: Sequence[str]) -> list[Bar]:
    """The most that any setting may be apart, for each way."""
    return [
        Bar(f"{column}, {way}: apart", figures[f"{column}_{way}_apart"], 0.005, at_least=False)
        for column in columns
        for way in WAYS
    ]


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--dim", type=int, default=384, metavar="D")
    parser.add_argument("--queries", type=int, default=500, metavar="N")
    args = parse(parser, rows=Count(20_000, 100_000))
    asked = Asked(args.rows, args.dim, args.queries)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        store = vector_store(Path(name) / "store", args.dim)
        cloud = Cloud(args.dim, max(10, args.rows // 1000))
        for place in COLUMNS:
            case = prepare(store, place, cloud, asked)
            figures |= parity(case)
            if place is COLUMNS[0]:
                figures |= rotated(case)
                figures |= graph(case)
    return conclude(
        "index_parity",
        figures,
        bars(figures, [c for _, c, _ in COLUMNS]),
        args.out,
        judged=args.judged,
    )


if __name__ == "__main__":
    sys.exit(main())
