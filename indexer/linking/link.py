"""The matches of all modalities, joined into one calibrated score for each product of a video.

Within a modality the strongest match of each kind counts, since ten readings of one caption are one
caption. What all modalities say together becomes a probability by the shop's calibration.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reelshelf.indexer.linking.asr_phonetic import PhoneticMatcher
from reelshelf.indexer.linking.asr_semantic import semantic_matches
from reelshelf.indexer.linking.asr_title import title_matches
from reelshelf.indexer.linking.calibration import modality_probabilities, probability
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.ocr import ocr_matches
from reelshelf.indexer.linking.post_title import post_matches
from reelshelf.indexer.linking.visual import VisualMatcher
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.catalog import EncodedProduct
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.keys import Json
from reelshelf.schemas.links import Evidence, LinkableVideo, Modality, ProductLink, Span
from reelshelf.schemas.spaces import cosine_scale

# Raise when the same segments, catalog, calibration and config would give other links.
VERSION = 4

# A match this much weaker than the best one of its occurrence does not widen the link's spans, nor
# does an occurrence that is so much less likely than the likeliest.
_SPAN_SHARE = 0.5
# So long must nothing speak for a product until what does is another occurrence.
_APART_MS = 10_000
_MOST_EVIDENCE = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that a video may sell: the signals that decide, and the matches behind them."""

    product: int
    signals: Mapping[Signal, float]
    matches: tuple[Match, ...]


