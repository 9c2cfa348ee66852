"""Rules of people, prepared for a release: which hold for a query, and what they do to results.

A rule is found by the words of its queries, each in the form that its other forms share, however
many rules there are. What it is on are places of products and videos; what the release does not
hold is left out, and told by `unknown`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.concepts import NO_SYNONYMS, SynonymTable, Words
from reelshelf.indexer.search.filters import admitted, read_filter
from reelshelf.indexer.search.product_search import Listed
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.indexer.search.vocabulary import told_words
from reelshelf.indexer.text import Numbers
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.rules import (
    Boost,
    Bury,
    Hide,
    OfQueries,
    OfResults,
    Pin,
    Redirect,
    ResultKind,
    Rules,
    Slot,
    Synonyms,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something odd about a rule, in words."""

    rule: str
    told: str


@dataclass(frozen=True, slots=True)
class Pinned:
    """A product or a video, by its place, that a rule shows at place `at`, counted from 0.

    That is in a list of its kind; in a mixed row it is at `in_row`.
    """

    at: int
    in_row: int
    is_product: bool
    place: int


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """What the scores of some things are multiplied by: 0 hides them.

    `places` are theirs in rising order.
    """

    places: Numbers
    by: float

    def has(self, places: Numbers) -> npt.NDArray[np.bool_]:
        """`(places,)` which of some things it is on."""
        if not len(self.places):
            return np.zeros(len(places), bool)
        at = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        return np.asarray(self.places[at] == places)


Factors = Sequence[Factor]


@dataclass(frozen=True, slots=True, eq=False)
class Applied:
    """What the rules that hold for a query do.

    `products` and `videos` say what scores are multiplied by. `names` are the rules that hold.
    `slots` are kinds of results by their place in the mixed row, from 0.
    """

    names: tuple[str, ...] = ()
    products: Factors = ()
    videos: Factors = ()
    pins: tuple[Pinned, ...] = ()
    slots: Mapping[int, ResultKind] = field(default_factory=dict)
    redirect: str | None = None

    def on_relevance(self, found: Relevance) -> Relevance:
        """How far products are asked for after rules."""
        return replace(found, values=found.values * self.of_products(found.places))

    def on_list(self, found: Listed) -> Listed:
        """Products in order after rules: without the hidden ones."""
        if not self.products:
            return found
        scores = found.scores * self.of_products(found.places)
        own = np.flatnonzero(scores > 0)
        own = own[np.argsort(-scores[own], kind="stable")]
        return Listed(found.places[own], scores[own])

    def of_products(self, places: Numbers) -> Vectors:
        """`(places,)` the factors of some products."""
        return _factors(self.products, places)

    def of_videos(self, places: Numbers) -> Vectors:
        """`(places,)` the factors of some videos."""
        return _factors(self.videos, places)

    @property
    def hidden_videos(self) -> Numbers:
        """The videos that are shown nowhere."""
        hidden = [factor.places for factor in self.videos if not factor.by]
        return np.concatenate([np.zeros(0, np.intp), *hidden])

    def shows(self, place: int, *, product: bool) -> bool:
        """Whether a product or a video is not hidden."""
        own = self.of_products if product else self.of_videos
        return bool(own(np.array([place]))[0] > 0)


NOTHING_APPLIED = Applied()


def _factors(factors: Factors, places: Numbers) -> Vectors:
    found = np.ones(len(places), np.float32)
    for factor in factors:
        found[factor.has(places)] *= factor.by
    return found


def with_pins(
    found: Iterable[T], pins: Sequence[tuple[int, T]], is_pinned: Callable[[T], bool]
) -> Iterator[T]:
    """Results with others at fixed places; `is_pinned` tells one that is shown there already.

    `pins` are in rising order of their places. One beyond the end comes at the end.
    """
    waiting = list(pins)
    at = 0
    for one in found:
        while waiting and waiting[0][0] <= at:
            yield waiting.pop(0)[1]
            at += 1
        if not is_pinned(one):
            yield one
            at += 1
    yield from (one for _, one in waiting)


