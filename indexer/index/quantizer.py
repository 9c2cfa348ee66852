"""Training a quantizer with FAISS: coarse centroids and a codebook of residuals.

Lance takes both as they are and then searches exactly as FAISS's own IndexIVFPQ would (Jégou,
Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011), provided that the
vectors are unit length, the metric is cosine and the codebook was trained on residuals.

Clustering runs on the GPUs that it is given (`reelshelf.indexer.index.gpus`).
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import lance
import numpy as np
import pyarrow as pa

from reelshelf.indexer.index.gpus import Gpus, NoGpus
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer, Recipe

if TYPE_CHECKING:
    import faiss

# FAISS warns below 39 training rows for each centroid and draws no more than 256.
_LEAST_PER_PARTITION = 39
_PER_PARTITION = 64
_LEAST_ROWS = 65_536
_ROWS_PER_TAKE = 8192


@dataclass(frozen=True, slots=True)
class IndexSizes:
    """How large an IVF-PQ index is to be, and on how many rows it is trained."""

    partitions: int
    sub_vectors: int
    train_rows: int


def index_sizes(rows: int, dim: int, config: IndexConfig) -> IndexSizes:
    """The documented rule, where the config does not say otherwise.

    Partitions: the square root of the rows, but at least 39 training rows for each. Sub-vectors: 8
    dimensions each, as near to that as divides `dim`. Training rows: 64 for each partition, at
    least 65,536.
    """
    partitions = config.partitions or round(math.sqrt(rows))
    train_rows = min(rows, config.train_rows or max(_LEAST_ROWS, _PER_PARTITION * partitions))
    if not config.partitions:
        partitions = min(partitions, train_rows // _LEAST_PER_PARTITION)
    sub_vectors = config.sub_vectors or _divisor_near(dim, dim / 8)
    if dim % sub_vectors:
        raise StoreError(
            f"index.sub_vectors is {sub_vectors}, which does not divide the {dim} dimensions"
        )
    return IndexSizes(max(1, min(partitions, train_rows)), sub_vectors, train_rows)


def sample_vectors(dataset: lance.LanceDataset, column: str, most: int, seed: int) -> Vectors:
    """At most `most` vectors of a column, drawn evenly and read by their place: `(n, dim)`.

    Little more than those is read or held. Rows without a vector are left out. The same version and
    seed give the same rows in the same order.
    """
    total = dataset.count_rows()
    filled = dataset.count_rows(filter=f"{column} IS NOT NULL")
    wanted = min(most, filled)
    rng = np.random.default_rng(seed)
    # Enough places to find as many vectors, as a rule; all of them where that was too few.
    enough = min(total, math.ceil(wanted * total / max(filled, 1) * 1.1) + 64)
    for places in (enough, total):
        picked = np.sort(rng.choice(total, places, replace=False, shuffle=False))
        room = np.empty((min(places, filled), dataset.schema.field(column).type.list_size), "f4")
        found = 0
        for start in range(0, len(picked), _ROWS_PER_TAKE):
            part = dataset.take(picked[start : start + _ROWS_PER_TAKE].tolist(), columns=[column])
            vectors = null_free(part[column])
            room[found : found + len(vectors)] = vectors
            found += len(vectors)
        if found >= wanted:
            break
    return room[rng.permutation(found)[:wanted]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a training sample comes from: a column of one version of a table, and its vectors."""

    table: str
    column: str
    version: int
    rows: int


