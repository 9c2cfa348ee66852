"""Products meant but not named: "a loud clock with two bells".

Each sentence that is said is compared with what the shop says of each product. As with pictures,
similarity alone is not enough: a sentence must be closer to this product than to its rivals.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from reelshelf.indexer.linking.candidates import CandidateSource
from reelshelf.indexer.linking.contests import Contest, Kind, Shares
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.segments import Utterance

# Cosine below which a sentence does not speak of a product ("an apple a day" is near to apples).
_LEAST = 0.4
_SOFTNESS = 0.04
# What is left of less than this beyond it says next to nothing.
_LEAST_LEFT = 0.005


class AsrSemanticMatcher:
    """Groups whose facts or description resemble a sentence that is said.

    `scale` is that of cosines in the space of text vectors (`reelshelf.schemas.spaces`).
    """

    def __init__(
        self, catalog: CatalogIndex, candidates: CandidateSource, scale: float = 1.0
    ) -> None:
        self._catalog = catalog
        self._candidates = candidates
        self._scale = scale

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """For each sentence the groups that it may mean."""
        spoken = {
            sentence: vector
            for segment in video.segments
            for sentence, vector in zip(segment.utterances, segment.utterance_vectors, strict=True)
        }
        if not spoken or not len(self._catalog):
            return
        said = np.stack(list(spoken.values()))
        found = self._candidates.meant(said)
        own = self._catalog.groups_with(video.merchant_skus)
        numbers = np.union1d(found, np.array(own, np.intp))
        places, starts = self._catalog.groups.products_of(numbers)
        text = np.asarray(self._catalog.text_vectors[places], np.float32)
        facts = np.asarray(self._catalog.facts_vectors[places], np.float32)
        by_product = np.maximum(said @ text.T, said @ facts.T) / self._scale
        similarity = np.maximum.reduceat(by_product, starts, axis=1)
        for place, (sentence, row) in enumerate(zip(spoken, similarity - _LEAST, strict=True)):
            some = np.flatnonzero(row > 0.0)
            reached = np.asarray(row[some], np.float32)
            shares = Shares.of(reached, _SOFTNESS)
            yield Contest(
                kind=Kind.MEANT,
                place=place,
                numbers=numbers[some],
                reached=reached,
                own=shares.own,
                rivals=shares.rivals,
                beside=np.zeros_like(reached),
                least=_LEAST_LEFT,
                softness=_SOFTNESS,
                lead=0.0,
                matches=partial(_matches, sentence, numbers[some], shares),
            )


def _matches(sentence: Utterance, numbers: Numbers, shares: Shares, column: int) -> Iterable[Match]:
    strength = float(shares.own[column])
    yield Match(
        group=int(numbers[column]),
        modality=Modality.ASR,
        strength=strength,
        signals={Signal.ASR_SEMANTIC: 5.0 * strength},
        span=Span(sentence.start_ms, sentence.end_ms),
        at_ms=sentence.start_ms,
        text=sentence.text,
        hint=float(shares.hints[column]),
    )