class Linker:
    """Links videos to one catalog. Make it once, use it for many videos."""

    def __init__(
        self,
        catalog: CatalogIndex,
        product_keys: Sequence[str],
        visual: VisualMatcher | None,
        calibration: Calibration,
        config: LinkingConfig,
        text_space: str = "",
    ) -> None:
        self._catalog = catalog
        self._keys = product_keys
        self._visual = visual
        self._phonetic = PhoneticMatcher(catalog)
        self._calibration = calibration
        self._config = config
        self._cosine_scale = cosine_scale(text_space)

    def link(self, copies: Sequence[LinkableVideo]) -> list[list[ProductLink]]:
        """Links of each of some videos that are copies of each other, mostly one alone.

        Only those that score above `linking.keep_above`, best first.
        """
        linked = []
        for video, candidates in zip(copies, self.candidates(copies), strict=True):
            links = [self.weigh(video, candidate) for candidate in candidates]
            kept = [link for link in links if link.score >= self._config.keep_above]
            linked.append(sorted(kept, key=lambda link: (-link.score, link.sku)))
        return linked

    def candidates(self, copies: Sequence[LinkableVideo]) -> list[list[Candidate]]:
        """For each copy, every product that any modality speaks for in any of them, by product.

        What one copy shows badly another may show well, so the strongest matches of all of them
        decide for each. A copy's own matches are its evidence, if it has any; borrowed ones have no
        moment.
        """
        found: dict[int, list[list[Match]]] = defaultdict(lambda: [[] for _ in copies])
        for place, video in enumerate(copies):
            for match in self._matches(video):
                found[match.product][place].append(match)
        by_copy: list[list[Candidate]] = [[] for _ in copies]
        for product, matches in sorted(found.items()):
            pooled = tuple(match for own in matches for match in own)
            signals = _signals(pooled)
            for place, own in enumerate(matches):
                # Another copy's moments are not this one's: it may be cut or run faster.
                borrowed = tuple(replace(c, span=None, at_ms=None, box=None) for c in pooled)
                evidence = tuple(own) if any(match.span for match in own) else borrowed
                by_copy[place].append(Candidate(product, signals, evidence))
        return by_copy

    def sku(self, candidate: Candidate) -> str:
        """The SKU of a candidate."""
        return self._catalog.products[candidate.product].product.sku

    def weigh(self, video: LinkableVideo, candidate: Candidate) -> ProductLink:
        """The link that a candidate makes, however weak."""
        scores = modality_probabilities(self._calibration, candidate.signals)
        pieces = sorted(
            (self._evidence(match) for match in candidate.matches),
            key=lambda p: (-p.score, p.modality, p.at_ms or 0, p.text or ""),
        )
        occurrences = self._occurrences(candidate.matches)
        spans = [
            match.span
            for occurrence in occurrences
            for match in self._strong(occurrence)
            if match.span is not None
        ]
        return ProductLink(
            video_key=video.video_key,
            product_key=self._keys[candidate.product],
            sku=self.sku(candidate),
            score=probability(self._calibration, candidate.signals),
            scores=tuple(scores.items()),
            spans=_joined(spans),
            evidence=tuple(pieces[:_MOST_EVIDENCE]),
        )

    def _matches(self, video: LinkableVideo) -> Iterable[Match]:
        if self._visual is not None:
            yield from self._visual.matches(video.segments)
        yield from ocr_matches(video.segments, self._catalog)
        yield from title_matches(video.segments, self._catalog)
        yield from post_matches(video.segments, self._catalog)
        yield from self._phonetic.matches(video.segments)
        yield from semantic_matches(video.segments, self._catalog, self._cosine_scale)
        for sku in video.merchant_skus:
            product = self._catalog.index_of.get(sku)
            if product is not None:
                yield Match(product, Modality.MERCHANT, 1.0, {Signal.MERCHANT: 1.0})

    def _occurrences(self, matches: Sequence[Match]) -> list[list[Match]]:
        """The stretches of a video in which it shows or names a product, as the matches in each.

        Each is weighed as if it were a video of its own, since weak matches count together: beside
        one that is surely an occurrence, others are that which are half as likely.
        """
        timed = [(match.span, match) for match in matches if match.span is not None]
        rest = [match for match in matches if match.span is None]
        groups: list[list[Match]] = []
        until = -_APART_MS
        for span, match in sorted(timed, key=lambda item: (item[0].start_ms, item[0].end_ms)):
            if not groups or span.start_ms - until >= _APART_MS:
                groups.append([])
            groups[-1].append(match)
            until = max(until, span.end_ms)
        if len(groups) < 2:
            return groups
        sure = [probability(self._calibration, _signals([*rest, *group])) for group in groups]
        least = _SPAN_SHARE * max(sure)
        return [group for group, chance in zip(groups, sure, strict=True) if chance >= least]

    def _strong(self, matches: Sequence[Match]) -> Iterable[Match]:
        """Those of some matches that are not much weaker than the best of them."""
        scores = [probability(self._calibration, match.signals) for match in matches]
        least = _SPAN_SHARE * max(scores)
        return (match for match, score in zip(matches, scores, strict=True) if score >= least)

    def _evidence(self, match: Match) -> Evidence:
        return Evidence(
            modality=match.modality,
            span=match.span,
            at_ms=match.at_ms,
            score=probability(self._calibration, match.signals),
            text=match.text,
            box=match.box,
            image=match.image,
        )


def _signals(matches: Iterable[Match]) -> dict[Signal, float]:
    """Of each kind of match the strongest one's signals."""
    best: dict[frozenset[Signal], Match] = {}
    for match in matches:
        kind = frozenset(match.signals)
        if kind not in best or match.strength > best[kind].strength:
            best[kind] = match
    signals = {name: value for match in best.values() for name, value in match.signals.items()}
    seen = [match for match in best.values() if match.modality is not Modality.MERCHANT]
    # A hint is enough, however faint; words that suit a rival better are none.
    if Signal.MERCHANT in signals and any(match.strength > 0.0 for match in seen):
        signals[Signal.MERCHANT_BACKED] = 1.0
    return signals


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The union of some spans, in order."""
    joined: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start_ms, s.end_ms)):
        if joined and span.start_ms <= joined[-1].end_ms:
            last = joined.pop()
            span = Span(last.start_ms, max(last.end_ms, span.end_ms))
        joined.append(span)
    return tuple(joined)


def linking_facts(item: EncodedProduct) -> Json:
    """All that links are made from of one product: not its stock, its sales or its rating."""
    product = item.product
    return [
        product.sku,
        product.title,
        product.brand,
        str(product.price),
        product.currency,
        product.text,
        product.facts,
        [[image.uri, image.content_sha256, list(image.packaging_text)] for image in item.images],
    ]
