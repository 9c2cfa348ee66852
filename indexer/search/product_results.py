"""From scored products to a list of results: one for each group of variants, in an order."""

import decimal
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.curation import NOTHING_APPLIED, Applied, with_pins
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.product_search import Asked, Listed
from reelshelf.indexer.search.requests import Sort
from reelshelf.indexer.search.results import ProductHit
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.indexer.text import Numbers

# So many videos of a product are named.
_VIDEOS = 5
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class ProductResults:
    """Lists products of a release as results. `above` is where links begin to be sure."""

    columns: ProductColumns
    links: SearchedLinks
    videos: SearchedVideos
    above: float

    def ordered(self, listed: Listed, sort: Sort, applied: Applied = NOTHING_APPLIED) -> Listed:
        """One product of each group, the first that is listed, in the order that is asked for.

        In that of relevance, those that a rule pins stand at their places.
        """
        _, first = np.unique(self.columns.groups[listed.places], return_index=True)
        first.sort()
        own = first[self._order(sort, listed.places[first])]
        found = Listed(listed.places[own], listed.scores[own])
        pins = [(pin.at, pin.place) for pin in applied.pins if pin.is_product]
        if not pins or sort != "relevance":
            return found
        groups = self.columns.groups
        pinned = {int(groups[place]) for _, place in pins}
        places = list(
            with_pins(found.places.tolist(), pins, lambda place: int(groups[place]) in pinned)
        )
        scores = dict(zip(listed.places.tolist(), listed.scores.tolist(), strict=True))
        return Listed(
            np.array(places, np.intp),
            np.array([scores.get(place, 0.0) for place in places], np.float32),
        )

    def _order(self, sort: Sort, places: Numbers) -> Numbers:
        """The order of products that are listed by relevance; what has no value comes last."""
        if sort == "relevance":
            return np.arange(len(places))
        if sort == "newest":
            return np.argsort(-self.columns.published[places].astype(float), kind="stable")
        prices = self.columns.prices[places]
        return np.argsort(-prices if sort == "-price" else prices, kind="stable")

    def hits(
        self, listed: Listed, offset: int, size: int, asked: Asked | None = None
    ) -> tuple[ProductHit, ...]:
        """Some of the results, as they are shown; with `asked`, what their scores are made of."""
        shown = slice(offset, offset + size)
        pairs = zip(listed.places[shown].tolist(), listed.scores[shown].tolist(), strict=True)
        return tuple(self.hit(place, score, asked) for place, score in pairs)

    def hit(
        self,
        place: int,
        score: float,
        asked: Asked | None = None,
        probability: float | None = None,
    ) -> ProductHit:
        """One result."""
        columns, links = self.columns, self.links
        group = columns.variants[int(columns.groups[place])]
        own = links.of_product.together(group)
        own = own[links.scores[own] >= self.above]
        own = own[np.argsort(-links.scores[own], kind="stable")]
        videos = list(dict.fromkeys(links.videos[own].tolist()))
        price = columns.prices[place]
        return ProductHit(
            columns.skus.at(place),
            columns.titles[place],
            score,
            None if np.isnan(price) else decimal.Decimal(str(price)),
            _first(columns.currencies.written, columns.currencies.of[place].tolist()),
            tuple(columns.skus.some(group)) if len(group) > 1 else (),
            tuple(self.videos.ids[video] for video in videos[:_VIDEOS]),
            len(videos),
            _told(asked.parts(place), score) if asked else (),
            probability,
        )


def _first(names: Sequence[str], numbers: Sequence[int]) -> str | None:
    return names[numbers[0]] if numbers else None


def _told(parts: tuple[tuple[str, float], ...], score: float) -> tuple[tuple[str, float], ...]:
    """Parts of a score, with what rules have made of it."""
    ruled = score - sum(part for _, part in parts)
    return parts if abs(ruled) < _ROUNDING else (*parts, ("rules", ruled))
