"""Rules of people, prepared for a release: which hold for a query, and what they do to results.

A rule is found by the words of its queries, each in the form that its other forms share, however
many rules there are. What it is on are places of products and videos; what the release does not
hold is left out, and told by `unknown`.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.concepts import Words
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
class Applied:
    """What the rules that hold for a query do.

    `products` and `videos` are factors of scores by place, 0 for what is hidden. `names` are the
    rules that hold. `slots` are kinds of results by their place in the mixed row, from 0.
    """

    names: tuple[str, ...] = ()
    products: Mapping[int, float] | None = None
    videos: Mapping[int, float] | None = None
    pins: tuple[Pinned, ...] = ()
    slots: Mapping[int, ResultKind] | None = None
    redirect: str | None = None

    def on_relevance(self, found: Relevance) -> Relevance:
        """How far products are asked for after rules."""
        return replace(found, values=found.values * _factors(self.products, found.places))

    def on_list(self, found: Listed) -> Listed:
        """Products in order after rules: without the hidden ones."""
        if not self.products:
            return found
        scores = found.scores * _factors(self.products, found.places)
        own = np.flatnonzero(scores > 0)
        own = own[np.argsort(-scores[own], kind="stable")]
        return Listed(found.places[own], scores[own])

    def on_videos(self, videos: Numbers) -> Vectors:
        """`(videos,)` factors of the scores of some videos."""
        return _factors(self.videos, videos)

    def shows_product(self, place: int) -> bool:
        """Whether a product is not hidden."""
        return (self.products or {}).get(place, 1.0) > 0


NOTHING_APPLIED = Applied()


def _factors(factors: Mapping[int, float] | None, places: Numbers) -> Vectors:
    if not factors:
        return np.ones(len(places), np.float32)
    return np.array([factors.get(place, 1.0) for place in places.tolist()], np.float32)


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
        for number, (name, rule) in enumerate(self._rules):
            if isinstance(rule, Pin | OfResults):
                self._on[number] = self._places(name, rule)
            if isinstance(rule, OfQueries):
                self._index(number, name, rule)

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
        own = np.array([place for place in products if place is not None], np.intp)
        if isinstance(rule, OfResults) and rule.filter:
            try:
                inside = admitted(read_filter(rule.filter), columns)
            except InputError as error:
                raise InputError(f"{name}: {error}") from error
            filtered = np.flatnonzero(inside) if inside is not None else np.arange(len(columns))
            if not len(filtered):
                self.unknown.append(Remark(name, f"no product is {', '.join(rule.filter)}"))
            own = np.concatenate([own, filtered])
        return own, np.array([place for place in videos if place is not None], np.intp)

    def synonyms(self, language: str | None, at: dt.datetime) -> Mapping[Words, tuple[Words, ...]]:
        """What words stand for, as told words, by the rules that hold at an instant."""
        found: dict[Words, list[Words]] = {}
        for _, rule in self._rules:
            if not isinstance(rule, Synonyms) or not rule.holds(language, at):
                continue
            own = [words for words in map(self._told, rule.words) if words]
            for words in own:
                others = map(self._told, rule.means) if rule.means else own
                found.setdefault(words, []).extend(o for o in others if o and o != words)
        return {words: tuple(dict.fromkeys(others)) for words, others in found.items() if others}

    def apply(self, texts: Iterable[str], language: str | None, at: dt.datetime) -> Applied:
        """What the rules do that hold for a query, given as typed and as understood."""
        numbers = {number for text in texts for number in self._for(self._told(text))}
        numbers |= set(self._by_phrase.get("", ()))
        factors: tuple[dict[int, float], dict[int, float]] = ({}, {})
        pins: list[Pinned] = []
        slots: dict[int, ResultKind] = {}
        redirect, names = None, []
        for number in sorted(numbers):
            name, rule = self._rules[number]
            if not rule.holds(language, at):
                continue
            names.append(name)
            if isinstance(rule, Pin):
                products, videos = self._on[number]
                for is_product, own in ((True, products), (False, videos)):
                    before = 0 if is_product else len(products)
                    for n, place in enumerate(own.tolist(), start=rule.at - 1):
                        pins.append(Pinned(n, n + before, is_product, place))
            elif isinstance(rule, Hide | Boost | Bury):
                by = 0.0 if isinstance(rule, Hide) else rule.by
                for of, places in zip(factors, self._on[number], strict=True):
                    for place in places.tolist():
                        of[place] = of.get(place, 1.0) * by
            elif isinstance(rule, Slot):
                slots.setdefault(rule.at - 1, rule.kind)
            elif isinstance(rule, Redirect):
                redirect = redirect or rule.to
        # What is hidden is not shown, whoever pins it.
        shown = [pin for pin in pins if factors[0 if pin.is_product else 1].get(pin.place, 1.0) > 0]
        first = {(pin.is_product, pin.place): pin for pin in reversed(shown)}
        ordered = sorted(first.values(), key=lambda pin: pin.at)
        return Applied(tuple(names), *factors, tuple(ordered), slots, redirect)

    def _for(self, told: Words) -> Iterator[int]:
        """The rules whose queries are some words, or stand in them."""
        for start in range(len(told)):
            for end in range(start + 1, min(start + self._longest, len(told)) + 1):
                whole = end - start == len(told)
                for number in self._by_phrase.get(" ".join(told[start:end]), ()):
                    rule = self._rules[number][1]
                    if whole or (isinstance(rule, OfQueries) and rule.match == "contains"):
                        yield number
