"""The matches of all modalities, joined into one calibrated score for each group of a video.

Within a modality the strongest match of each kind counts, since ten readings of one caption are one
caption. What all modalities say together becomes a probability by the shop's calibration.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reelshelf.indexer.linking.asr_phonetic import PhoneticMatcher
from reelshelf.indexer.linking.asr_semantic import AsrSemanticMatcher
from reelshelf.indexer.linking.brands import Brands
from reelshelf.indexer.linking.calibration import modality_probabilities, probability
from reelshelf.indexer.linking.candidates import (
    AllGroups,
    CandidateMaker,
    CandidateSource,
    Comparable,
)
from reelshelf.indexer.linking.contests import Contest, Matcher
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.ocr import OcrMatcher, shown_together
from reelshelf.indexer.linking.overrides import VideoOverrides, overridden
from reelshelf.indexer.linking.prices import GroupPrices
from reelshelf.indexer.linking.texts import texts_of
from reelshelf.indexer.linking.timeline import with_timeline
from reelshelf.indexer.linking.titles import AsrTitleMatcher, NamedGroups, PostTitleMatcher
from reelshelf.indexer.linking.trace import Bar, Entries, Trace, concerns, traced
from reelshelf.indexer.linking.variants import Variants
from reelshelf.indexer.linking.visual import VisualMatcher
from reelshelf.indexer.linking.visual_stats import PlaceFor, in_memory
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Calibration, Signal, Trust
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import LinkingConfig
from reelshelf.schemas.keys import Json, product_key
from reelshelf.schemas.links import Evidence, LinkableVideo, Modality, ProductLink, Span
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.spaces import cosine_scale
from reelshelf.schemas.visual_stats import VisualStats

# Raise when the same segments, catalog, calibration and config would give other links.
VERSION = 8

# A match this much weaker than the best one of its occurrence does not widen the link's spans, nor
# does an occurrence that is so much less likely than the likeliest.
_SPAN_SHARE = 0.5
# So long must nothing speak for a product until what does is another occurrence.
_APART_MS = 10_000
_MOST_EVIDENCE = 12
# Groups of each moment from which a calibration learns, whatever they keep of it.
_NEAREST = 5
# So strong has a match to be to back a declaration, or a brand.
_HINT = 0.002
# What a declaration is worth of a merchant whose word is a link.
_TRUSTED = 0.95
_ANY_MERCHANT = "*"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group that a video may sell: the signals that decide, and the matches behind them.

    `score` is the probability that it does.
    """

    group: int
    signals: Mapping[Signal, float]
    matches: tuple[Match, ...]
    score: float


def matchers_of(
    comparable: Comparable,
    candidates: CandidateSource,
    term_shares: Mapping[str, float] | None,
    text_space: str,
) -> tuple[NamedGroups, list[Matcher]]:
    """The names of a catalog's groups, and all matchers, for one catalog and one shop."""
    catalog = comparable.catalog
    names = NamedGroups(catalog, term_shares)
    matchers: list[Matcher] = [
        OcrMatcher(catalog, names),
        AsrTitleMatcher(names),
        PostTitleMatcher(names),
        PhoneticMatcher(comparable, candidates),
        AsrSemanticMatcher(catalog, candidates, cosine_scale(text_space)),
    ]
    if comparable.pictures is not None:
        matchers.insert(0, VisualMatcher(comparable, comparable.pictures, candidates))
    return names, matchers