def train(
    sample: Vectors,
    queries: Vectors,
    sizes: IndexSizes,
    origin: Origin,
    *,
    seed: int,
    gpus: Gpus | None = None,
) -> Quantizer:
    """Train on a sample `(n, dim)` of unit vectors, n >= 256.

    `queries`, `(m, dim)`, are rows that are not in the sample: its error is measured on them, and
    they stay with it.
    """
    import faiss

    count, dim = sample.shape
    if count < 256:
        raise StoreError(f"quantizer: {count} rows are too few to train 256 codes on")
    if not np.isfinite(sample).all():
        raise StoreError("quantizer: the training sample holds NaN or infinity")
    coarse = faiss.IndexFlatL2(dim)
    index = faiss.IndexIVFPQ(coarse, dim, sizes.partitions, sizes.sub_vectors, 8)
    index.cp.seed = index.pq.cp.seed = seed
    # How many rows are enough is our rule's business; FAISS would print its own to the console.
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1
    on = gpus or NoGpus()
    if on.count:
        # They take the place of what clustering would assign with.
        clustering = on.spread(faiss.IndexFlatL2(dim))
        coding = on.spread(faiss.IndexFlatL2(dim // sizes.sub_vectors))
        index.clustering_index, index.pq.assign_index = clustering, coding
    with all_cores():
        index.train(np.ascontiguousarray(sample, np.float32))
    if on.count:
        # Assigning them to a member took them from Python: without this they stay on their GPUs.
        members: Any = index
        members.clustering_index = members.pq.assign_index = None
        for own in (clustering, coding):
            setattr(own, "thisown", True)  # noqa: B010 - SWIG's, and in no stub
    recipe = Recipe(
        table=origin.table,
        column=origin.column,
        version=origin.version,
        rows=origin.rows,
        sampled=count,
        dim=dim,
        partitions=sizes.partitions,
        sub_vectors=sizes.sub_vectors,
        seed=seed,
        trained_by=f"faiss {faiss.__version__} on {f'{on.count} GPUs' if on.count else 'CPU'}",
        error=0.0,
    )
    quantizer = Quantizer(
        centroids=coarse.reconstruct_n(0, sizes.partitions).astype(np.float32),
        codebook=faiss.vector_to_array(index.pq.centroids)
        .reshape(sizes.sub_vectors, 256, dim // sizes.sub_vectors)
        .astype(np.float32),
        queries=np.ascontiguousarray(queries, np.float32),
        recipe=recipe,
    )
    error = code_error(quantizer, queries if len(queries) else sample)
    return replace(quantizer, recipe=recipe.model_copy(update={"error": error}))


@contextmanager
def all_cores() -> Iterator[None]:
    """Let FAISS use every core for a while.

    A run keeps OpenMP to one thread, for Whisper's sake (see `reelshelf.jobs.cli.terminal`).
    """
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def faiss_index(quantizer: Quantizer) -> "faiss.IndexIVFPQ":
    """An empty FAISS index with this quantizer, on the CPU."""
    import faiss

    partitions, dim = quantizer.centroids.shape
    coarse = faiss.IndexFlatL2(dim)
    coarse.add(quantizer.centroids)
    index = faiss.IndexIVFPQ(coarse, dim, partitions, len(quantizer.codebook), 8)
    faiss.copy_array_to_vector(quantizer.codebook.ravel(), index.pq.centroids)
    index.is_trained = True
    return index


def code_error(quantizer: Quantizer, vectors: Vectors) -> float:
    """Mean squared distance between `(n, dim)` unit vectors and what their codes stand for."""
    # FAISS ends the process over a NaN; the gate counts those.
    sound = vectors[np.isfinite(vectors).all(axis=1)]
    if not len(sound):
        return 0.0
    return float(((sound - decoded(quantizer, sound)) ** 2).sum(axis=1).mean())


def decoded(quantizer: Quantizer, vectors: Vectors) -> Vectors:
    """What the codes of `(n, dim)` finite vectors stand for."""
    index = faiss_index(quantizer)
    codes = index.sa_encode(np.ascontiguousarray(vectors, np.float32))
    return np.asarray(index.sa_decode(codes), np.float32)


def _divisor_near(number: int, wanted: float) -> int:
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    return min(divisors, key=lambda d: (abs(math.log(d / wanted)), d))


def null_free(column: pa.ChunkedArray | pa.Array) -> Vectors:
    """The vectors of a column, without its nulls."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return vector_matrix(array.drop_null())
