"""Evidence of all senses, joined into one score for each product of a video.

Each piece of evidence is a probability that it alone makes the link. Senses are taken as
independent witnesses: the link is missed only if all of them are wrong (noisy-or; Pearl 1988).
Within a sense the best piece counts, since ten readings of one caption are one caption.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue, words
from indexer.linking.meaning import find_meant
from indexer.linking.names import find_names
from indexer.linking.sight import Sight
from schemas.config import LinkingConfig
from schemas.links import Evidence, ProductLink, Sense, Span
from schemas.segments import ScreenText, Segment

# Raise when the same segments, catalogue and config would give other links.
VERSION = 1

# Evidence below this does not widen a link's spans: a doubtful glimpse is no moment.
_SPAN_ABOVE = 0.25
_MOST_EVIDENCE = 12


@dataclass(frozen=True, slots=True)
class LinkableVideo:
    """What linking knows of a video."""

    video_key: str
    merchant_skus: tuple[str, ...]
    segments: tuple[Segment, ...]


class Linker:
    """Links videos to one catalogue. Make it once, use it for many videos."""

    def __init__(
        self,
        catalogue: LinkingCatalogue,
        product_keys: Sequence[str],
        sight: Sight | None,
        config: LinkingConfig,
    ) -> None:
        self._catalogue = catalogue
        self._keys = product_keys
        self._sight = sight
        self._config = config

    def link(self, video: LinkableVideo) -> list[ProductLink]:
        """Links of one video that score above `linking.keep_above`, best first."""
        evidence: dict[int, list[Evidence]] = defaultdict(list)
        for product, piece in self._all_evidence(video):
            evidence[product].append(piece)
        links = [self._join(video, product, pieces) for product, pieces in evidence.items()]
        kept = [link for link in links if link.score >= self._config.keep_above]
        return sorted(kept, key=lambda link: (-link.score, link.sku))

    def _all_evidence(self, video: LinkableVideo) -> Iterable[tuple[int, Evidence]]:
        yield from self._seen(video.segments)
        yield from self._written(video.segments)
        yield from self._said(video.segments)
        yield from self._meant(video.segments)
        yield from self._declared(video.merchant_skus)

    def _seen(self, segments: Sequence[Segment]) -> Iterable[tuple[int, Evidence]]:
        if self._sight is None or not segments:
            return
        weight = self._config.weights.visual
        for hit in self._sight.look(np.stack([s.frame_vector for s in segments])):
            segment = segments[hit.segment]
            yield (
                hit.product,
                Evidence(
                    Sense.VISUAL,
                    Span(segment.start_ms, segment.end_ms),
                    segment.keyframe_ms,
                    weight * hit.score,
                    image=hit.picture,
                ),
            )

    def _written(self, segments: Sequence[Segment]) -> Iterable[tuple[int, Evidence]]:
        weight = self._config.weights.ocr
        for lines in _captions(segments):
            span = Span(min(i.start_ms for i in lines), max(i.end_ms for i in lines))
            text = " ".join(line.text for line in lines)
            for match in find_names(text, self._catalogue):
                yield (
                    match.product,
                    Evidence(
                        Sense.OCR,
                        span,
                        lines[0].start_ms,
                        weight * self._named(match.coverage),
                        text=text,
                        box=lines[0].box,
                    ),
                )

    def _said(self, segments: Sequence[Segment]) -> Iterable[tuple[int, Evidence]]:
        weight = self._config.weights.asr
        said = {u: None for segment in segments for u in segment.utterances}
        for utterance in said:
            for match in find_names(utterance.text, self._catalogue):
                yield (
                    match.product,
                    Evidence(
                        Sense.ASR,
                        Span(utterance.start_ms, utterance.end_ms),
                        utterance.start_ms,
                        weight * self._named(match.coverage),
                        text=utterance.text,
                    ),
                )

    def _meant(self, segments: Sequence[Segment]) -> Iterable[tuple[int, Evidence]]:
        worded = [(i, s) for i, s in enumerate(segments) if s.text_vector is not None]
        if not worded:
            return
        vectors = np.stack([s.text_vector for _, s in worded if s.text_vector is not None])
        places = [i for i, _ in worded]
        for hit in find_meant(vectors, places, self._catalogue, self._config.meaning):
            segment = segments[hit.segment]
            sense, text = self._carrier(segment, hit.product)
            yield (
                hit.product,
                Evidence(
                    sense,
                    Span(segment.start_ms, segment.end_ms),
                    segment.start_ms,
                    self._config.weights.meaning * hit.score,
                    text=text,
                ),
            )

    def _carrier(self, segment: Segment, product: int) -> tuple[Sense, str]:
        """Whether the writing or the speech of a segment has more of a product's words.

        One vector covers both; the same words must not count for two senses.
        """
        described = set(words(self._catalogue.products[product].product.text))
        written = " ".join(line.text for line in segment.screen_text)
        said = " ".join(utterance.text for utterance in segment.utterances)
        shared = [len(described.intersection(words(text))) for text in (written, said)]
        if not said or (written and shared[0] > shared[1]):
            return Sense.OCR, written
        return Sense.ASR, said

    def _declared(self, skus: Sequence[str]) -> Iterable[tuple[int, Evidence]]:
        for sku in skus:
            product = self._catalogue.index_of.get(sku)
            if product is not None:
                score = self._config.weights.merchant
                yield product, Evidence(Sense.MERCHANT, None, None, score)

    def _named(self, coverage: float) -> float:
        config = self._config
        return 1.0 / (1.0 + math.exp(-config.name_slope * (coverage - config.name_midpoint)))

    def _join(self, video: LinkableVideo, product: int, pieces: Sequence[Evidence]) -> ProductLink:
        best = {sense: max((p.score for p in pieces if p.sense is sense), default=0.0)
                for sense in Sense}  # fmt: skip
        missed = math.prod(1.0 - score for score in best.values())
        ordered = sorted(pieces, key=lambda p: (-p.score, p.sense, p.at_ms or 0, p.text or ""))
        return ProductLink(
            video_key=video.video_key,
            product_key=self._keys[product],
            sku=self._catalogue.products[product].product.sku,
            score=1.0 - missed,
            scores=tuple(best.items()),
            spans=_joined_spans(ordered),
            evidence=tuple(ordered[:_MOST_EVIDENCE]),
        )


def _captions(segments: Sequence[Segment]) -> Iterable[tuple[ScreenText, ...]]:
    """Lines that stand on screen together: a title is often broken over two lines."""
    lines = sorted(
        {line for segment in segments for line in segment.screen_text},
        key=lambda line: (line.start_ms, line.box.top, line.box.left, line.text),
    )
    for start in sorted({line.start_ms for line in lines}):
        shown = tuple(line for line in lines if line.start_ms <= start < line.end_ms)
        yield shown


def _joined_spans(pieces: Sequence[Evidence]) -> tuple[Span, ...]:
    """Union of the spans of evidence strong enough, or of the best piece where none is."""
    spanned = [p for p in pieces if p.span is not None]
    strong = [p for p in spanned if p.score >= _SPAN_ABOVE] or spanned[:1]
    joined: list[Span] = []
    for span in sorted((p.span for p in strong if p.span), key=lambda s: (s.start_ms, s.end_ms)):
        if joined and span.start_ms <= joined[-1].end_ms:
            last = joined.pop()
            span = Span(last.start_ms, max(last.end_ms, span.end_ms))
        joined.append(span)
    return tuple(joined)
