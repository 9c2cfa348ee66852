"""Products meant but not named: "a loud clock with two bells".

Each sentence that is said is compared with what the shop says of each product. As with sight,
likeness alone is not enough: a sentence must be closer to this product than to its rivals.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, leads
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.segments import Segment

_CANDIDATES = 5
_LEAST = 0.3  # cosine below which two sentences have nothing in common


def meant(segments: Sequence[Segment], catalogue: LinkingCatalogue) -> Iterable[Clue]:
    """Products whose facts or description resemble a sentence that is said."""
    spoken = {
        sentence: vector
        for segment in segments
        for sentence, vector in zip(segment.utterances, segment.utterance_vectors, strict=True)
    }
    if not spoken or not len(catalogue):
        return
    said = np.stack(list(spoken.values()))
    similarity = np.maximum(said @ catalogue.text_vectors.T, said @ catalogue.facts_vectors.T)
    ahead = leads(similarity)
    for i, sentence in enumerate(spoken):
        for product in np.argsort(-similarity[i], kind="stable")[:_CANDIDATES].tolist():
            likeness, lead = float(similarity[i, product]), float(ahead[i, product])
            if likeness <= _LEAST:
                break
            yield Clue(
                product=product,
                sense=Sense.ASR,
                strength=likeness + lead,
                signals={
                    Signal.MEANING: 5.0 * (likeness - _LEAST),
                    Signal.MEANING_LEAD: float(np.clip(10.0 * lead, -2.0, 3.0)),
                },
                span=Span(sentence.start_ms, sentence.end_ms),
                at_ms=sentence.start_ms,
                text=sentence.text,
            )
