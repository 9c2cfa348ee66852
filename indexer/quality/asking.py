"""Asking releases queries whose answers are known: a new one, and the one that is served."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.judged import RESULTS, Answer, Ask, answer_all
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.results import SearchHit
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.sources.queries import JudgedQuery
from reelshelf.indexer.store.releases import config_of
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.models.registry import load_image_encoder, load_joint_text, load_query_encoder
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.media import Pixels
from reelshelf.schemas.release import JudgedQuality, Release

ReadPicture: TypeAlias = Callable[[Path], Pixels]

_RESAMPLES = 2000
_INTERVAL = (2.5, 97.5)


def released_encoders(release: Release, *, pictures: bool) -> QueryEncoders:
    """The encoders that a release names. Raises ModelUnavailable where they are not here."""
    config = config_of(release)
    return QueryEncoders(
        text=load_query_encoder(config),
        image=load_image_encoder(config) if pictures else None,
        joint_text=load_joint_text(config),
    )


def ask_of(searcher: Searcher, read_picture: ReadPicture) -> Ask:
    """How a judged query is asked: by its text, or else by its picture.

    `read_picture` raises ValueError or OSError for what is none.
    """

    def ask(query: JudgedQuery) -> list[SearchHit]:
        if query.text is not None:
            return list(searcher.search_text(query.text, k=RESULTS).ranked)
        assert query.image is not None
        try:
            pixels = read_picture(query.image)
        except (OSError, ValueError) as error:
            raise ConfigError(f"judged queries: {query.image}: {error}") from error
        return list(searcher.search_image(pixels, k=RESULTS).ranked)

    return ask


def answers_of(
    snapshot: ReleaseSnapshot, queries: Sequence[JudgedQuery], read_picture: ReadPicture
) -> list[Answer]:
    """Ask a release all queries. Raises ModelUnavailable or SpaceMismatch without its encoders."""
    pictures = any(query.image is not None for query in queries)
    encoders = released_encoders(snapshot.release, pictures=pictures)
    return answer_all(queries, ask_of(Searcher(snapshot, encoders), read_picture))


def judged_quality(now: Sequence[Answer], before: Sequence[Answer] | None) -> JudgedQuality:
    """What the answers come to, with the interval of the paired bootstrap (Efron, 1979)."""
    ndcg = fmean(answer.ndcg_at_10 for answer in now)
    if before is None:
        return JudgedQuality(queries=len(now), ndcg=ndcg)
    changes = np.array(
        [new.ndcg_at_10 - old.ndcg_at_10 for new, old in zip(now, before, strict=True)]
    )
    drawn = np.random.default_rng(0).integers(0, len(changes), (_RESAMPLES, len(changes)))
    low, high = np.percentile(changes[drawn].mean(axis=1), _INTERVAL)
    return JudgedQuality(
        queries=len(now),
        ndcg=ndcg,
        before=fmean(answer.ndcg_at_10 for answer in before),
        change=float(changes.mean()),
        low=float(low),
        high=float(high),
    )


def titles_asked(served: ReleaseSnapshot, most: int, seed: int) -> list[JudgedQuery]:
    """Titles of some products as queries; what a release links to them surely is their answer.

    Where people have judged nothing, an answer that is about as before is all that can be asked.
    """
    links = served.strong_links(["product_key", "video_id"])
    keys = pc.unique(links["product_key"]).to_pylist()
    order = np.random.default_rng(seed).permutation(len(keys))[:most]
    chosen = pa.array([keys[int(place)] for place in order], pa.string())
    sold: dict[str, set[str]] = {}
    for row in links.filter(pc.is_in(links["product_key"], value_set=chosen)).to_pylist():
        sold.setdefault(row["product_key"], set()).add(row["video_id"])
    titles = served.scan("products", ["product_key", "title"])
    titles = titles.filter(pc.is_in(titles["product_key"], value_set=chosen))
    return [
        JudgedQuery(key, "title", row["title"], None, frozenset(sold[key]))
        for row in titles.to_pylist()
        if (key := row["product_key"]) in sold and row["title"]
    ]