class Linker:
    """Links videos to one catalog. Make it once, use it for many videos.

    `stats` are None for a shop without pictures; `candidates` makes their source: all groups unless
    given. `place_for` is of `GroupPictures`. It can be pickled, and then holds nothing but arrays.
    """

    def __init__(
        self,
        catalog: CatalogIndex,
        shop_id: str,
        stats: VisualStats | None,
        calibration: Calibration,
        config: LinkingConfig,
        text_space: str = "",
        candidates: CandidateMaker = AllGroups.of,
        place_for: PlaceFor = in_memory,
    ) -> None:
        self._catalog = catalog
        self._shop_id = shop_id
        self._calibration = calibration
        self._config = config
        comparable = Comparable.of(catalog, stats, place_for)
        shares = stats.term_shares if stats else None
        self._stats = stats
        self._text_space = text_space
        self._names, self._matchers = matchers_of(
            comparable, candidates(comparable), shares, text_space
        )
        self._bar = Bar(calibration, config.keep_above)
        self._brands = Brands(catalog)
        self._prices = GroupPrices(catalog)
        self._variants = Variants(catalog, self._prices)

    def among(self, skus: Iterable[str], candidates: CandidateMaker) -> "Linker":
        """One that knows of these products alone, as far as they are there, and of their groups.

        A bundle of one of them is among them. Statistics stay those of the whole shop.
        """
        groups = set(self._catalog.groups_with(skus))
        groups |= {
            bundle for bundle, parts in self._names.bundles.items() if not groups.isdisjoint(parts)
        }
        members = self._catalog.groups.members
        places = sorted(place for group in groups for place in members[group].tolist())
        products = [self._catalog.products[place] for place in places]
        return Linker(
            CatalogIndex(products, self._catalog.analyzer, counts=self._catalog.counts),
            self._shop_id,
            self._stats,
            self._calibration,
            self._config,
            self._text_space,
            candidates,
        )

    @property
    def known(self) -> tuple[str, ...]:
        """The SKUs of all its products."""
        return tuple(self._catalog.index_of)

    def link(
        self, copies: Sequence[LinkableVideo], rules: Sequence[Override] = ()
    ) -> list[list[ProductLink]]:
        """Links of each of some videos that are copies of each other, mostly one alone.

        Only those that score above `linking.keep_above`, best first. `rules` are overrides of
        any of the copies: they win over every score.
        """
        return self.linked(copies, rules)[0]

    def linked(
        self, copies: Sequence[LinkableVideo], rules: Sequence[Override] = ()
    ) -> tuple[list[list[ProductLink]], Trace]:
        """The same, with what decided."""
        contests = [self._contests(video) for video in copies]
        links = self._links(copies, self._candidates(copies, contests), rules)
        return links, traced(contests, self._bar, self._declared(copies))

    def concerns(self, copies: Sequence[LinkableVideo], known: Sequence[Entries]) -> bool:
        """Whether groups of this catalog have a say in links that were made without them.

        `known` is what the trace of these has of the contests of each copy.
        """
        contests = [self._contests(video) for video in copies]
        return concerns(contests, known, self._bar, self._declared(copies))

    def _links(
        self,
        copies: Sequence[LinkableVideo],
        by_copy: Sequence[Sequence[Candidate]],
        rules: Sequence[Override],
    ) -> list[list[ProductLink]]:
        linked = []
        for video, candidates in zip(copies, by_copy, strict=True):
            links = [
                link
                for candidate in candidates
                if candidate.score >= self._config.keep_above
                for link in self.weigh(video, candidate)
            ]
            if rules:
                links = overridden(links, rules, video, self._catalog, self._shop_id)
            if video.is_live:
                links = with_timeline(links, self._config.link_above)
            linked.append(sorted(links, key=lambda link: (-link.score, link.sku)))
        return linked

    def candidates(self, copies: Sequence[LinkableVideo]) -> list[list[Candidate]]:
        """For each copy, every group that any modality speaks for in any of them, by group.

        What one copy shows badly another may show well, so the strongest matches of all of them
        decide for each. A copy's own matches are its evidence, if it has any; borrowed ones have no
        moment.
        """
        return self._candidates(copies, [self._contests(video) for video in copies])

    def considered(self, copies: Sequence[LinkableVideo]) -> list[list[Candidate]]:
        """The same, and the groups that come nearest in any moment and for which nothing speaks.

        By these a calibration learns how seldom that is a link.
        """
        contests = [self._contests(video) for video in copies]
        near = {group for own in contests for contest in own for group in contest.nearest(_NEAREST)}
        silent = probability(self._calibration, {})
        return [
            found
            + [
                Candidate(group, {}, (), silent)
                for group in sorted(near.difference(candidate.group for candidate in found))
            ]
            for found in self._candidates(copies, contests)
        ]

    def _candidates(
        self, copies: Sequence[LinkableVideo], by_copy_contests: Sequence[Sequence[Contest]]
    ) -> list[list[Candidate]]:
        found: dict[int, list[list[Match]]] = defaultdict(lambda: [[] for _ in copies])
        brands: frozenset[int] = frozenset()
        for place, (video, contests) in enumerate(zip(copies, by_copy_contests, strict=True)):
            brands |= self._brands.named(video)
            for match in self._matches(video, contests):
                found[match.group][place].append(match)
        by_copy: list[list[Candidate]] = [[] for _ in copies]
        for group, matches in sorted(found.items()):
            pooled = tuple(match for own in matches for match in own)
            signals = signals_of(pooled, branded=self._brands.is_of(group, brands))
            score = self._trusted(copies, group, probability(self._calibration, signals))
            for place, own in enumerate(matches):
                # Another copy's moments are not this one's: it may be cut or run faster.
                borrowed = tuple(replace(c, span=None, at_ms=None, box=None) for c in pooled)
                evidence = tuple(own) if any(match.span for match in own) else borrowed
                by_copy[place].append(Candidate(group, signals, evidence, score))
        return by_copy

    def states_price(self, video: LinkableVideo) -> bool:
        """Whether a video states a price: if not, those of products have no part in its links."""
        texts = [text for text, _ in texts_of(video)]
        texts += [shown.text for shown in shown_together(video.segments)]
        return any(self._prices.stated(text) for text in dict.fromkeys(texts))

    def skus(self, candidate: Candidate) -> tuple[str, ...]:
        """The SKUs of a candidate's group."""
        return self.skus_of([candidate.group])

    def skus_of(self, groups: Iterable[int]) -> tuple[str, ...]:
        """The SKUs of some groups."""
        members = self._catalog.groups.members
        return tuple(self._catalog.sku(p) for group in groups for p in members[group].tolist())

    def _trusted(self, copies: Sequence[LinkableVideo], group: int, score: float) -> float:
        """A score, no less than what is sure where a merchant says so whose word is a link."""
        sure = any(
            self._trust(video) is Trust.LINKED
            and group in self._catalog.groups_with(video.merchant_skus)
            for video in copies
        )
        return max(score, _TRUSTED) if sure else score

    def overrides(self, rules: Sequence[Override]) -> VideoOverrides:
        """Overrides of a video by product of the catalog."""
        return VideoOverrides(rules, self._catalog)

    def weigh(self, video: LinkableVideo, candidate: Candidate) -> list[ProductLink]:
        """The links that a candidate makes, however weak: one for each variant it may be."""
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
        declared = () if self._trust(video) is Trust.IGNORED else video.merchant_skus
        chosen = self._variants.choose(candidate.group, candidate.matches, video, declared)
        return [
            ProductLink(
                video_key=video.video_key,
                product_key=product_key(self._shop_id, sku),
                sku=sku,
                score=candidate.score,
                scores=tuple(scores.items()),
                spans=_joined(spans),
                evidence=tuple(pieces[:_MOST_EVIDENCE]),
                group_id=self._catalog.group_id(candidate.group),
                variant=chosen.state,
            )
            for sku in map(self._catalog.sku, chosen.places)
        ]

    def _contests(self, video: LinkableVideo) -> list[Contest]:
        return [contest for matcher in self._matchers for contest in matcher.contests(video)]

    def _declared(self, copies: Sequence[LinkableVideo]) -> set[int]:
        """The groups that merchants declare, where that counts."""
        return {
            group
            for video in copies
            if self._trust(video) is not Trust.IGNORED
            for group in self._catalog.groups_with(video.merchant_skus)
        }

    def _matches(self, video: LinkableVideo, contests: Iterable[Contest]) -> Iterable[Match]:
        declared = self._catalog.groups_with(video.merchant_skus)
        for contest in contests:
            yield from contest.found(declared)
        if self._trust(video) is not Trust.IGNORED:
            for group in self._catalog.groups_with(video.merchant_skus):
                yield Match(group, Modality.MERCHANT, 1.0, {Signal.MERCHANT: 1.0})

    def _trust(self, video: LinkableVideo) -> Trust:
        """What its merchant's declarations are worth: as set, or else as learned."""
        merchant = video.merchant_id or ""
        learned = self._calibration.trust.get(merchant, Trust.PRIOR)
        given = self._config.trust
        return given.get(merchant, given.get(_ANY_MERCHANT, learned))

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
        sure = [probability(self._calibration, signals_of([*rest, *group])) for group in groups]
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


