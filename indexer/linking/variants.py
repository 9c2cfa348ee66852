"""Which variant of a group a video shows, where anything tells them apart.

Variants mostly share their pictures and most of their title, so a group is linked first. What then
tells them apart is what differs: words of size and color in a caption, a sentence or on the
packaging, a price, a SKU, a picture that only one of them has, and what the merchant declares. It
counts where it stands near what speaks for the group.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.prices import GroupPrices
from reelshelf.indexer.linking.texts import texts_of
from reelshelf.indexer.text.catalog import CatalogIndex, code_of
from reelshelf.indexer.text.money import Money
from reelshelf.schemas.links import LinkableVideo, Span, VariantState

# What is so near to a match of a group may be said of it.
_NEAR_MS = 6_000
# How surely each kind of observation tells variants apart.
_CODE, _DECLARED, _WORDS, _PRICE, _PICTURE = 1.0, 0.9, 0.8, 0.7, 0.4
# A variant this much less sure than the surest is not shown.
_AS_SURE = 0.8


@dataclass(frozen=True, slots=True)
class Chosen:
    """The products of a group that a video may show, as places, and whether that is known."""

    places: tuple[int, ...]
    state: VariantState | None


@dataclass(frozen=True, slots=True)
class _Words:
    """What stands in a video's texts, where; None for what is of the whole video."""

    span: Span | None
    words: frozenset[str]
    prices: tuple[Money, ...]


class Variants:
    """Tells the variants of a catalog's groups apart."""

    def __init__(self, catalog: CatalogIndex, prices: GroupPrices) -> None:
        self._catalog = catalog
        self._prices = prices
        # Of the video that was asked of last: its groups are asked of one after the other.
        self._texts_of_last: tuple[LinkableVideo, tuple[_Words, ...]] | None = None

    def choose(
        self,
        group: int,
        matches: Sequence[Match],
        video: LinkableVideo,
        declared: Collection[str] = (),
    ) -> Chosen:
        """The variants of a group that its matches in a video, and what is near them, suit.

        `declared` are the SKUs that the merchant says it sells, where that counts.
        """
        members: tuple[int, ...] = tuple(self._catalog.groups.members[group].tolist())
        if len(members) == 1:
            return Chosen(members, None)
        sure: dict[int, float] = defaultdict(float)
        narrowed = set(members)
        for weight, suited in self._told(group, members, matches, video, declared):
            if len(suited) == 1:
                sure[suited[0]] = max(sure[suited[0]], weight)
            elif narrowed & set(suited):
                narrowed &= set(suited)
        if sure:
            least = _AS_SURE * max(sure.values())
            places = tuple(sorted(place for place, value in sure.items() if value >= least))
            return Chosen(places, VariantState.KNOWN)
        return Chosen(tuple(sorted(narrowed)), VariantState.UNKNOWN)

    def _told(
        self,
        group: int,
        members: tuple[int, ...],
        matches: Sequence[Match],
        video: LinkableVideo,
        declared: Collection[str],
    ) -> Iterable[tuple[float, tuple[int, ...]]]:
        """What tells variants apart: how surely, and which it suits; fewer than all of them."""
        places = {self._catalog.index_of.get(sku) for sku in declared}
        found = [(_DECLARED, tuple(place for place in members if place in places))]
        found += [(_PICTURE, match.variants) for match in matches if match.variants]
        spans = [match.span for match in matches if match.span is not None]
        own = self._own_words(members)
        codes = {p: code_of(self._catalog.product(p), self._catalog.analyzer) for p in members}
        for text in self._texts(video):
            if text.span is not None and spans and not any(_near(text.span, s) for s in spans):
                continue
            found.append((_WORDS, tuple(p for p in members if own[p] & text.words)))
            found.append((_PRICE, self._prices.costing(text.prices, group)))
            found.append((_CODE, tuple(p for p in members if codes[p] in text.words)))
        return (item for item in found if 0 < len(item[1]) < len(members))

    def _own_words(self, members: Sequence[int]) -> Mapping[int, frozenset[str]]:
        """For each product of a group the words that not all of them have."""
        words = {place: self._words_of(place) for place in members}
        shared = frozenset.intersection(*words.values())
        return {place: own - shared for place, own in words.items()}

    def _words_of(self, place: int) -> frozenset[str]:
        product, analyzer = self._catalog.product(place), self._catalog.analyzer
        texts = [product.title, *(value for _, value in product.attributes)]
        return frozenset(
            form
            for text in texts
            for word in analyzer.words(text)
            for form in (word, *analyzer.stems(word))
        )

    def _texts(self, video: LinkableVideo) -> tuple[_Words, ...]:
        if self._texts_of_last is None or self._texts_of_last[0] is not video:
            self._texts_of_last = video, tuple(self._read(video))
        return self._texts_of_last[1]

    def _read(self, video: LinkableVideo) -> Iterable[_Words]:
        analyzer = self._catalog.analyzer
        for text, span in texts_of(video):
            words = analyzer.words(text)
            joined = ["".join(words[i : i + n]) for n in (2, 3) for i in range(len(words) - n + 1)]
            forms = {form for word in words for form in (word, *analyzer.stems(word))}
            prices = tuple(self._prices.stated(text))
            yield _Words(span, frozenset({*forms, *joined}), prices)


def _near(one: Span, other: Span) -> bool:
    return one.start_ms < other.end_ms + _NEAR_MS and other.start_ms < one.end_ms + _NEAR_MS
