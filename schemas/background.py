"""What a shop's pictures have in common, whatever they show."""

import hashlib
from dataclasses import dataclass

import numpy as np

from schemas.media import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """What resemblance means in this shop when it means nothing.

    Fitted at the first release, and again when the shop's videos or pictures have doubled.
    `frame_mean` and `picture_mean`, `(dim,)`, centre frame vectors and product pictures.
    `nuisance`, `(k, dim)`, are orthonormal directions in which vectors of the same product differ,
    and `shrinkage`, `(k,)` in 0..1, is how much of each is kept. `noise` is the cosine that a
    frame and a product it does not show reach now and then. `segments` and `pictures` are how many
    the shop had when this was measured.
    """

    frame_mean: Vectors
    picture_mean: Vectors
    nuisance: Vectors
    shrinkage: Vectors
    noise: float
    segments: int
    pictures: int

    @property
    def background_id(self) -> str:
        """SHA-256 of what it holds."""
        digest = hashlib.sha256(repr((self.noise, self.segments, self.pictures)).encode())
        for array in (self.frame_mean, self.picture_mean, self.nuisance, self.shrinkage):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