def signals_of(matches: Iterable[Match], *, branded: bool = False) -> dict[Signal, float]:
    """What some matches with one group come to: of each kind the strongest one's signals.

    `branded`: the group's brand is named, which counts where anything else does.
    """
    best: dict[frozenset[Signal], Match] = {}
    hint = 0.0
    for match in matches:
        if match.modality is not Modality.MERCHANT:
            hint = max(hint, match.strength, match.hint)
        kind = frozenset(match.signals)
        if kind not in best or match.strength > best[kind].strength:
            best[kind] = match
    signals = {name: value for match in best.values() for name, value in match.signals.items()}
    # A faint hint is enough, however many share it: in a large catalog many do.
    if Signal.MERCHANT in signals and hint > _HINT:
        signals[Signal.MERCHANT_BACKED] = 1.0
    # A brand has many products: words that suit a rival better are no hint of this one.
    seen = [match for match in best.values() if match.modality is not Modality.MERCHANT]
    if branded and any(match.strength > _HINT for match in seen):
        signals[Signal.BRAND] = 1.0
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


def linking_facts(product: Product) -> Json:
    """All that every link is made from of a product's row: not its stock, sales or rating.

    Nor its price, which only counts where a video states one (`Linker.states_price`).
    """
    return [
        product.sku,
        product.title,
        product.brand,
        product.text,
        product.facts,
        product.group_id,
        product.merchant_id,
        list(product.images),
    ]
