"""The vectors of many moments, searched through the index of their column.

Only the numbers of rows come back: where a moment is, and of which video, is known already.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from lancedb.table import Table

from reelshelf.indexer.search.videos import Places, SearchedVideos
from reelshelf.indexer.store.nearest import query_for
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import among
from reelshelf.indexer.text import Numbers
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex

# So many videos may be named in a filter.
_MOST_NAMED = 2_000
# How many moments are asked for at least, at most, and how many more where that is not enough.
_LEAST, _MOST, _MORE = 100, 20_000, 4


@dataclass(frozen=True, slots=True, eq=False)
class RowIds:
    """The numbers by which a table knows n moments: `ids`, `(n,)`, are in rising order.

    `places`, `(n,)`, are those of the moments.
    """

    ids: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int32]

    @classmethod
    def of(cls, ids: npt.NDArray[np.uint64]) -> "RowIds":
        """Those of moments in order."""
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], order.astype(np.int32))

    def find(self, ids: npt.NDArray[np.uint64]) -> Places:
        """The places of moments that are there."""
        return self.places[np.searchsorted(self.ids, ids)].astype(np.intp)

    def at(self, places: Numbers) -> npt.NDArray[np.uint64]:
        """The numbers of some moments."""
        found = np.empty(len(self.ids), np.uint64)
        found[self.places] = self.ids
        return found[places]


@dataclass(frozen=True, slots=True, eq=False)
class IndexedVectors:
    """A vector column of moments; `videos`, `(n,)`, are the places of theirs among `of`."""

    table: Table
    column: str
    index: VectorIndex
    ids: RowIds
    videos: Places
    of: SearchedVideos

    def near(
        self,
        vector: Vectors,
        inside: npt.NDArray[np.bool_] | None = None,
        *,
        least: int = _LEAST,
    ) -> tuple[Numbers, Vectors]:
        """Moments and their cosines with a vector, nearest first: `least`, or all there are.

        `inside`, `(n,)`, says which count. Where these are of few videos, the index is asked for
        those alone; where of many, for more until enough of them are among what it finds.
        """
        where, share = None, 1.0
        if inside is not None:
            videos = np.unique(self.videos[inside])
            if not len(videos):
                return np.zeros(0, np.intp), np.zeros(0, np.float32)
            if len(videos) <= _MOST_NAMED:
                where = among("video_key", self.of.keys.some(videos))
            else:
                share = float(np.count_nonzero(inside)) / len(inside)
        limit = min(int(max(least, _LEAST) / share), _MOST)
        while True:
            # As many rows are compared exactly as for the few that are asked for without a filter.
            exact = max(1, round(self.index.refine_factor * max(least, _LEAST) / limit))
            index = self.index.model_copy(update={"refine_factor": exact})
            query = query_for(self.table, self.column, vector, index)
            if where is not None:
                query = query.where(where, prefilter=True)
            rows = query.with_row_id(True).select(["_distance"]).limit(limit).to_arrow()
            places = self.ids.find(rows["_rowid"].to_numpy())
            cosines = np.asarray(1.0 - rows["_distance"].to_numpy(), np.float32)
            if inside is not None:
                kept = inside[places]
                places, cosines = places[kept], cosines[kept]
            if len(places) >= least or rows.num_rows < limit or limit >= _MOST:
                return places, cosines
            limit = min(limit * _MORE, _MOST)

    def of_places(self, places: Numbers) -> Vectors:
        """The vectors of some moments that have one."""
        if not len(places):
            return np.zeros((0, 0), np.float32)
        ids = ", ".join(map(str, self.ids.at(places).tolist()))
        rows = self.table.to_lance().to_table(
            columns=[self.column], filter=f"_rowid IN ({ids})", with_row_id=True
        )
        found = self.ids.find(rows["_rowid"].to_numpy())
        order = np.empty(len(places), np.intp)
        order[np.argsort(places, kind="stable")] = np.argsort(found, kind="stable")
        return vector_matrix(rows[self.column].combine_chunks().take(order))
