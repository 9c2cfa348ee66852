"""From what was found to an answer: a list of videos, of products, or a mixed row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.facets import count_facets
from reelshelf.indexer.search.finding import Finder, Found
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.mixed_row import OF_PRODUCTS, OF_VIDEOS, MixedItem, mixed, pins_of
from reelshelf.indexer.search.product_results import ProductResults
from reelshelf.indexer.search.product_search import Asked, Listed
from reelshelf.indexer.search.ranking import Clustered
from reelshelf.indexer.search.requests import Page, next_cursor
from reelshelf.indexer.search.results import Answer, Facet, Result
from reelshelf.indexer.search.video_list import VideoList, VideoLister
from reelshelf.indexer.search.video_results import VideoResults
from reelshelf.indexer.search.videos import Places
from reelshelf.indexer.text import Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """Makes answers of one release.

    `sellable`, `(products,)`, are those that a video surely sells. A mixed row has the best
    `products_in_row` products.
    """

    release_id: str
    finder: Finder
    lister: VideoLister
    video_results: VideoResults
    product_results: ProductResults
    columns: ProductColumns
    sellable: Products
    products_in_row: int

    def answer(self, found: Found, page: Page) -> Answer:
        """A page of the answer to a request."""
        if found.request.rows == "products":
            return self._products(found, page)
        near = self.finder.comes_near(found)
        if found.request.rows == "mixed":
            return self._mixed(found, page, near)
        return self._videos(found, page, near)

    def video_list(self, found: Found, now_ms: int, near: bool) -> VideoList:
        """All videos that were found, in order.

        Where nothing comes `near`, and a rule pins results, they are the pinned ones alone.
        """
        price = found.query.price if found.query else None
        each_of = self._each_of(found.asked)
        listed = self.lister.list(found.candidates, price, now_ms, each_of, found.applied)
        return listed if near or not _pinned(found) else replace(listed, results=())

    def _each_of(self, asked: Asked | None) -> frozenset[int]:
        """The products of a broad query that videos sell: each is shown before any comes again."""
        if asked is None or asked.near.broad is None:
            return frozenset()
        places = asked.near.places[asked.near.broad & asked.inside]
        return frozenset(places[self.sellable[places]].tolist())

    def _videos(self, found: Found, page: Page, near: bool) -> Answer:
        request = found.request
        listed = self.video_list(found, page.now_ms, near)
        shown = listed.page(page.offset, request.page_size)
        if request.sort == "newest":
            videos = listed.videos
            published = self.lister.videos.published[videos].astype(float)
            newest = np.argsort(-published, kind="stable")
            shown = listed.page_of(newest, page.offset, request.page_size)
        hits = tuple(self.video_results.hit(one, found.applied) for one in shown)
        near = near or _pinned(found)
        facets = self._facets(found, listed.videos, _NO_PRODUCTS) if near else ()
        return self._told(found, page, hits, len(listed), facets, near)

    def _products(self, found: Found, page: Page) -> Answer:
        request = found.request
        near = found.asked is None or self.finder.products.answers(found.asked)
        listed = self.finder.listed(found)
        if not near and _pinned(found):
            listed = Listed(listed.places[:0], listed.scores[:0])
        results = self.product_results.ordered(listed, request.sort, found.applied)
        asked = found.asked if request.image is None else None
        hits = self.product_results.hits(results, page.offset, request.page_size, asked)
        near = near or _pinned(found)
        facets = self._facets(found, _NO_VIDEOS, listed.places) if near else ()
        return self._told(found, page, hits, len(results), facets, near)

    def _mixed(self, found: Found, page: Page, near: bool) -> Answer:
        request = found.request
        videos = self.video_list(found, page.now_ms, near)
        listed = self._products_in_row(found)
        row, count = self._row(found, videos, listed)
        shown = islice(row, page.offset, page.offset + request.page_size)
        hits = tuple(self._mixed_hit(one, videos, found) for one in shown)
        near = near or _pinned(found)
        facets = self._facets(found, videos.videos, listed.places) if near else ()
        return self._told(found, page, hits, count, facets, near)

    def _products_in_row(self, found: Found) -> Listed:
        """The products of a mixed row: none where only some videos are wanted."""
        asked = found.asked
        if found.request.filter.kind is not None:
            return Listed(_NO_PRODUCTS, np.zeros(0, np.float32))
        listed = self.product_results.ordered(self.finder.listed(found), "relevance")
        if asked is not None and not self.finder.products.answers(asked):
            return Listed(listed.places[:0], listed.scores[:0])
        most = self.products_in_row
        return Listed(listed.places[:most], listed.scores[:most])

    def _row(
        self, found: Found, videos: VideoList, products: Listed
    ) -> tuple[Iterator[MixedItem], int]:
        """The row, which is mixed as far as it is read, and its length."""
        items = [self._video_item(one) for one in videos.results]
        pairs = zip(products.places.tolist(), products.scores.tolist(), strict=True)
        items += [self._product_item(place, score) for place, score in pairs]
        known = {(one.is_product, one.place): one for one in items}
        for pin in found.applied.pins:
            if pin.is_product:
                known.setdefault((True, pin.place), self._product_item(pin.place, 0.0))
        for _, one in videos.pins:
            known.setdefault((False, one.best.video), self._video_item(one))
        pins = pins_of(found.applied.pins, known)
        # A pinned video stands for its copies, a pinned product for its group.
        clusters = {one.best.cluster for _, one in videos.pins}
        groups = {one.group for _, one in pins if one.is_product}
        free = [
            one
            for one in items
            if (one.video is not None and one.video.best.cluster not in clusters)
            or (one.is_product and one.group not in groups)
        ]
        return mixed(free, found.applied.slots, pins), len(free) + len(pins)

    def _video_item(self, one: Clustered) -> MixedItem:
        best = one.best
        group = None if best.product is None else int(self.columns.groups[best.product])
        kind = self.video_results.kind(best.video)
        likely = OF_VIDEOS.probability(best.score)
        return MixedItem(kind, best.video, best.score, likely, group, one)

    def _product_item(self, place: int, score: float) -> MixedItem:
        group = int(self.columns.groups[place])
        return MixedItem("product", place, score, OF_PRODUCTS.probability(score), group)

    def _mixed_hit(self, one: MixedItem, videos: VideoList, found: Found) -> Result:
        if one.video is not None:
            listed = videos.told(one.video)
            return self.video_results.hit(listed, found.applied, one.probability)
        asked = found.asked if found.request.image is None else None
        return self.product_results.hit(one.place, one.score, asked, one.probability)

    def _told(
        self,
        found: Found,
        page: Page,
        hits: Sequence[Result],
        count: int,
        facets: tuple[Facet, ...],
        near: bool,
    ) -> Answer:
        rules, redirect = found.applied.names, found.applied.redirect
        if found.asked is not None and not (hits and near):
            return Answer(
                (),
                tuple(hits),
                found.query,
                outside_filters=self.finder.outside(found),
                rules=rules,
                redirect=redirect,
            )
        return Answer(
            tuple(hits),
            (),
            found.query,
            facets=facets,
            total=count,
            offset=page.offset,
            next_cursor=next_cursor(found.request, self.release_id, page, count),
            rules=rules,
            redirect=redirect,
        )

    def _facets(self, found: Found, videos: Places, products: Numbers) -> tuple[Facet, ...]:
        """Counted over what videos sell, and over products by their groups."""
        if not found.request.facets:
            return ()
        links = self.lister.links
        places, sizes = links.sold.places(videos)
        sold = links.products[links.sold.values[places]]
        results = np.repeat(np.arange(len(videos)), sizes)
        kept = found.applied.of_products(sold) > 0
        if found.admitted is not None:
            kept &= found.admitted[sold]
        groups = self.columns.groups[products].astype(np.intp) + len(videos)
        return count_facets(
            found.request.facets,
            np.concatenate([sold[kept], products]),
            np.concatenate([results[kept], groups]),
            self.columns,
        )


def _pinned(found: Found) -> bool:
    """Whether a rule pins a result of what is looked for."""
    kinds = {"videos": (False,), "products": (True,), "mixed": (False, True)}[found.request.rows]
    return any(pin.is_product in kinds for pin in found.applied.pins)


_NO_VIDEOS = _NO_PRODUCTS = np.zeros(0, np.intp)
