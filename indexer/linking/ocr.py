"""Products written on screen: named in a caption, or known by what is printed on their pack.

Captions name a product as its title does. What a camera sees of a pack are single words, often
broken or half hidden; they are held against the words that stand on the catalog's own pictures of
it, rare words counting more.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from reelshelf.indexer.linking.matches import Match, margins
from reelshelf.indexer.linking.prices import GroupPrices
from reelshelf.indexer.linking.titles import NamedGroups
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment

_FUZZY = 75.0  # of 100: print on a pack is bent, small and in strange letters
_SHORTEST_FUZZY = 5
_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class _Shown:
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
        self._vocabulary = list(catalog.packaging_terms)

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """Of captions, and of each moment's packaging."""
        for shown in _together(video.segments):
            yield from self._named(shown)
        for segment in video.segments:
            if segment.screen_text and len(self._catalog):
                yield from self._printed(segment)

    def _named(self, shown: _Shown) -> Iterable[Match]:
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

    def _printed(self, segment: Segment) -> Iterable[Match]:
        weights = self._print_weights(segment)
        ahead = margins(weights)
        lines = segment.screen_text
        for group in np.argsort(-weights, kind="stable")[:_CANDIDATES].tolist():
            if weights[group] <= 0.0:
                break
            yield Match(
                group=group,
                modality=Modality.OCR,
                strength=float(ahead[group]),
                signals={Signal.PACKAGING_TEXT: float(np.clip(ahead[group], -2.0, 2.0))},
                span=Span(segment.start_ms, segment.end_ms),
                at_ms=segment.keyframe_ms,
                text=" ".join(line.text for line in lines),
                box=lines[0].box,
            )

    def _print_weights(self, segment: Segment) -> Vectors:
        """`(groups,)` weight of the words seen that are on each, in words of one group.

        A word that resembles those of many groups says little of any.
        """
        catalog = self._catalog
        count = len(catalog.groups)
        rarest = math.log(1.0 + count)
        total = np.zeros(count, np.float32)
        words = catalog.analyzer.words
        for word in _distinct(word for line in segment.screen_text for word in words(line.text)):
            on = np.zeros(count, np.float32)
            for printed, similarity in _alike(word, self._vocabulary):
                owners = catalog.packaging_terms[printed]
                on[owners] = np.maximum(on[owners], similarity)
            owned = int((on > 0).sum())
            if 0 < owned <= max(2, count // 4):
                total += on * math.log(1.0 + count / owned) / rarest
        return total


def _distinct(seen: Iterable[str]) -> list[str]:
    """Words of three letters and more, one of those that are misreadings of each other."""
    kept: list[str] = []
    for word in sorted(set(seen), key=lambda word: (-len(word), word)):
        if len(word) >= 3 and any(c.isalpha() for c in word) and not _alike(word, kept):
            kept.append(word)
    return kept


def _alike(word: str, others: Sequence[str]) -> list[tuple[str, float]]:
    """Those of `others` that may be the same word, with how alike they are, up to 1."""
    if len(word) < _SHORTEST_FUZZY:
        return [(word, 1.0)] if word in others else []
    hits = process.extract(word, others, scorer=fuzz.ratio, score_cutoff=_FUZZY, limit=None)
    return [(other, score / 100.0) for other, score, _ in hits if len(other) >= _SHORTEST_FUZZY]


def _together(segments: Sequence[Segment]) -> Iterable[_Shown]:
    """Lines that stand on screen together: a title is often broken over two lines."""
    lines: list[ScreenText] = sorted(
        {line for segment in segments for line in segment.screen_text},
        key=lambda line: (line.start_ms, line.box.top, line.box.left, line.text),
    )
    for start in sorted({line.start_ms for line in lines}):
        shown = [line for line in lines if line.start_ms <= start < line.end_ms]
        span = Span(min(i.start_ms for i in shown), max(i.end_ms for i in shown))
        yield _Shown("\n".join(line.text for line in shown), span, shown[0].box)
