"""A trained quantizer: what an IVF-PQ index is built with, and how it came about."""

import hashlib
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.media import Vectors


class Recipe(BaseModel):
    """How a quantizer was trained, so that it can be trained again.

    `rows` is how many vectors the column had, `sampled` how many of them it was trained on.
    `error` is the mean squared distance between held-out unit vectors and their codes.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    table: str
    column: str
    version: int
    rows: int
    sampled: int
    dim: int
    partitions: int
    sub_vectors: int
    seed: int
    metric: str = "cosine"
    residuals: bool = True
    trained_by: str
    error: float


@dataclass(frozen=True, slots=True, eq=False)
class Quantizer:
    """`centroids` is `(partitions, dim)`, `codebook` `(sub_vectors, 256, dim / sub_vectors)`.

    `queries`, `(n, dim)`, are rows it was not trained on. Raises StoreError where an array is not
    finite float32: Lance would accept it and search wrongly.
    """

    centroids: Vectors
    codebook: Vectors
    queries: Vectors
    recipe: Recipe

    def __post_init__(self) -> None:
        for name in ("centroids", "codebook", "queries"):
            array = getattr(self, name)
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise StoreError(f"quantizer: {name} must be finite float32, got {array.dtype}")

    @property
    def sha256(self) -> str:
        """Hash of centroids and codebook, which names the quantizer."""
        digest = hashlib.sha256(np.ascontiguousarray(self.centroids).tobytes())
        digest.update(np.ascontiguousarray(self.codebook).tobytes())
        return digest.hexdigest()

    @property
    def index_name(self) -> str:
        """Name of an index built with it: so an index tells by itself what it was built with."""
        return f"{self.recipe.column}_{self.sha256[:12]}"
