"""The clues of all senses, joined into one calibrated score for each product of a video.

Within a sense the strongest clue of each kind counts, since ten readings of one caption are one
caption. What all senses say together becomes a probability by the shop's calibration.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from indexer.linking.calibration import probability, sense_probabilities
from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.clues import Clue
from indexer.linking.meaning import meant
from indexer.linking.sight import Sight
from indexer.linking.sound import SoundIndex
from indexer.linking.speech import spoken
from indexer.linking.writing import written
from schemas.calibration import Calibration, Signal
from schemas.config import LinkingConfig
from schemas.links import Evidence, ProductLink, Sense, Span
from schemas.segments import Segment

# Raise when the same segments, catalogue, calibration and config would give other links.
VERSION = 2

# A clue this much weaker than the best one of its link does not widen the link's spans.
_SPAN_SHARE = 0.5
_MOST_EVIDENCE = 12


@dataclass(frozen=True, slots=True)
class LinkableVideo:
    """What linking knows of a video."""

    video_key: str
    merchant_skus: tuple[str, ...]
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that a video may sell: the signals that decide, and the clues behind them."""

    product: int
    signals: Mapping[Signal, float]
    clues: tuple[Clue, ...]


class Linker:
    """Links videos to one catalogue. Make it once, use it for many videos."""

    def __init__(
        self,
        catalogue: LinkingCatalogue,
        product_keys: Sequence[str],
        sight: Sight | None,
        calibration: Calibration,
        config: LinkingConfig,
    ) -> None:
        self._catalogue = catalogue
        self._keys = product_keys
        self._sight = sight
        self._sounds = SoundIndex(catalogue)
        self._calibration = calibration
        self._config = config

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
        """For each copy, every product that any sense speaks for in any of them, by product.

        What one copy shows badly another may show well, so the strongest clues of all of them
        decide for each. A copy's own clues are its evidence, if it has any; borrowed ones have no
        moment.
        """
        found: dict[int, list[list[Clue]]] = defaultdict(lambda: [[] for _ in copies])
        for place, video in enumerate(copies):
            for clue in self._clues(video):
                found[clue.product][place].append(clue)
        by_copy: list[list[Candidate]] = [[] for _ in copies]
        for product, clues in sorted(found.items()):
            pooled = tuple(clue for own in clues for clue in own)
            signals = _signals(pooled)
            for place, own in enumerate(clues):
                # Another copy's moments are not this one's: it may be cut or run faster.
                borrowed = tuple(replace(c, span=None, at_ms=None, box=None) for c in pooled)
                evidence = tuple(own) if any(clue.span for clue in own) else borrowed
                by_copy[place].append(Candidate(product, signals, evidence))
        return by_copy

    def sku(self, candidate: Candidate) -> str:
        """The SKU of a candidate."""
        return self._catalogue.products[candidate.product].product.sku

    def weigh(self, video: LinkableVideo, candidate: Candidate) -> ProductLink:
        """The link that a candidate makes, however weak."""
        scores = sense_probabilities(self._calibration, candidate.signals)
        pieces = sorted(
            (self._evidence(clue) for clue in candidate.clues),
            key=lambda p: (-p.score, p.sense, p.at_ms or 0, p.text or ""),
        )
        return ProductLink(
            video_key=video.video_key,
            product_key=self._keys[candidate.product],
            sku=self.sku(candidate),
            score=probability(self._calibration, candidate.signals),
            scores=tuple(scores.items()),
            spans=_joined_spans(pieces),
            evidence=tuple(pieces[:_MOST_EVIDENCE]),
        )

    def _clues(self, video: LinkableVideo) -> Iterable[Clue]:
        if self._sight is not None:
            yield from self._sight.clues(video.segments)
        yield from written(video.segments, self._catalogue)
        yield from spoken(video.segments, self._catalogue)
        yield from self._sounds.clues(video.segments)
        yield from meant(video.segments, self._catalogue)
        for sku in video.merchant_skus:
            product = self._catalogue.index_of.get(sku)
            if product is not None:
                yield Clue(product, Sense.MERCHANT, 1.0, {Signal.MERCHANT: 1.0})

    def _evidence(self, clue: Clue) -> Evidence:
        return Evidence(
            sense=clue.sense,
            span=clue.span,
            at_ms=clue.at_ms,
            score=probability(self._calibration, clue.signals),
            text=clue.text,
            box=clue.box,
            image=clue.image,
        )


def _signals(clues: Iterable[Clue]) -> dict[Signal, float]:
    """Of each kind of clue the strongest one's signals."""
    best: dict[frozenset[Signal], Clue] = {}
    for clue in clues:
        kind = frozenset(clue.signals)
        if kind not in best or clue.strength > best[kind].strength:
            best[kind] = clue
    signals = {name: value for clue in best.values() for name, value in clue.signals.items()}
    seen = [clue for clue in best.values() if clue.sense is not Sense.MERCHANT]
    # A hint is enough, however faint; words that suit a rival better are none.
    if Signal.MERCHANT in signals and any(clue.strength > 0.0 for clue in seen):
        signals[Signal.MERCHANT_BACKED] = 1.0
    return signals


def _joined_spans(pieces: Sequence[Evidence]) -> tuple[Span, ...]:
    """Union of the spans of the strong pieces; `pieces` are best first."""
    spanned = [p for p in pieces if p.span is not None]
    strong = [p for p in spanned if p.score >= _SPAN_SHARE * spanned[0].score]
    joined: list[Span] = []
    for span in sorted((p.span for p in strong if p.span), key=lambda s: (s.start_ms, s.end_ms)):
        if joined and span.start_ms <= joined[-1].end_ms:
            last = joined.pop()
            span = Span(last.start_ms, max(last.end_ms, span.end_ms))
        joined.append(span)
    return tuple(joined)