class Curation:
    """The rules of a file, prepared for a release."""

    def __init__(self, rules: Rules, catalog: SearchedCatalog, videos: SearchedVideos) -> None:
        """Raises InputError for a filter that this catalog cannot have."""
        self._catalog = catalog
        self._videos = videos
        self._rules = list(rules.named())
        self.unknown: list[Remark] = []
        self._on: dict[int, tuple[Numbers, Numbers]] = {}
        # By phrase the numbers of the rules with it; rules without are those of "".
        self._by_phrase: dict[str, list[int]] = {}
        self._longest = 0
        self._synonyms: list[tuple[Synonyms, list[tuple[Words, list[Words]]]]] = []
        self._last: tuple[tuple[int, ...], SynonymTable] = ((), NO_SYNONYMS)
        for number, (name, rule) in enumerate(self._rules):
            if isinstance(rule, Pin | OfResults):
                self._on[number] = self._places(name, rule)
            if isinstance(rule, OfQueries):
                self._index(number, name, rule)
            if isinstance(rule, Synonyms):
                self._synonyms.append((rule, self._phrases(rule)))

    def _index(self, number: int, name: str, rule: OfQueries) -> None:
        if not rule.query:
            self._by_phrase.setdefault("", []).append(number)
        for text in rule.query:
            if phrase := self._told(text):
                self._by_phrase.setdefault(" ".join(phrase), []).append(number)
                self._longest = max(self._longest, len(phrase))
            else:
                self.unknown.append(Remark(name, f"{text!r} has no word"))

    def _told(self, text: str) -> Words:
        return tuple(told_words(text, self._catalog.analyzer))

    def _places(self, name: str, rule: "Pin | OfResults") -> tuple[Numbers, Numbers]:
        """The products and videos that a rule is on."""
        columns = self._catalog.columns
        products = [columns.skus.get(sku) for sku in rule.skus]
        videos = self._videos.with_ids(rule.videos)
        named = [
            *zip((f"no product {sku!r}" for sku in rule.skus), products, strict=True),
            *zip((f"no video {video_id!r}" for video_id in rule.videos), videos, strict=True),
        ]
        self.unknown += [Remark(name, told) for told, place in named if place is None]
        own, shown = (
            np.array([place for place in places if place is not None], np.intp)
            for places in (products, videos)
        )
        if isinstance(rule, Pin):
            return own, shown
        if rule.filter:
            try:
                inside = admitted(read_filter(rule.filter), columns)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            filtered = np.flatnonzero(inside) if inside is not None else np.arange(len(columns))
            if not len(filtered):
                self.unknown.append(Remark(name, f"no product is {', '.join(rule.filter)}"))
            own = np.concatenate([own, filtered])
        # A factor has its places in rising order, a pin in that of the rule.
        return np.unique(own), np.unique(shown)

    def _phrases(self, rule: Synonyms) -> list[tuple[Words, list[Words]]]:
        """What each phrase of a rule stands for."""
        own = [words for words in map(self._told, rule.words) if words]
        means = [words for words in map(self._told, rule.means) if words] or own
        return [(words, [other for other in means if other != words]) for words in own]

    def synonyms(self, language: str | None, at: dt.datetime) -> SynonymTable:
        """What words stand for, by the rules that hold at an instant."""
        held = tuple(n for n, (rule, _) in enumerate(self._synonyms) if rule.holds(language, at))
        if self._last[0] != held:
            found: dict[Words, list[Words]] = {}
            for number in held:
                for words, others in self._synonyms[number][1]:
                    found.setdefault(words, []).extend(others)
            table = {words: tuple(dict.fromkeys(own)) for words, own in found.items() if own}
            # It is another one when a rule begins or ends, or in another language.
            self._last = held, SynonymTable.of(table)
        return self._last[1]

    def apply(self, texts: Iterable[str], language: str | None, at: dt.datetime) -> Applied:
        """What the rules do that hold for a query, given as typed and as understood."""
        numbers = {number for text in texts for number in self._for(self._told(text))}
        numbers |= set(self._by_phrase.get("", ()))
        held = [number for number in sorted(numbers) if self._rules[number][1].holds(language, at)]
        products: list[Factor] = []
        videos: list[Factor] = []
        pins: list[Pinned] = []
        slots: dict[int, ResultKind] = {}
        redirect = None
        for number in held:
            rule = self._rules[number][1]
            if isinstance(rule, Pin):
                pins += _pins(rule.at - 1, *self._on[number])
            elif isinstance(rule, Hide | Boost | Bury):
                by = 0.0 if isinstance(rule, Hide) else rule.by
                products.append(Factor(self._on[number][0], by))
                videos.append(Factor(self._on[number][1], by))
            elif isinstance(rule, Slot):
                slots.setdefault(rule.at - 1, rule.kind)
            elif isinstance(rule, Redirect):
                redirect = redirect or rule.to
        names = tuple(self._rules[number][0] for number in held)
        applied = Applied(names, products, videos, (), slots, redirect)
        # What is hidden is not shown, whoever pins it.
        shown = [pin for pin in pins if applied.shows(pin.place, product=pin.is_product)]
        first = {(pin.is_product, pin.place): pin for pin in reversed(shown)}
        ordered = sorted(first.values(), key=lambda pin: pin.at)
        return replace(applied, pins=tuple(ordered))

    def _for(self, told: Words) -> Iterator[int]:
        """The rules whose queries are some words, or stand in them."""
        for start in range(len(told)):
            for end in range(start + 1, min(start + self._longest, len(told)) + 1):
                whole = end - start == len(told)
                for number in self._by_phrase.get(" ".join(told[start:end]), ()):
                    rule = self._rules[number][1]
                    if whole or (isinstance(rule, OfQueries) and rule.match == "contains"):
                        yield number


def _pins(first: int, products: Numbers, videos: Numbers) -> Iterator[Pinned]:
    """Products and then videos from a place on; in a list of one kind, each kind from there."""
    for n, place in enumerate(products.tolist(), start=first):
        yield Pinned(n, n, True, place)
    for n, place in enumerate(videos.tolist(), start=first):
        yield Pinned(n, n + len(products), False, place)
