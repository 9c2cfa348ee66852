"""The moments of a large release, searched in Lance: by words, and by vectors.

Filters are pushed down. Where they let few videos in, Lance looks at the moments of those alone;
where they let many in, it is asked for more until enough of them are among what it finds.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from lancedb.query import MatchQuery
from lancedb.table import Table

from reelshelf.indexer.search.moments import SHOWN, Hits, within_depth
from reelshelf.indexer.search.videos import SearchedVideos, Videos
from reelshelf.indexer.store.nearest import query_for
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import among
from reelshelf.indexer.text import analyzer_of
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex

# So many videos may be named in a filter.
_MOST_NAMED = 2_000
# How many moments are asked for to find one video, at first; and at most, for all of them.
_MOMENTS_OF_A_VIDEO, _MOST = 4, 20_000
_MORE = 4

# What asks Lance for a number of rows, inside of a filter if there is one.
Ask = Callable[[int, str | None], pa.Table]


@dataclass(frozen=True, slots=True, eq=False)
class SearchedSegments:
    """The moments of a release. `indexes` says of its vector columns how they are searched.

    `has_terms` tells stores of the icu analyzer, which index the terms that it makes of a text;
    older ones index the text itself.
    """

    table: Table
    indexes: Mapping[str, VectorIndex]
    has_terms: bool
    videos: SearchedVideos

    def has(self, words: Sequence[str], text: str) -> bool:
        """As `Moments` says."""
        return bool(len(self.matching(words, text, None, 1)))

    def matching(
        self, words: Sequence[str], text: str, admitted: Videos | None, depth: int
    ) -> Hits:
        """As `Moments` says."""
        columns = [*SHOWN, "_score"]
        if self.has_terms:
            match, columns = MatchQuery(" ".join(words), "terms"), [*columns, "terms"]
        else:
            # The index holds words as they were written, with their accents.
            match = MatchQuery(unicodedata.normalize("NFC", text), "text")

        def ask(limit: int, where: str | None) -> pa.Table:
            query = self.table.search(match, query_type="fts").select(columns)
            if where is not None:
                query = query.where(where, prefilter=True)
            return query.limit(limit).to_arrow()

        rows = self._rows(ask, admitted, depth)
        hits = self._hits(rows, rows["_score"].to_numpy().astype(np.float64))
        if self.has_terms:
            return replace(hits, terms=rows["terms"].fill_null("").to_pylist())
        analyzer = analyzer_of("simple")
        return replace(hits, terms=[" ".join(analyzer.words(own)) for own in hits.texts])

    def nearest(
        self, column: str, vector: Vectors, admitted: Videos | None, depth: int, *, whole: bool
    ) -> Hits:
        """As `Moments` says."""
        index = self.indexes[column]

        def ask(limit: int, where: str | None) -> pa.Table:
            query = query_for(self.table, column, vector, index)
            query = query.select([*SHOWN, *([column] if whole else []), "_distance"])
            if where is not None:
                query = query.where(where, prefilter=True)
            return query.limit(limit).to_arrow()

        rows = self._rows(ask, admitted, depth)
        hits = self._hits(rows, 1.0 - rows["_distance"].to_numpy().astype(np.float64))
        return replace(hits, vectors=vector_matrix(rows[column])) if whole else hits

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

    def _hits(self, rows: pa.Table, scores: npt.NDArray[np.float64]) -> Hits:
        return Hits(
            self.videos.places(rows["video_key"]),
            rows["start_ms"].to_numpy(),
            rows["end_ms"].to_numpy(),
            rows["text"].fill_null("").to_pylist(),
            scores,
        )
