"""Products written on screen: named in a caption, or known by what is printed on their pack.

Captions name a product as its title does. What a camera sees of a pack are single words, often
broken or half hidden; they are held against the words that stand on the catalog's own pictures of
it, rare words counting more.
"""

import decimal
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process

from reelshelf.indexer.linking.matches import Match, margins
from reelshelf.indexer.linking.named import named
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment

_FUZZY = 75.0  # of 100: print on a pack is bent, small and in strange letters
_SHORTEST_FUZZY = 5
_CANDIDATES = 5
_PRICE = re.compile(r"\d+[.,]\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class _Shown:
    """Lines that stand on screen together."""

    text: str
    span: Span
    box: Box


def ocr_matches(segments: Sequence[Segment], catalog: CatalogIndex) -> Iterable[Match]:
    """Products that captions name, and products whose print is seen."""
    for shown in _together(segments):
        yield from _named(shown, catalog)
    for segment in segments:
        if segment.screen_text and len(catalog):
            yield from _printed(segment, catalog)


def _named(shown: _Shown, catalog: CatalogIndex) -> Iterable[Match]:
    caption = named(shown.text, catalog)
    prices = {decimal.Decimal(p.replace(",", ".")) for p in _PRICE.findall(shown.text)}
    for product in np.flatnonzero(caption).tolist():
        price = catalog.products[product].product.price
        known = price is not None and price in prices
        yield Match(
            product=product,
            modality=Modality.OCR,
            strength=float(caption[product]),
            signals={
                Signal.OCR_TITLE: float(caption[product]),
                Signal.OCR_PRICE: 1.0 / catalog.prices[price] if known and price else 0.0,
            },
            span=shown.span,
            at_ms=shown.span.start_ms,
            text=shown.text,
            box=shown.box,
        )


def _printed(segment: Segment, catalog: CatalogIndex) -> Iterable[Match]:
    weights = _print_weights(segment, catalog)
    ahead = margins(weights)
    lines = segment.screen_text
    for product in np.argsort(-weights, kind="stable")[:_CANDIDATES].tolist():
        if weights[product] <= 0.0:
            break
        yield Match(
            product=product,
            modality=Modality.OCR,
            strength=float(ahead[product]),
            signals={Signal.PACKAGING_TEXT: float(np.clip(ahead[product], -2.0, 2.0))},
            span=Span(segment.start_ms, segment.end_ms),
            at_ms=segment.keyframe_ms,
            text=" ".join(line.text for line in lines),
            box=lines[0].box,
        )


def _print_weights(segment: Segment, catalog: CatalogIndex) -> Vectors:
    """`(products,)` weight of the words seen that stand on each product, in words of one product.

    A word that resembles those of many products says little of any.
    """
    count = len(catalog)
    total = np.zeros(count, np.float32)
    vocabulary = list(catalog.packaging_terms)
    words = catalog.analyzer.words
    for word in _distinct(word for line in segment.screen_text for word in words(line.text)):
        on = np.zeros(count, np.float32)
        for printed, similarity in _alike(word, vocabulary):
            owners = catalog.packaging_terms[printed]
            on[owners] = np.maximum(on[owners], similarity)
        owned = int((on > 0).sum())
        if 0 < owned <= max(2, count // 4):
            total += on * math.log(1.0 + count / owned) / catalog.rarest
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
        yield _Shown(" ".join(line.text for line in shown), span, shown[0].box)
