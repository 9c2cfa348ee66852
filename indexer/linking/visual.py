"""Products seen: frames against product pictures, in the shop's own whitened space.

Some products resemble everything, and some frames do (hubs; Radovanovic, Nanopoulos and Ivanovic,
"Hubs in Space", 2010). So a similarity is corrected on both sides by what product and frame reach
with others, after cross-domain similarity local scaling (Conneau et al., "Word Translation without
Parallel Data", 2018), of which less is taken for frames, since a frame may well show what it
resembles. A group's margin over its best rival in the same moment says more than its similarity
alone: it tells siblings apart.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.linking.candidates import CandidateSource, Comparable
from reelshelf.indexer.linking.matches import (
    Match,
    discount_shared,
    hints_of,
    margins,
    places_of,
    strongest,
)
from reelshelf.indexer.linking.visual_stats import GroupPictures, nearest_mean
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Vectors

_CANDIDATES = 5
_SOFTNESS = 0.025
# How much of what a frame, and a product, reaches with others beyond noise is taken off.
_FRAME, _HUB = 0.25, 0.5
# Cosine by which a variant's picture must be nearer than another's to tell them apart.
_TELLS = 0.05


class VisualMatcher:
    """Finds groups by their pictures in the whitened space."""

    def __init__(
        self, comparable: Comparable, pictures: GroupPictures, candidates: CandidateSource
    ) -> None:
        self._groups_with = comparable.catalog.groups_with
        self._candidates = candidates
        self._pictures = pictures
        self._space = pictures.space

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """Groups that resemble what segments show more than noise does."""
        segments = video.segments
        if not segments:
            return
        frames = self._space.of_frames(np.stack([segment.frame_vector for segment in segments]))
        own_groups = self._groups_with(video.merchant_skus)
        found = self._candidates.seen(frames)
        numbers = np.union1d(found, np.array(own_groups, np.intp))
        numbers = numbers[self._pictures.has(numbers)]
        if not len(numbers):
            return
        cosines, starts = self._pictures.cosines(frames, numbers)
        similarity = self.similarity(np.maximum.reduceat(cosines, starts, axis=1), numbers)
        own, ahead = discount_shared(similarity, _SOFTNESS), margins(similarity)
        hints = hints_of(similarity, _SOFTNESS)
        declared = places_of(own_groups, numbers)
        ends = [*starts[1:].tolist(), cosines.shape[1]]
        for i, segment in enumerate(segments):
            for column in strongest(similarity[i], _CANDIDATES, declared):
                group = int(numbers[column])
                pictures = cosines[i, starts[column] : ends[column]]
                yield Match(
                    group=group,
                    modality=Modality.VISUAL,
                    strength=float(own[i, column]),
                    signals={
                        Signal.VISUAL_SIMILARITY: float(own[i, column]),
                        Signal.VISUAL_MARGIN: float(ahead[i, column]),
                    },
                    span=Span(segment.start_ms, segment.end_ms),
                    at_ms=segment.keyframe_ms,
                    image=self._pictures.uri(group, int(np.argmax(pictures))),
                    variants=self._pictures.variants(group, pictures, _TELLS),
                    hint=float(hints[i, column]),
                )

    def similarity(self, cosines: Vectors, numbers: npt.NDArray[np.intp]) -> Vectors:
        """`(n, groups)` cosines as similarity: 0 is the shop's noise, 1 the same picture."""
        noise = self._space.noise_floor
        frames = np.maximum(nearest_mean(cosines, axis=1)[:, None] - noise, 0.0)
        hubs = np.maximum(self._pictures.reach[numbers][None, :] - noise, 0.0)
        corrected = cosines - _FRAME * frames - _HUB * hubs
        return np.asarray(np.maximum((corrected - noise) / max(1.0 - noise, 1e-3), 0.0), np.float32)
