"""Products named in speech, in the words of their title or by their sound."""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue
from indexer.linking.names import named
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.segments import Segment


def spoken(segments: Sequence[Segment], catalogue: LinkingCatalogue) -> Iterable[Clue]:
    """Products whose title is said, as far as the recogniser got its words right."""
    for utterance in dict.fromkeys(u for segment in segments for u in segment.utterances):
        strength = named(utterance.text, catalogue)
        for product in np.flatnonzero(strength).tolist():
            yield Clue(
                product=product,
                sense=Sense.ASR,
                strength=float(strength[product]),
                signals={Signal.SPOKEN: float(strength[product])},
                span=Span(utterance.start_ms, utterance.end_ms),
                at_ms=utterance.start_ms,
                text=utterance.text,
            )
