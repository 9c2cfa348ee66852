"""From what retrievers found to the list of videos: features, scores, order, moments."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.curation import NOTHING_APPLIED, Applied, with_pins
from reelshelf.indexer.search.features import FEATURES, FeatureMatrix, Ranker
from reelshelf.indexer.search.links import MODALITIES, SearchedLinks
from reelshelf.indexer.search.prices import PriceRange
from reelshelf.indexer.search.ranking import (
    Clustered,
    Ranked,
    diversify,
    freshness,
    one_of_each,
    price_fit,
)
from reelshelf.indexer.search.results import Moment
from reelshelf.indexer.search.retrievers import Candidates, joined
from reelshelf.indexer.search.videos import Places, SearchedVideos
from reelshelf.schemas.config import SearchConfig
from reelshelf.schemas.media import Vectors

# Moments of one result, and how far apart they begin at least.
_MOMENTS, _APART_MS = 3, 3000


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """One result: a video by its place, the places of its copies, and why it is there.

    `parts` is what each feature adds to `score`, most first; `link` is the place of the link that
    led to it, -1 where none did. `moments` has one at least, best first.
    """

    video: int
    copies: tuple[int, ...]
    score: float
    parts: tuple[tuple[str, float], ...]
    link: int
    moments: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """All moments that were found, of n videos: `rows` says which each is of.

    `retrievers` numbers what found each among `names`, `weighed` is its score times that one's
    weight. `carriers`, `(n,)`, are the places of the links that led to the videos, -1 for none.
    """

    names: tuple[str, ...]
    videos: Places
    rows: Places
    retrievers: Places
    weighed: npt.NDArray[np.float64]
    found: Candidates
    carriers: Places


@dataclass(frozen=True, slots=True, eq=False)
class VideoList:
    """All results of a query, of which as many are ordered and told as are looked at.

    `results` are one for each duplicate cluster, by score; `penalty` and `each_of` are those of
    `diversify`. `row_of` says of each video which row of `parts` has what features add. `pins` are
    videos that a rule puts at a place of the list.
    """

    results: Sequence[Clustered]
    penalty: float
    each_of: frozenset[int]
    pool: _Pool
    parts: Vectors
    names: tuple[str, ...]
    row_of: Mapping[int, int]
    pins: Sequence[tuple[int, Clustered]] = ()

    def __len__(self) -> int:
        pinned = self._pinned
        return len(self.pins) + sum(one.best.cluster not in pinned for one in self.results)

    @property
    def _pinned(self) -> frozenset[int]:
        return frozenset(one.best.cluster for _, one in self.pins)

    @property
    def by_score(self) -> list[Clustered]:
        """The results by score; pinned ones that nothing has found are the last."""
        found = {one.best.video for one in self.results}
        extra = [one for _, one in self.pins if one.best.video not in found]
        pinned = self._pinned
        kept = {one.best.video for _, one in self.pins}
        own = [
            one for one in self.results if one.best.cluster not in pinned or one.best.video in kept
        ]
        return [*own, *extra]

    @property
    def videos(self) -> Places:
        """The places of the videos in that order."""
        return np.array([one.best.video for one in self.by_score], np.intp)

    def ordered(self) -> Iterator[Clustered]:
        """The results in their order."""
        pinned = self._pinned
        free = diversify(self.results, self.penalty, self.each_of)
        return with_pins(free, self.pins, lambda one: one.best.cluster in pinned)

    def page(self, offset: int, size: int) -> list[ListedVideo]:
        """Some results in their order."""
        return [self.told(one) for one in islice(self.ordered(), offset, offset + size)]

    def page_of(self, order: Places, offset: int, size: int) -> list[ListedVideo]:
        """Some results in another order: `order` are their places among those by score."""
        found = self.by_score
        return [self.told(found[place]) for place in order[offset : offset + size].tolist()]

    def told(self, one: Clustered) -> ListedVideo:
        """A result with its moments, and why it is there."""
        video = one.best.video
        if video not in self.row_of:
            # A rule shows it, and nothing has found it.
            start = (Moment(0, 0, "", "rule"),)
            return ListedVideo(video, one.copies, 0.0, (), -1, start)
        parts = self.parts[self.row_of[video]]
        told = [(name, float(part)) for name, part in zip(self.names, parts, strict=True) if part]
        row = int(np.searchsorted(self.pool.videos, video))
        return ListedVideo(
            video,
            one.copies,
            one.best.score,
            tuple(sorted(told, key=lambda item: -item[1])),
            int(self.pool.carriers[row]),
            _moments(self.pool, row),
        )


@dataclass(frozen=True, slots=True, eq=False)
class VideoLister:
    """Makes the lists of a release."""

    links: SearchedLinks
    videos: SearchedVideos
    columns: ProductColumns
    ranker: Ranker
    config: SearchConfig

    def list(
        self,
        found: Mapping[str, Candidates],
        price: PriceRange | None,
        now_ms: int,
        each_of: frozenset[int],
        applied: Applied = NOTHING_APPLIED,
    ) -> VideoList:
        """One result for each duplicate cluster, of the best `config.rerank` videos.

        `each_of` are the places of products of which each is shown before any comes again.
        """
        names = tuple(name for name, own in found.items() if len(own))
        weights = np.array([getattr(self.config, name) for name in names])
        pool = _pooled(names, [found[name] for name in names], weights)
        scores = np.zeros((len(pool.videos), len(names)))
        np.maximum.at(scores, (pool.rows, pool.retrievers), pool.found.scores)
        best = np.sort(np.argsort(-(scores @ weights), kind="stable")[: self.config.rerank])
        features = FeatureMatrix(FEATURES, np.zeros((len(best), len(FEATURES)), np.float32))
        for number, name in enumerate(names):
            features.column(name)[:] = scores[best, number]
        carriers, chosen = pool.carriers[best], pool.videos[best]
        self._describe(features, chosen, carriers, price, now_ms)
        parts = self.ranker.parts(features)
        # What rules add or take away is a part as well.
        ruled = parts.sum(axis=1) * (applied.of_videos(chosen) - 1.0)
        parts = np.concatenate([parts, ruled[:, None]], axis=1)
        products = np.full(len(best), -1, np.intp)
        products[carriers >= 0] = self.links.products[carriers[carriers >= 0]]
        ranked = [
            self._ranked(video, score, product)
            for video, score, product, factor in zip(
                chosen.tolist(),
                parts.sum(axis=1).tolist(),
                products.tolist(),
                applied.of_videos(chosen).tolist(),
                strict=True,
            )
            if factor > 0
        ]
        row_of = {video: row for row, video in enumerate(chosen.tolist())}
        results = one_of_each(ranked)
        of = {one.best.video: one for one in results}
        pins = [
            (pin.at, of.get(pin.place) or Clustered(self._ranked(pin.place, 0.0, -1), ()))
            for pin in applied.pins
            if not pin.is_product
        ]
        penalty = self.config.diversity_penalty
        told = (*FEATURES, "rules")
        return VideoList(results, penalty, each_of, pool, parts, told, row_of, pins)

    def _ranked(self, video: int, score: float, product: int) -> Ranked:
        cluster = int(self.videos.clusters[video])
        return Ranked(video, cluster, score, product if product >= 0 else None)

    def _describe(
        self,
        features: FeatureMatrix,
        of: Places,
        carriers: Places,
        price: PriceRange | None,
        now_ms: int,
    ) -> None:
        """Fill in what no retriever knows."""
        links, columns = self.links, self.columns
        published = self.videos.published[of]
        fresh = freshness(published, now_ms, self.config.freshness_days)
        features.column("freshness")[:] = fresh
        rows = np.flatnonzero(carriers >= 0)
        own = carriers[rows]
        products = links.products[own]
        features.column("authority")[rows] = columns.authority[products]
        features.column("link")[rows] = links.scores[own]
        for number, modality in enumerate(MODALITIES):
            features.column(f"link_{modality}")[rows] = links.modal[own, number]
        features.column("variant_known")[rows] = ~links.unknown[own]
        if price is not None and price.least is not None and price.most is not None:
            asked = float(price.least), float(price.most)
            features.column("price_fit")[rows] = price_fit(columns.prices[products], *asked)


def _pooled(
    names: tuple[str, ...], found: Sequence[Candidates], weights: npt.NDArray[np.float64]
) -> _Pool:
    which = np.repeat(np.arange(len(found)), [len(own) for own in found])
    every = joined(found)
    videos, rows = np.unique(every.videos, return_inverse=True)
    weighed = every.scores * weights[which]
    return _Pool(names, videos, rows, which, weighed, every, _carriers(every, rows))


def _carriers(found: Candidates, rows: Places) -> Places:
    """For each video the place of the best link that led to it, -1 where none did."""
    linked = np.flatnonzero(found.links >= 0)
    # The best one is written last.
    linked = linked[np.argsort(found.scores[linked], kind="stable")]
    carriers = np.full(int(rows.max(initial=-1)) + 1, -1, np.intp)
    carriers[rows[linked]] = found.links[linked]
    return carriers


def _moments(pool: _Pool, row: int) -> tuple[Moment, ...]:
    """The best moments of a video that do not begin together."""
    own = np.flatnonzero(pool.rows == row)
    chosen: list[Moment] = []
    for place in own[np.argsort(-pool.weighed[own], kind="stable")].tolist():
        start = int(pool.found.starts[place])
        if any(abs(start - moment.start_ms) < _APART_MS for moment in chosen):
            continue
        end, text = int(pool.found.ends[place]), pool.found.texts[place]
        chosen.append(Moment(start, end, text, pool.names[pool.retrievers[place]]))
        if len(chosen) == _MOMENTS:
            break
    return tuple(chosen)
