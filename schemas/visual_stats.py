"""Per-shop statistics of pictures, and the whitened space in which they are compared."""

import hashlib
from dataclasses import dataclass

import numpy as np

from reelshelf.schemas.media import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class VisualStats:
    """Per-shop statistics that normalize visual similarity.

    Fitted at the first release, and again when the shop's videos or pictures have doubled.
    `frame_mean` and `picture_mean`, `(dim,)`, center frame vectors and product pictures.
    `nuisance`, `(k, dim)`, are orthonormal directions in which vectors of the same product differ,
    and `shrinkage`, `(k,)` in 0..1, is how much of each is kept. `noise_floor` is the cosine that a
    frame and a product it does not show reach now and then. `segments` and `pictures` are how many
    the shop had when this was measured.
    """

    frame_mean: Vectors
    picture_mean: Vectors
    nuisance: Vectors
    shrinkage: Vectors
    noise_floor: float
    segments: int
    pictures: int

    @property
    def stats_id(self) -> str:
        """SHA-256 of what it holds."""
        digest = hashlib.sha256(repr((self.noise_floor, self.segments, self.pictures)).encode())
        for array in (self.frame_mean, self.picture_mean, self.nuisance, self.shrinkage):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


class WhitenedSpace:
    """Whitens vectors with a shop's statistics; cosines of the results are visual similarity."""

    def __init__(self, stats: VisualStats) -> None:
        self.noise_floor = stats.noise_floor
        self._frame_mean = stats.frame_mean
        self._picture_mean = stats.picture_mean
        self._nuisance = stats.nuisance
        self._change = stats.shrinkage - 1.0

    def of_frames(self, vectors: Vectors) -> Vectors:
        """Map frame vectors `(n, dim)` to unit vectors of the same shape."""
        return self._mapped(vectors - self._frame_mean)

    def of_pictures(self, vectors: Vectors) -> Vectors:
        """The same for product pictures."""
        return self._mapped(vectors - self._picture_mean)

    def of_queries(self, vectors: Vectors) -> Vectors:
        """The same for shoppers' pictures, which may be of either kind and take the middle."""
        return self._mapped(vectors - (self._frame_mean + self._picture_mean) / 2.0)

    def _mapped(self, centered: Vectors) -> Vectors:
        moved = centered + (centered @ self._nuisance.T * self._change) @ self._nuisance
        norms = np.linalg.norm(moved, axis=-1, keepdims=True)
        return np.asarray(moved / np.maximum(norms, 1e-6), np.float32)
