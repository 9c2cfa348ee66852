"""Products seen: frames against product pictures, in the shop's own whitened space.

Some products resemble everything, and some frames do (hubs; Radovanovic, Nanopoulos and Ivanovic,
"Hubs in Space", 2010). So a similarity is corrected on both sides by what product and frame reach
with others, after cross-domain similarity local scaling (Conneau et al., "Word Translation without
Parallel Data", 2018), of which less is taken for frames, since a frame may well show what it
resembles. A group's margin over its best rival in the same moment says more than its similarity
alone: it tells siblings apart.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from reelshelf.indexer.linking.candidates import CandidateSource, Comparable
from reelshelf.indexer.linking.contests import REACH, Contest, Kind, Shares
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.visual_stats import GroupPictures
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.segments import Segment

_SOFTNESS = 0.025
# Less of a similarity than this says next to nothing.
_LEAST = 0.04
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

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """For each segment, the groups that resemble what it shows more than noise does."""
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
        best = np.maximum.reduceat(cosines, starts, axis=1)
        reached = self.similarity(best, numbers, self._pictures.reach_of(frames))
        ends = np.append(starts[1:], cosines.shape[1])
        for place, (segment, row) in enumerate(zip(segments, reached, strict=True)):
            some = np.flatnonzero(row > 0.0)
            shares = Shares.of(row[some], _SOFTNESS)
            spans = list(zip(starts[some].tolist(), ends[some].tolist(), strict=True))
            yield Contest(
                kind=Kind.SEEN,
                place=place,
                numbers=numbers[some],
                reached=row[some],
                own=shares.own,
                rivals=shares.rivals,
                beside=shares.ahead,
                least=_LEAST,
                softness=_SOFTNESS,
                lead=REACH * _SOFTNESS,
                matches=partial(
                    self._matches, segment, numbers[some], shares, cosines[place], spans
                ),
            )

    def _matches(
        self,
        segment: Segment,
        numbers: Numbers,
        shares: Shares,
        cosines: Vectors,
        spans: Sequence[tuple[int, int]],
        column: int,
    ) -> Iterable[Match]:
        group, own = int(numbers[column]), float(shares.own[column])
        pictures = cosines[slice(*spans[column])]
        yield Match(
            group=group,
            modality=Modality.VISUAL,
            strength=own,
            signals={
                Signal.VISUAL_SIMILARITY: own,
                Signal.VISUAL_MARGIN: float(shares.ahead[column]),
            },
            span=Span(segment.start_ms, segment.end_ms),
            at_ms=segment.keyframe_ms,
            image=self._pictures.uri(group, int(np.argmax(pictures))),
            variants=self._pictures.variants(group, pictures, _TELLS),
            hint=float(shares.hints[column]),
        )

    def similarity(self, cosines: Vectors, numbers: Numbers, reach: Vectors) -> Vectors:
        """`(n, groups)` cosines as similarity: 0 is the shop's noise, 1 the same picture.

        `reach`, `(n,)`, is what each frame reaches with groups of all kinds.
        """
        noise = self._space.noise_floor
        frames = np.maximum(reach[:, None] - noise, 0.0)
        hubs = np.maximum(self._pictures.reach[numbers][None, :] - noise, 0.0)
        corrected = cosines - _FRAME * frames - _HUB * hubs
        return np.asarray(np.maximum((corrected - noise) / max(1.0 - noise, 1e-3), 0.0), np.float32)
