"""Products seen: frames against product pictures.

An absolute cosine does not carry over between shops: all frames of one shop resemble each other, as
do all studio pictures of one catalogue. Three things are learned from the shop itself, without
labels. Frames and pictures are centred, each on their own mean. What counts as likeness is measured
against how much frames resemble products they do not show: the shop's noise, as score
normalisation in speaker verification does with a cohort of impostors (Auckenthaler et al., "Score
Normalization for Text-Independent Speaker Verification Systems", 2000). And products compete for a
segment: siblings that resemble it equally share its evidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from schemas.config import SightConfig
from schemas.media import Vectors
from schemas.release import Background

# A shop's first videos say little about its frames; catalogue pictures stand in for this many.
_PRIOR_SEGMENTS = 50
# Noise is the likeness that one in 33 wrong pairs reaches; before enough pairs are known, it is
# what the example shop shows.
_NOISE_QUANTILE = 0.97
_PRIOR_NOISE = 0.18
_PRIOR_NOISE_PAIRS = 300


@dataclass(frozen=True, slots=True)
class Seen:
    """A product that a segment may show; `picture` is the one it resembled most."""

    segment: int
    product: int
    score: float
    picture: str


def background_of(frames: Vectors, catalogue: LinkingCatalogue, *, segments: int) -> Background:
    """Means and noise of a sample `(n, dim)` of the shop's frames and of its product pictures."""
    pictures = catalogue.image_vectors.mean(axis=0)
    total = frames.sum(axis=0) + _PRIOR_SEGMENTS * pictures
    mean = total / (len(frames) + _PRIOR_SEGMENTS)
    similarity = _centred(frames, mean) @ _centred(catalogue.image_vectors, pictures).T
    ranked = np.sort(_best_by_product(similarity, catalogue), axis=1)
    # The best product of each frame may well be in it; the others almost never are.
    others = ranked[:, :-1]
    weight = others.size / (others.size + _PRIOR_NOISE_PAIRS)
    found = float(np.quantile(others, _NOISE_QUANTILE)) if others.size else _PRIOR_NOISE
    return Background(
        frame_mean=mean.tolist(),
        picture_mean=pictures.tolist(),
        noise=weight * found + (1.0 - weight) * _PRIOR_NOISE,
        segments=segments,
    )


def _best_by_product(similarity: Vectors, catalogue: LinkingCatalogue) -> Vectors:
    """`(n, pictures)` to `(n, products with a picture)`, each product's best picture counting."""
    # Pictures stand in product order, so each product's are one run.
    _, starts = np.unique(catalogue.image_owner, return_index=True)
    return np.asarray(np.maximum.reduceat(similarity, starts, axis=1), np.float32)


class Sight:
    """The catalogue's pictures, centred once for many videos."""

    def __init__(
        self, catalogue: LinkingCatalogue, background: Background, config: SightConfig
    ) -> None:
        self._catalogue = catalogue
        self._config = config
        self._midpoint = config.midpoint + config.adaptation * (background.noise - _PRIOR_NOISE)
        self._frame_mean = np.array(background.frame_mean, np.float32)
        self._pictures = _centred(
            catalogue.image_vectors, np.array(background.picture_mean, np.float32)
        )

    def look(self, frames: Vectors) -> list[Seen]:
        """Products that segments may show, given the segments' frame vectors `(n, dim)`."""
        similarity = _centred(frames, self._frame_mean) @ self._pictures.T
        return [hit for i, row in enumerate(similarity) for hit in self._in_segment(i, row)]

    def _in_segment(self, segment: int, row: Vectors) -> Sequence[Seen]:
        owner = self._catalogue.image_owner
        best_picture: dict[int, int] = {}
        for place in np.argsort(-row, kind="stable"):
            best_picture.setdefault(int(owner[place]), int(place))
        products = list(best_picture)
        cosines = row[list(best_picture.values())]
        config = self._config
        likely = 1.0 / (1.0 + np.exp(-config.slope * (cosines - self._midpoint)))
        rivals = np.exp((cosines - cosines.max()) / config.rivalry)
        scores = likely * rivals / rivals.sum()
        seen = []
        for product, score in zip(products, scores.tolist(), strict=True):
            if score >= config.keep_above:
                uri = self._catalogue.image_uris[best_picture[product]]
                seen.append(Seen(segment, product, score, uri))
        return seen


def _centred(vectors: Vectors, mean: Vectors) -> Vectors:
    moved = vectors - mean
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.maximum(norms, 1e-6), np.float32)
