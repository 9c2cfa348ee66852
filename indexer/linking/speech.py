"""Products named in speech, in the words of their title or by their sound."""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, unshared
from indexer.linking.names import find_names
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.segments import Segment

_SOFTNESS = 0.05


def spoken(segments: Sequence[Segment], catalogue: LinkingCatalogue) -> Iterable[Clue]:
    """Products whose title is said, as far as the recogniser got its words right."""
    for utterance in dict.fromkeys(u for segment in segments for u in segment.utterances):
        coverage = np.zeros(len(catalogue), np.float32)
        for match in find_names(utterance.text, catalogue):
            coverage[match.product] = max(coverage[match.product], match.coverage)
        named = unshared(coverage, _SOFTNESS)
        for product in np.flatnonzero(coverage).tolist():
            yield Clue(
                product=product,
                sense=Sense.ASR,
                strength=float(named[product]),
                signals={Signal.SPOKEN: float(named[product])},
                span=Span(utterance.start_ms, utterance.end_ms),
                at_ms=utterance.start_ms,
                text=utterance.text,
            )
