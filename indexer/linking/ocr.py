"""Products written on screen: named in a caption, or known by what is printed on their pack.

Captions name a product as its title does. What a camera sees of a pack are single words.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.linking.matches import Match, margins
from reelshelf.indexer.linking.packaging import Packaging
from reelshelf.indexer.linking.prices import GroupPrices
from reelshelf.indexer.linking.titles import NamedGroups
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment

_CANDIDATES = 5


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

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """Of captions, and of each moment's packaging."""
        for shown in shown_together(video.segments):
            yield from self._named(shown)
        if len(self._catalog):
            yield from self._printed(video.segments)

    def _named(self, shown: Shown) -> Iterable[Match]:
        named = self._names.named(shown.lines)
        prices = self._prices.stated(shown.text) if named else []
        for group, strength in named.items():
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

    def _printed(self, segments: Sequence[Segment]) -> Iterable[Match]:
        seen: dict[tuple[str, ...], tuple[Numbers, Vectors]] = {}
        for segment in segments:
            lines = segment.screen_text
            if not lines:
                continue
            texts = tuple(line.text for line in lines)
            # A pack is seen for longer than a moment.
            if texts not in seen:
                seen[texts] = self._packaging.weights(texts)
            groups, weights = seen[texts]
            # What is on no group is a rival too, with nothing.
            some_without = len(groups) < len(self._catalog.groups)
            ahead = margins(np.append(weights, np.float32(0.0)) if some_without else weights)
            for place in np.argsort(-weights, kind="stable")[:_CANDIDATES].tolist():
                yield Match(
                    group=int(groups[place]),
                    modality=Modality.OCR,
                    strength=float(ahead[place]),
                    signals={Signal.PACKAGING_TEXT: float(np.clip(ahead[place], -2.0, 2.0))},
                    span=Span(segment.start_ms, segment.end_ms),
                    at_ms=segment.keyframe_ms,
                    text=" ".join(texts),
                    box=lines[0].box,
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
