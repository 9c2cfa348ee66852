"""Products seen: frames against product pictures, in the shop's own space of likeness.

A product's lead over its best rival in the same moment says more than its likeness alone: siblings
are told apart by it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, leads, unshared
from indexer.linking.likeness import LikenessSpace, best_by_product
from schemas.background import Background
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.media import Vectors
from schemas.segments import Segment

_CANDIDATES = 5
_SOFTNESS = 0.025


class Sight:
    """The catalogue's pictures in the space of likeness, made once for many videos."""

    def __init__(self, catalogue: LinkingCatalogue, background: Background) -> None:
        self._catalogue = catalogue
        self._space = LikenessSpace(background)
        self._pictures = self._space.of_pictures(catalogue.image_vectors)
        self._owners = np.unique(catalogue.image_owner)

    def clues(self, segments: Sequence[Segment]) -> Iterable[Clue]:
        """Products that resemble what segments show more than noise does."""
        if not segments:
            return
        frames = np.stack([segment.frame_vector for segment in segments])
        cosines = self._space.of_frames(frames) @ self._pictures.T
        # 0 is the shop's noise, 1 the same picture.
        noise = self._space.noise
        best = best_by_product(cosines, self._catalogue)
        likeness = np.maximum((best - noise) / max(1.0 - noise, 1e-3), 0.0)
        own, ahead = unshared(likeness, _SOFTNESS), leads(likeness)
        for i, segment in enumerate(segments):
            for column in np.argsort(-likeness[i], kind="stable")[:_CANDIDATES].tolist():
                if likeness[i, column] <= 0.0:
                    break
                product = int(self._owners[column])
                yield Clue(
                    product=product,
                    sense=Sense.VISUAL,
                    strength=float(own[i, column]),
                    signals={
                        Signal.LIKENESS: float(own[i, column]),
                        Signal.LIKENESS_LEAD: float(ahead[i, column]),
                    },
                    span=Span(segment.start_ms, segment.end_ms),
                    at_ms=segment.keyframe_ms,
                    image=self._likest_picture(product, cosines[i]),
                )

    def _likest_picture(self, product: int, cosines: Vectors) -> str:
        own = np.flatnonzero(self._catalogue.image_owner == product)
        return self._catalogue.image_uris[int(own[np.argmax(cosines[own])])]
