"""Products seen: frames against product pictures, in the shop's own space of likeness.

A product's lead over its best rival in the same moment says more than its likeness alone: siblings
are told apart by it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, leads
from indexer.linking.likeness import LikenessSpace, best_by_product
from schemas.background import Background
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.media import Vectors
from schemas.segments import Segment

_CANDIDATES = 5
_NEIGHBOURS = 5


class Sight:
    """The catalogue's pictures in the space of likeness, made once for many videos."""

    def __init__(self, catalogue: LinkingCatalogue, background: Background) -> None:
        self._catalogue = catalogue
        self._space = LikenessSpace(background)
        self._pictures = self._space.of_pictures(catalogue.image_vectors)
        self._owners = np.unique(catalogue.image_owner)
        self._neighbours = self._nearness()

    def _nearness(self) -> Vectors:
        """`(products with a picture,)` likeness of each to its nearest others in the catalogue.

        A product like many others must resemble a frame more before that means anything: the local
        scaling of Conneau et al., "Word Translation Without Parallel Data", 2018.
        """
        between = best_by_product(self._pictures @ self._pictures.T, self._catalogue)
        own = np.searchsorted(self._owners, self._catalogue.image_owner)
        between[np.arange(len(own)), own] = -1.0
        best = np.stack([between[own == i].max(axis=0) for i in range(len(self._owners))])
        return np.asarray(np.sort(best, axis=1)[:, -_NEIGHBOURS:].mean(axis=1), np.float32)

    def clues(self, segments: Sequence[Segment]) -> Iterable[Clue]:
        """Products that resemble what segments show more than noise does."""
        if not segments:
            return
        frames = np.stack([segment.frame_vector for segment in segments])
        cosines = self._space.of_frames(frames) @ self._pictures.T
        # 0 is the shop's noise, 1 the same picture.
        noise = self._space.noise
        best = best_by_product(cosines, self._catalogue)
        likeness = (best - noise) / max(1.0 - noise, 1e-3)
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
