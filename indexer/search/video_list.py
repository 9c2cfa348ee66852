"""From what retrievers found to the list of videos: features, scores, order, moments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.features import FEATURES, FeatureMatrix, Ranker
from reelshelf.indexer.search.links import MODALITIES, SearchedLinks
from reelshelf.indexer.search.prices import PriceRange
from reelshelf.indexer.search.ranking import Ranked, diversify, freshness, price_fit
from reelshelf.indexer.search.results import Moment
from reelshelf.indexer.search.retrievers import Candidates
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

    `retrievers` numbers what found each, `weighed` is its score times that one's weight.
    """

    videos: Places
    rows: Places
    retrievers: Places
    weighed: Vectors
    found: Candidates


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
) -> list[ListedVideo]:
    """All results in order: one for each duplicate cluster, of the best `config.rerank` videos.

    `each_of` are the places of products of which each is shown before any comes again.
    """
    names = [name for name, own in found.items() if len(own)]
    if not names:
        return []
    pool = _pooled([found[name] for name in names], [getattr(config, name) for name in names])
    scores = np.zeros((len(pool.videos), len(names)))
    np.maximum.at(scores, (pool.rows, pool.retrievers), pool.found.scores)
    fused = scores @ np.array([getattr(config, name) for name in names])
    best = np.sort(np.argsort(-fused, kind="stable")[: config.rerank])
    carriers = _carriers(pool)
    features = FeatureMatrix(FEATURES, np.zeros((len(best), len(FEATURES)), np.float32))
    for number, name in enumerate(names):
        features.column(name)[:] = scores[best, number]
    _describe(
        features, pool.videos[best], carriers[best], price, links, videos, columns, config, now_ms
    )
    parts = ranker.parts(features)
    products = np.full(len(best), -1, np.intp)
    linked = carriers[best] >= 0
    products[linked] = links.products[carriers[best][linked]]
    totals = parts.sum(axis=1)
    row_of = {int(video): row for row, video in enumerate(pool.videos[best].tolist())}
    ranked = [
        Ranked(
            video,
            int(videos.clusters[video]),
            float(totals[row]),
            product if product >= 0 else None,
        )
        for (video, row), product in zip(row_of.items(), products.tolist(), strict=True)
    ]
    return [
        ListedVideo(
            item.video,
            tuple(copies),
            item.score,
            _told(parts[row_of[item.video]]),
            int(carriers[best[row_of[item.video]]]),
            _moments(pool, int(best[row_of[item.video]]), names),
        )
        for item, copies in diversify(ranked, config.diversity_penalty, each_of)
    ]


def _pooled(found: Sequence[Candidates], weights: Sequence[float]) -> _Pool:
    sizes = [len(own) for own in found]
    which = np.repeat(np.arange(len(found)), sizes)
    every = Candidates(
        np.concatenate([own.videos for own in found]),
        np.concatenate([own.scores for own in found]),
        np.concatenate([own.starts for own in found]),
        np.concatenate([own.ends for own in found]),
        [text for own in found for text in own.texts],
        np.concatenate([own.links for own in found]),
    )
    videos, rows = np.unique(every.videos, return_inverse=True)
    weighed = every.scores * np.array(weights)[which]
    return _Pool(videos, rows, which, weighed, every)


def _carriers(pool: _Pool) -> Places:
    """`(n,)` the place of the best link that led to each video, -1 where none did."""
    linked = np.flatnonzero(pool.found.links >= 0)
    # The best one is written last.
    linked = linked[np.argsort(pool.found.scores[linked], kind="stable")]
    carriers = np.full(len(pool.videos), -1, np.intp)
    carriers[pool.rows[linked]] = pool.found.links[linked]
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


def _told(parts: Vectors) -> tuple[tuple[str, float], ...]:
    told = [(name, float(part)) for name, part in zip(FEATURES, parts, strict=True) if part]
    return tuple(sorted(told, key=lambda item: -item[1]))


def _moments(pool: _Pool, row: int, names: Sequence[str]) -> tuple[Moment, ...]:
    """The best moments of a video that do not begin together."""
    own = np.flatnonzero(pool.rows == row)
    chosen: list[Moment] = []
    for place in own[np.argsort(-pool.weighed[own], kind="stable")].tolist():
        start = int(pool.found.starts[place])
        if any(abs(start - moment.start_ms) < _APART_MS for moment in chosen):
            continue
        end, text = int(pool.found.ends[place]), pool.found.texts[place]
        chosen.append(Moment(start, end, text, names[pool.retrievers[place]]))
        if len(chosen) == _MOMENTS:
            break
    return tuple(chosen)
