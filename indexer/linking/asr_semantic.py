"""Products meant but not named: "a loud clock with two bells".

Each sentence that is said is compared with what the shop says of each product. As with pictures,
similarity alone is not enough: a sentence must be closer to this product than to its rivals.
"""

from collections.abc import Iterable

import numpy as np

from reelshelf.indexer.linking.candidates import CandidateSource
from reelshelf.indexer.linking.matches import (
    Match,
    discount_shared,
    hints_of,
    places_of,
    strongest,
)
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span

_CANDIDATES = 5
# Cosine below which a sentence does not speak of a product ("an apple a day" is near to apples).
_LEAST = 0.4
_SOFTNESS = 0.04


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

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """For each sentence the few groups that it means most likely."""
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
        beyond = np.maximum(similarity - _LEAST, np.float32(0.0))
        meaning = discount_shared(beyond, _SOFTNESS)
        hints = hints_of(beyond, _SOFTNESS)
        declared = places_of(own, numbers)
        for i, sentence in enumerate(spoken):
            for column in strongest(meaning[i], _CANDIDATES, declared):
                strength = float(meaning[i, column])
                yield Match(
                    group=int(numbers[column]),
                    modality=Modality.ASR,
                    strength=strength,
                    signals={Signal.ASR_SEMANTIC: 5.0 * strength},
                    span=Span(sentence.start_ms, sentence.end_ms),
                    at_ms=sentence.start_ms,
                    text=sentence.text,
                    hint=float(hints[i, column]),
                )
