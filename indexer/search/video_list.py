"""From what retrievers found to the list of videos: features, scores, order, moments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import ProductColumns
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
    `diversify`. `row_of` says of each video which row of `parts` has what features add.
    """

    results: Sequence[Clustered]
    penalty: float
    each_of: frozenset[int]
    pool: _Pool
    parts: Vectors
    row_of: Mapping[int, int]

    def __len__(self) -> int:
        return len(self.results)

    @property
    def videos(self) -> Places:
        """The places of the videos, by score."""
        return np.array([one.best.video for one in self.results], np.intp)

    def page(self, offset: int, size: int) -> list[ListedVideo]:
        """Some results in their order."""
        ordered = diversify(self.results, self.penalty, self.each_of)
        return list(map(self._told, islice(ordered, offset, offset + size)))

    def page_of(self, order: Places, offset: int, size: int) -> list[ListedVideo]:
        """Some results in another order: `order` are their places among `videos`."""
        return [self._told(self.results[place]) for place in order[offset : offset + size].tolist()]

    def _told(self, one: Clustered) -> ListedVideo:
        video = one.best.video
        parts = self.parts[self.row_of[video]]
        told = [(name, float(part)) for name, part in zip(FEATURES, parts, strict=True) if part]
        row = int(np.searchsorted(self.pool.videos, video))
        return ListedVideo(
            video,
            one.copies,
            one.best.score,
            tuple(sorted(told, key=lambda item: -item[1])),
            int(self.pool.carriers[row]),
            _moments(self.pool, row),
        )


def list_videos(
    found: Mapping[str, Candidates],
    price: PriceRange | None,
    links: SearchedLinks,
    videos: SearchedVideos,
    columns: ProductColumns,
    ranker: Ranker,
    config: SearchConfig,
    now_ms: int,
    each_of: frozenset[int],
) -> VideoList:
    """One result for each duplicate cluster, of the best `config.rerank` videos.

    `each_of` are the places of products of which each is shown before any comes again.
    """
    names = tuple(name for name, own in found.items() if len(own))
    weights = np.array([getattr(config, name) for name in names])
    pool = _pooled(names, [found[name] for name in names], weights)
    scores = np.zeros((len(pool.videos), len(names)))
    np.maximum.at(scores, (pool.rows, pool.retrievers), pool.found.scores)
    best = np.sort(np.argsort(-(scores @ weights), kind="stable")[: config.rerank])
    carriers, chosen = pool.carriers[best], pool.videos[best]
    features = FeatureMatrix(FEATURES, np.zeros((len(best), len(FEATURES)), np.float32))
    for number, name in enumerate(names):
        features.column(name)[:] = scores[best, number]
    _describe(features, chosen, carriers, price, links, videos, columns, config, now_ms)
    parts = ranker.parts(features)
    products = np.full(len(best), -1, np.intp)
    products[carriers >= 0] = links.products[carriers[carriers >= 0]]
    ranked = [
        Ranked(video, cluster, score, product if product >= 0 else None)
        for video, cluster, score, product in zip(
            chosen.tolist(),
            videos.clusters[chosen].tolist(),
            parts.sum(axis=1).tolist(),
            products.tolist(),
            strict=True,
        )
    ]
    row_of = {video: row for row, video in enumerate(chosen.tolist())}
    return VideoList(one_of_each(ranked), config.diversity_penalty, each_of, pool, parts, row_of)


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


def _describe(
    features: FeatureMatrix,
    of: Places,
    carriers: Places,
    price: PriceRange | None,
    links: SearchedLinks,
    videos: SearchedVideos,
    columns: ProductColumns,
    config: SearchConfig,
    now_ms: int,
) -> None:
    """Fill in what no retriever knows."""
    features.column("freshness")[:] = freshness(videos.published[of], now_ms, config.freshness_days)
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
