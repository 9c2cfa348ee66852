"""Products meant but not named: "a loud clock with two bells".

What is said in a moment and the description of a product are compared as sentences. As with sight,
likeness alone is not enough: what is said must be closer to this product than to its rivals.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue, leads
from schemas.calibration import Signal
from schemas.links import Sense, Span
from schemas.segments import Segment

_CANDIDATES = 5
_LEAST = 0.2  # cosine below which two sentences have nothing in common


def meant(segments: Sequence[Segment], catalogue: LinkingCatalogue) -> Iterable[Clue]:
    """Products whose description resembles what segments say."""
    told = [s for s in segments if s.utterances and s.text_vector is not None]
    if not told or not len(catalogue):
        return
    vectors = np.stack([s.text_vector for s in told if s.text_vector is not None])
    similarity = vectors @ catalogue.text_vectors.T
    ahead = leads(similarity)
    for i, segment in enumerate(told):
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
                span=Span(segment.start_ms, segment.end_ms),
                at_ms=segment.start_ms,
                text=" ".join(u.text for u in segment.utterances),
            )
