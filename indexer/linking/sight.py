"""Products seen: frames against product pictures.

An absolute cosine does not carry over between shops: all frames of one shop resemble each other, as
do all studio pictures of one catalogue. Three things are learned from the shop itself, without
labels. Frames and pictures are centred, each on their own mean. Likeness is measured from the
shop's own noise upwards: how much frames resemble products they do not show, as score normalisation
in speaker verification does with a cohort of impostors (Auckenthaler et al., "Score Normalization
for Text-Independent Speaker Verification Systems", 2000). And a product's lead over its best rival
in the same moment says more than its likeness alone: siblings are told apart by it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, leads
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.media import Vectors
from schemas.release import Background
from schemas.segments import Segment

# A shop's first videos say little about its frames; catalogue pictures stand in for this many.
_PRIOR_SEGMENTS = 50
# Noise is the likeness that one in 33 wrong pairs reaches; before enough pairs are known, it is
# what the example shop shows.
_NOISE_QUANTILE = 0.97
_PRIOR_NOISE = 0.18
_PRIOR_NOISE_PAIRS = 300
_CANDIDATES = 5
_NEIGHBOURS = 5


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

    def __init__(self, catalogue: LinkingCatalogue, background: Background) -> None:
        self._catalogue = catalogue
        self._noise = background.noise
        self._frame_mean = np.array(background.frame_mean, np.float32)
        self._pictures = _centred(
            catalogue.image_vectors, np.array(background.picture_mean, np.float32)
        )
        self._owners = np.unique(catalogue.image_owner)
        self._neighbours = self._nearness()

    def _nearness(self) -> Vectors:
        """`(products with a picture,)` likeness of each to its nearest others in the catalogue.

        A product like many others must resemble a frame more before that means anything: the local
        scaling of Conneau et al., "Word Translation Without Parallel Data", 2018.
        """
        between = _best_by_product(self._pictures @ self._pictures.T, self._catalogue)
        own = np.searchsorted(self._owners, self._catalogue.image_owner)
        between[np.arange(len(own)), own] = -1.0
        best = np.stack([between[own == i].max(axis=0) for i in range(len(self._owners))])
        return np.asarray(np.sort(best, axis=1)[:, -_NEIGHBOURS:].mean(axis=1), np.float32)

    def clues(self, segments: Sequence[Segment]) -> Iterable[Clue]:
        """Products that resemble what segments show more than noise does."""
        if not segments:
            return
        frames = np.stack([segment.frame_vector for segment in segments])
        cosines = _centred(frames, self._frame_mean) @ self._pictures.T
        # 0 is the shop's noise, 1 the same picture.
        best = _best_by_product(cosines, self._catalogue)
        likeness = (best - self._noise) / max(1.0 - self._noise, 1e-3)
        ahead = leads(likeness)
        beyond = best - self._neighbours
        for i, segment in enumerate(segments):
            for column in np.argsort(-likeness[i], kind="stable")[:_CANDIDATES].tolist():
                if likeness[i, column] <= 0:
                    break
                yield self._clue(
                    segment,
                    int(self._owners[column]),
                    float(likeness[i, column]),
                    float(ahead[i, column]),
                    float(beyond[i, column]),
                    cosines[i],
                )

    def _clue(
        self,
        segment: Segment,
        product: int,
        likeness: float,
        ahead: float,
        beyond: float,
        cosines: Vectors,
    ) -> Clue:
        own = np.flatnonzero(self._catalogue.image_owner == product)
        picture = int(own[np.argmax(cosines[own])])
        return Clue(
            product=product,
            sense=Sense.VISUAL,
            strength=likeness + ahead,
            signals={
                Signal.LIKENESS: likeness,
                Signal.LIKENESS_LEAD: ahead,
                Signal.LIKENESS_OWN: beyond,
            },
            span=Span(segment.start_ms, segment.end_ms),
            at_ms=segment.keyframe_ms,
            image=self._catalogue.image_uris[picture],
        )


def _centred(vectors: Vectors, mean: Vectors) -> Vectors:
    moved = vectors - mean
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.maximum(norms, 1e-6), np.float32)
