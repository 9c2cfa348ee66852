"""Per-shop statistics of pictures, and the whitened space in which they are compared."""

import hashlib
from collections.abc import Mapping
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
    the shop had when this was measured. `cohort`, `(m, dim)`, are whitened frames of the shop that
    tell which products resemble everything; `term_shares` is the share of its videos that have each
    of its frequent words. Both are None in statistics of before linking had them.
    """

    frame_mean: Vectors
    picture_mean: Vectors
    nuisance: Vectors
    shrinkage: Vectors
    noise_floor: float
    segments: int
    pictures: int
    cohort: Vectors | None = None
    term_shares: Mapping[str, float] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it has all that linking asks for."""
        return self.cohort is not None and self.term_shares is not None

    @property
    def stats_id(self) -> str:
        """SHA-256 of what it holds."""
        digest = hashlib.sha256(repr((self.noise_floor, self.segments, self.pictures)).encode())
        for array in (self.frame_mean, self.picture_mean, self.nuisance, self.shrinkage):
            digest.update(np.ascontiguousarray(array).tobytes())
        if self.cohort is not None:
            digest.update(np.ascontiguousarray(self.cohort).tobytes())
        if self.term_shares is not None:
            digest.update(repr(sorted(self.term_shares.items())).encode())
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
