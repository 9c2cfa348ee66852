"""The moments of a release, searched in Lance: by words, and by vectors.

Filters are pushed down. Where they let few videos in, Lance looks at the moments of those alone;
where they let many in, it is asked for more until enough of them are among what it finds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.query import MatchQuery
from lancedb.table import Table

from reelshelf.indexer.search.videos import Places, SearchedVideos, Videos
from reelshelf.indexer.store.nearest import query_for
from reelshelf.indexer.store.tables import among
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex

# So many videos may be named in a filter.
_MOST_NAMED = 2_000
# How many moments are asked for to find one video, at first; and at most, for all of them.
_MOMENTS_OF_A_VIDEO, _MOST = 4, 20_000
_MORE = 4
SEGMENT_VECTORS = ("text_vector", "frame_vector")
_SHOWN = ["video_key", "start_ms", "end_ms", "text"]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """m moments, best first. `scores` are cosines, or BM25; `cells` other columns by name."""

    videos: Places
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    texts: Sequence[str]
    scores: npt.NDArray[np.float64]
    cells: Mapping[str, pa.ChunkedArray]

    def __len__(self) -> int:
        return len(self.videos)


# What asks Lance for a number of rows, inside of a filter if there is one.
Ask = Callable[[int, str | None], pa.Table]


@dataclass(frozen=True, slots=True, eq=False)
class SearchedSegments:
    """The moments of a release; `indexes` says of its vector columns how they are searched."""

    table: Table
    indexes: Mapping[str, VectorIndex]
    videos: SearchedVideos

    def matching(
        self, match: MatchQuery, admitted: Videos | None, depth: int, columns: Sequence[str]
    ) -> Hits:
        """Moments of up to `depth` videos by their words; cells of `columns` come with them."""

        def ask(limit: int, where: str | None) -> pa.Table:
            query = self.table.search(match, query_type="fts").select([*_SHOWN, *columns, "_score"])
            if where is not None:
                query = query.where(where, prefilter=True)
            return query.limit(limit).to_arrow()

        rows = self._rows(ask, admitted, depth)
        return self._hits(rows, rows["_score"].to_numpy().astype(np.float64), columns)

    def nearest(
        self,
        column: str,
        vector: Vectors,
        admitted: Videos | None,
        depth: int,
        columns: Sequence[str],
    ) -> Hits:
        """Moments of up to `depth` videos by the cosine of one vector column."""
        index = self.indexes[column]

        def ask(limit: int, where: str | None) -> pa.Table:
            query = query_for(self.table, column, vector, index)
            query = query.select([*_SHOWN, *columns, "_distance"])
            if where is not None:
                query = query.where(where, prefilter=True)
            return query.limit(limit).to_arrow()

        if not index.rows:
            return self._hits(_NOTHING, np.zeros(0), ())
        rows = self._rows(ask, admitted, depth)
        return self._hits(rows, 1.0 - rows["_distance"].to_numpy().astype(np.float64), columns)

    def _rows(self, ask: Ask, admitted: Videos | None, depth: int) -> pa.Table:
        """The first rows of up to `depth` videos that are let in."""
        where = None
        if admitted is not None:
            places = np.flatnonzero(admitted)
            if not len(places):
                return ask(1, None).slice(0, 0)
            if len(places) <= _MOST_NAMED:
                where = among("video_key", self.videos.keys.some(places))
        limit = depth * _MOMENTS_OF_A_VIDEO
        while True:
            rows = ask(limit, where)
            videos = self.videos.places(rows["video_key"])
            inside = videos >= 0
            if admitted is not None:
                inside &= admitted[videos]
            kept = np.flatnonzero(inside)
            kept = kept[within_depth(videos[kept], depth)]
            enough = len(np.unique(videos[kept])) >= depth
            if enough or rows.num_rows < limit or limit >= _MOST:
                return rows.take(kept)
            limit = min(limit * _MORE, _MOST)

    def _hits(
        self, rows: pa.Table, scores: npt.NDArray[np.float64], columns: Sequence[str]
    ) -> Hits:
        return Hits(
            self.videos.places(rows["video_key"]),
            rows["start_ms"].to_numpy(),
            rows["end_ms"].to_numpy(),
            rows["text"].fill_null("").to_pylist(),
            scores,
            {name: rows[name] for name in columns},
        )


_NOTHING = pa.table(
    {
        "video_key": pa.array([], pa.string()),
        "start_ms": pa.array([], pa.int64()),
        "end_ms": pa.array([], pa.int64()),
        "text": pa.array([], pa.string()),
    }
)


def within_depth(videos: Places, depth: int) -> Places:
    """The places of the moments of the first `depth` videos, in order."""
    _, first, which = np.unique(videos, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.flatnonzero(rank[which] < depth)
