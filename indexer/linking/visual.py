"""Products seen: frames against product pictures, in the shop's own whitened space.

A product's lead over its best rival in the same moment says more than its similarity alone: it
tells siblings apart.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from reelshelf.indexer.linking.matches import Match, discount_shared, margins
from reelshelf.indexer.linking.visual_stats import best_by_product
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.segments import Segment
from reelshelf.schemas.visual_stats import VisualStats, WhitenedSpace

_CANDIDATES = 5
_SOFTNESS = 0.025


class VisualMatcher:
    """The catalog's pictures in the whitened space, made once for many videos."""

    def __init__(self, catalog: CatalogIndex, stats: VisualStats) -> None:
        self._catalog = catalog
        self._space = WhitenedSpace(stats)
        self._pictures = self._space.of_pictures(catalog.image_vectors)
        self._owners = np.unique(catalog.image_owner)

    def matches(self, segments: Sequence[Segment]) -> Iterable[Match]:
        """Products that resemble what segments show more than noise does."""
        if not segments:
            return
        frames = np.stack([segment.frame_vector for segment in segments])
        cosines = self._space.of_frames(frames) @ self._pictures.T
        # 0 is the shop's noise, 1 the same picture.
        noise = self._space.noise_floor
        best = best_by_product(cosines, self._catalog)
        similarity = np.maximum((best - noise) / max(1.0 - noise, 1e-3), 0.0)
        own, ahead = discount_shared(similarity, _SOFTNESS), margins(similarity)
        for i, segment in enumerate(segments):
            for column in np.argsort(-similarity[i], kind="stable")[:_CANDIDATES].tolist():
                if similarity[i, column] <= 0.0:
                    break
                product = int(self._owners[column])
                yield Match(
                    product=product,
                    modality=Modality.VISUAL,
                    strength=float(own[i, column]),
                    signals={
                        Signal.VISUAL_SIMILARITY: float(own[i, column]),
                        Signal.VISUAL_MARGIN: float(ahead[i, column]),
                    },
                    span=Span(segment.start_ms, segment.end_ms),
                    at_ms=segment.keyframe_ms,
                    image=self._likest_picture(product, cosines[i]),
                )

    def _likest_picture(self, product: int, cosines: Vectors) -> str:
        own = np.flatnonzero(self._catalog.image_owner == product)
        return self._catalog.image_uris[int(own[np.argmax(cosines[own])])]
