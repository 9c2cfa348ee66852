"""Products written on screen: named in a caption, or known by what is printed on their pack.

Captions name a product as its title does. What a camera sees of a pack are single words.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reelshelf.indexer.linking.contests import Contest, Kind, first_alone
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.packaging import Packaging
from reelshelf.indexer.linking.prices import GroupPrices
from reelshelf.indexer.linking.titles import NamedGroups
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.indexer.text.money import Money
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment

# So far ahead of others, in words of one group, what is seen of a pack has to be to say anything,
# and so far ahead it says all.
_LEAST = 0.05
_MOST_AHEAD = 1.0


@dataclass(frozen=True, slots=True)
class Shown:
    """Lines that stand on screen together."""

    lines: str
    span: Span
    box: Box

    @property
    def text(self) -> str:
        """The lines as one."""
        return " ".join(self.lines.splitlines())


class OcrMatcher:
    """Groups that captions name, and groups whose packaging is seen."""

    def __init__(self, catalog: CatalogIndex, names: NamedGroups) -> None:
        self._catalog = catalog
        self._names = names
        self._prices = GroupPrices(catalog)
        self._packaging = Packaging(catalog)

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """Of captions, and of what packs show."""
        for place, shown in enumerate(shown_together(video.segments)):
            prices = self._prices.stated(shown.text)
            matches = partial(self._captioned, shown, prices)
            beside = 1.0 if prices else 0.0
            yield self._names.contest(Kind.WRITTEN, place, shown.lines, matches, beside)
        if len(self._catalog):
            yield from self._printed(video.segments)

    def _captioned(
        self, shown: Shown, prices: Sequence[Money], group: int, strength: float
    ) -> Iterable[Match]:
        yield Match(
            group=group,
            modality=Modality.OCR,
            strength=strength,
            signals={
                Signal.OCR_TITLE: strength,
                Signal.OCR_PRICE: self._prices.agreement(prices, group),
            },
            span=shown.span,
            at_ms=shown.span.start_ms,
            text=shown.text,
            box=shown.box,
        )

    def _printed(self, segments: Sequence[Segment]) -> Iterable[Contest]:
        # A pack is seen for longer than a moment.
        seen: dict[tuple[str, ...], list[Segment]] = defaultdict(list)
        for segment in segments:
            if segment.screen_text:
                seen[tuple(line.text for line in segment.screen_text)].append(segment)
        for place, (texts, moments) in enumerate(seen.items()):
            numbers, weights = self._packaging.weights(texts)
            yield _contest_of_print(place, numbers, weights, " ".join(texts), moments)


def _contest_of_print(
    place: int, numbers: Numbers, weights: Vectors, text: str, moments: Sequence[Segment]
) -> Contest:
    """That of groups that words are on: only the one that most are on is meant, or none.

    Groups that are level are told apart by nothing, and one that is behind even less.
    """
    shares = first_alone(weights, _MOST_AHEAD)

    def matches(column: int) -> Iterable[Match]:
        strength = float(shares.own[column])
        for segment in moments:
            yield Match(
                group=int(numbers[column]),
                modality=Modality.OCR,
                strength=strength,
                signals={Signal.PACKAGING_TEXT: strength},
                span=Span(segment.start_ms, segment.end_ms),
                at_ms=segment.keyframe_ms,
                text=text,
                box=segment.screen_text[0].box,
            )

    return Contest(
        kind=Kind.PRINTED,
        place=place,
        numbers=numbers,
        reached=weights,
        own=shares.own,
        rivals=shares.rivals,
        beside=np.zeros_like(weights),
        least=_LEAST,
        softness=math.inf,
        lead=_MOST_AHEAD,
        matches=matches,
    )


def shown_together(segments: Sequence[Segment]) -> Iterable[Shown]:
    """Lines that stand on screen together: a title is often broken over two lines."""
    lines: list[ScreenText] = sorted(
        {line for segment in segments for line in segment.screen_text},
        key=lambda line: (line.start_ms, line.box.top, line.box.left, line.text),
    )
    for start in sorted({line.start_ms for line in lines}):
        shown = [line for line in lines if line.start_ms <= start < line.end_ms]
        span = Span(min(i.start_ms for i in shown), max(i.end_ms for i in shown))
        yield Shown("\n".join(line.text for line in shown), span, shown[0].box)
