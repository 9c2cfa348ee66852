"""Products named in speech, in the words of their title or by their sound."""

from collections.abc import Iterable, Sequence

import numpy as np

from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.named import named
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.segments import Segment


def title_matches(segments: Sequence[Segment], catalog: CatalogIndex) -> Iterable[Match]:
    """Products whose title is said, as far as the recognizer got its words right."""
    for utterance in dict.fromkeys(u for segment in segments for u in segment.utterances):
        strength = named(utterance.text, catalog)
        for product in np.flatnonzero(strength).tolist():
            yield Match(
                product=product,
                modality=Modality.ASR,
                strength=float(strength[product]),
                signals={Signal.ASR_TITLE: float(strength[product])},
                span=Span(utterance.start_ms, utterance.end_ms),
                at_ms=utterance.start_ms,
                text=utterance.text,
            )
