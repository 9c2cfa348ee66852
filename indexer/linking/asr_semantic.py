"""Products meant but not named: "a loud clock with two bells".

Each sentence that is said is compared with what the shop says of each product. As with visual,
similarity alone is not enough: a sentence must be closer to this product than to its rivals.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from reelshelf.indexer.linking.matches import Match, discount_shared
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.segments import Segment

_CANDIDATES = 5
# Cosine below which a sentence does not speak of a product ("an apple a day" is near to apples).
_LEAST = 0.4
_SOFTNESS = 0.04


def semantic_matches(
    segments: Sequence[Segment], catalog: CatalogIndex, scale: float = 1.0
) -> Iterable[Match]:
    """Products whose facts or description resemble a sentence that is said.

    `scale` is that of cosines in the space of text vectors (`reelshelf.schemas.spaces`).
    """
    spoken = {
        sentence: vector
        for segment in segments
        for sentence, vector in zip(segment.utterances, segment.utterance_vectors, strict=True)
    }
    if not spoken or not len(catalog):
        return
    said = np.stack(list(spoken.values()))
    similarity = np.maximum(said @ catalog.text_vectors.T, said @ catalog.facts_vectors.T) / scale
    meaning = discount_shared(np.maximum(similarity - _LEAST, 0.0), _SOFTNESS)
    for i, sentence in enumerate(spoken):
        for product in np.argsort(-meaning[i], kind="stable")[:_CANDIDATES].tolist():
            strength = float(meaning[i, product])
            if strength <= 0.0:
                break
            yield Match(
                product=product,
                modality=Modality.ASR,
                strength=strength,
                signals={Signal.ASR_SEMANTIC: 5.0 * strength},
                span=Span(sentence.start_ms, sentence.end_ms),
                at_ms=sentence.start_ms,
                text=sentence.text,
            )
