"""Why a video or a product stands where it does in an answer, or why it is not there at all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.answering import Answering
from reelshelf.indexer.search.filters import Filter, admitted, in_price
from reelshelf.indexer.search.finding import Finder, Found
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.relevance import Nearness
from reelshelf.indexer.search.requests import Like
from reelshelf.schemas.errors import InputError


@dataclass(frozen=True, slots=True)
class Why:
    """What an answer does with one thing.

    `position` counts from 1, over all pages; None for what is not in the list. `score` and `parts`
    are those of a result, what adds most first. `reasons` say in words why it is not there, or
    what else is to be known of it.
    """

    kind: str
    name: str
    position: int | None
    score: float | None
    parts: tuple[tuple[str, float], ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Explaining:
    """Looks one thing up in an answer."""

    finder: Finder
    answering: Answering

    def why(self, found: Found, now_ms: int, of: Like) -> Why:
        """Where something stands among what was found. Raises InputError where it is unknown."""
        if of.kind == "product":
            if found.request.rows == "videos":
                raise InputError(f"why product:{of.name}: videos are looked for; ask for products")
            return self._product(found, of.name)
        if found.request.rows == "products":
            raise InputError(f"why video:{of.name}: products are looked for; ask for videos")
        return self._video(found, now_ms, of.name)

    def _video(self, found: Found, now_ms: int, name: str) -> Why:
        videos = self.finder.videos
        place = videos.with_ids([name])[0]
        if place is None:
            return Why("video", name, None, None, (), ("this release has no video of that id",))
        near = self.finder.comes_near(found)
        listed = self.answering.video_list(found, now_ms, near)
        cluster = int(videos.clusters[place])
        for position, one in enumerate(listed.ordered(), start=1):
            if one.best.cluster != cluster:
                continue
            told = listed.told(one)
            reasons = []
            if one.best.video != place:
                best = videos.ids[one.best.video]
                reasons.append(f"it is a copy of {best}, which stands for all its copies")
            if any(pinned is one for _, pinned in listed.pins):
                reasons.append("a rule puts it at this place")
            if not near and not listed.pins:
                reasons.append(_NOT_NEAR)
            return Why("video", name, position, told.score, told.parts, tuple(reasons))
        return Why("video", name, None, None, (), tuple(self._absent_video(found, place)))

    def _absent_video(self, found: Found, place: int) -> Iterator[str]:
        """Why a video is not in the list."""
        videos = self.finder.videos
        if not found.applied.shows(place, product=False):
            yield "a rule hides it"
            return
        like = found.resembled.video if found.resembled else None
        if like is not None and videos.clusters[place] == videos.clusters[like]:
            yield "more is looked for of it, or of a copy of it"
            return
        limits = [
            f"{told} leaves it out"
            for told, wanted, inside in self._limits(found)
            if (admits := self.finder.selling(wanted, inside)) is not None and not admits[place]
        ]
        yield from limits or self._not_found(found, place)

    def _not_found(self, found: Found, place: int) -> Iterator[str]:
        """What each retriever finds in a video, beside what it has taken."""
        alone = np.zeros(len(self.finder.videos), bool)
        alone[place] = True
        for name, retriever in self.finder.retrievers.items():
            own, taken = retriever.find(found.question, alone, 1), found.candidates.get(name)
            best = float(own.scores.max(initial=0.0)) if own is not None else 0.0
            if best <= 0:
                yield f"{name}: finds nothing in it"
            elif taken is None or not len(taken) or place in taken.videos:
                yield f"{name}: {best:.2f}; others are better by all ways together"
            else:
                last = float(taken.scores.min())
                yield f"{name}: {best:.2f}; the {self.finder.depth} best have {last:.2f} and more"

    def _limits(self, found: Found) -> Iterator[tuple[str, Filter, Products | None]]:
        """Each thing that leaves results out, alone: in words, as a filter, and as products."""
        columns = self.answering.columns
        dated = found.request.rows == "products"
        for field, piece in found.request.filter.pieces():
            yield f"filter {field}", piece, admitted(piece, columns, dated=dated)
        if found.query is None:
            return
        if found.query.price is not None:
            yield "the price in the text", Filter(), in_price(found.query.price, columns)
        for unwanted in found.query.excluded:
            having = self.finder.products.relevance.having(unwanted)
            yield f'"{unwanted}", which is not wanted,', Filter(), ~having

    def _product(self, found: Found, sku: str) -> Why:
        columns = self.answering.columns
        place = columns.skus.get(sku)
        if place is None:
            return Why("product", sku, None, None, (), ("this release has no product of that SKU",))
        results = self.answering.product_results
        listed = results.ordered(self.finder.listed(found), found.request.sort, found.applied)
        asked = found.asked if found.request.image is None else None
        at = np.flatnonzero(columns.groups[listed.places] == columns.groups[place])
        if len(at):
            shown = int(listed.places[at[0]])
            hit = results.hit(shown, float(listed.scores[at[0]]), asked)
            reasons = []
            if shown != place:
                reasons.append(f"it is a variant of {hit.sku}, which stands for its group")
            if asked is not None and not self.finder.products.answers(asked):
                reasons.append(_NOT_NEAR)
            return Why("product", sku, int(at[0]) + 1, hit.score, hit.parts, tuple(reasons))
        return Why("product", sku, None, None, (), tuple(self._absent_product(found, place)))

    def _absent_product(self, found: Found, place: int) -> Iterator[str]:
        """Why a product is not in the list."""
        if not found.applied.shows(place, product=True):
            yield "a rule hides it"
            return
        groups = self.answering.columns.groups
        like = found.resembled.product if found.resembled else None
        if like is not None and groups[place] == groups[like]:
            yield "more is looked for of it, or of a variant of it"
            return
        limits = [
            f"{told} leaves it out"
            for told, _, inside in self._limits(found)
            if inside is not None and not inside[place]
        ]
        asked = found.asked
        if limits or asked is None:
            yield from limits or ["it does not look enough like what is asked for"]
            return
        alone = np.zeros(len(groups), bool)
        alone[place] = True
        near = self.finder.products.relevance.nearness(asked.query, asked.vector, alone)
        yield _nearness_of(near, place)


_NOT_NEAR = "nothing in the shop comes near the query: it is what came closest"


def _nearness_of(near: Nearness, place: int) -> str:
    own = np.flatnonzero(near.places == place)
    if not len(own):
        return "it has no word of the query, and does not mean what it means"
    words = f"it has {min(float(near.words[own[0]]), 1.0):.0%} of the query's words"
    if near.meaning is None:
        return f"{words}: others have far more"
    return f"{words}, and is as near in meaning as {near.meaning[own[0]]:.2f}: others are nearer"
