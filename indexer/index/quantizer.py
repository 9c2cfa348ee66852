"""Training a quantizer with FAISS: coarse centroids and a codebook of residuals.

Lance takes both as they are and then searches exactly as FAISS's own IndexIVFPQ would (Jégou,
Douze, Schmid, "Product Quantization for Nearest Neighbor Search", TPAMI 2011), provided that the
vectors are unit length, the metric is cosine and the codebook was trained on residuals. A NaN
centroid would be accepted silently, so everything is checked here.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from schemas.config import IndexConfig
from schemas.errors import StoreError
from schemas.media import Vectors


@dataclass(frozen=True, slots=True)
class Quantizer:
    """`centroids` is `(partitions, dim)`, `codebook` `(sub_vectors, 256, dim / sub_vectors)`."""

    centroids: Vectors
    codebook: Vectors
    trained_by: str

    def __post_init__(self) -> None:
        for name, array in (("centroids", self.centroids), ("codebook", self.codebook)):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise StoreError(f"quantizer: {name} must be finite float32, got {array.dtype}")

    @property
    def sha256(self) -> str:
        """Hash of both arrays, which names the quantizer."""
        digest = hashlib.sha256(np.ascontiguousarray(self.centroids).tobytes())
        digest.update(np.ascontiguousarray(self.codebook).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class IndexSizes:
    """How large an IVF-PQ index is to be and how it is searched."""

    partitions: int
    sub_vectors: int
    nprobes: int


def index_sizes(rows: int, dim: int, config: IndexConfig) -> IndexSizes:
    """The documented rule, where the config does not say otherwise.

    Partitions: the square root of the rows, but at least 39 training rows for each, which is
    where FAISS starts to warn. Sub-vectors: 8 dimensions each, as near to that as divides `dim`.
    Probes: a tenth of the partitions.
    """
    trainable = max(1, min(rows, config.train_rows) // 39)
    partitions = min(config.partitions, rows) or max(1, min(round(math.sqrt(rows)), trainable))
    sub_vectors = config.sub_vectors or _divisor_near(dim, dim / 8)
    if dim % sub_vectors:
        raise StoreError(
            f"index.sub_vectors is {sub_vectors}, which does not divide the {dim} dimensions"
        )
    nprobes = config.nprobes or max(1, min(partitions, math.ceil(partitions / 10)))
    return IndexSizes(partitions, sub_vectors, nprobes)


def train(sample: Vectors, sizes: IndexSizes, *, seed: int) -> Quantizer:
    """Train on a sample `(n, dim)` of unit vectors, n >= 256, on a GPU where FAISS has one.

    The GPU path is written against FAISS's API and has not been run on a GPU.
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
    gpus = faiss.get_num_gpus() if hasattr(faiss, "StandardGpuResources") else 0
    if gpus:
        # Only the clustering is worth a GPU; it replaces the assignment index during training.
        index.clustering_index = faiss.index_cpu_to_all_gpus(faiss.IndexFlatL2(dim))
    index.train(np.ascontiguousarray(sample, np.float32))
    return Quantizer(
        centroids=coarse.reconstruct_n(0, sizes.partitions).astype(np.float32),
        codebook=faiss.vector_to_array(index.pq.centroids)
        .reshape(sizes.sub_vectors, 256, dim // sizes.sub_vectors)
        .astype(np.float32),
        trained_by=f"faiss {faiss.__version__} on {f'{gpus} GPUs' if gpus else 'CPU'}",
    )


def _divisor_near(number: int, wanted: float) -> int:
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    return min(divisors, key=lambda d: (abs(math.log(d / wanted)), d))
