"""Products named in what is posted with a video: its title, its hashtags, its subtitles."""

from collections.abc import Iterable, Sequence

import numpy as np

from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.named import named
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.segments import Segment


def post_matches(segments: Sequence[Segment], catalog: CatalogIndex) -> Iterable[Match]:
    """Products whose title is written there. What is of the whole video has no moment."""
    for posted in dict.fromkeys(p for segment in segments for p in segment.post_text):
        strength = named(posted.text, catalog)
        for product in np.flatnonzero(strength).tolist():
            yield Match(
                product=product,
                modality=Modality.POST_TEXT,
                strength=float(strength[product]),
                signals={Signal.POST_TITLE: float(strength[product])},
                span=Span(posted.start_ms, posted.end_ms) if posted.is_timed else None,
                at_ms=posted.start_ms if posted.is_timed else None,
                text=posted.text,
            )
