"""The videos of a release as a search reads them: arrays, in order of their keys."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.search.columns import UNKNOWN_DATE
from reelshelf.indexer.text import Rows, Strings, Texts

VIDEO_COLUMNS = ["video_key", "video_id", "duplicate_cluster", "published_at", "kind", "title"]

# Up to so many texts are looked up one by one: for more, all strings are hashed.
_FEW = 10_000

Videos = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class SearchedVideos:
    """n videos. `by_id`, `(n,)`, are their places in the order of ids.

    A video without a title has an empty one.
    `clusters`, `(n,)`, number what each is a duplicate of, `members` are theirs. `published` are
    milliseconds of UTC, `UNKNOWN_DATE` where it is not known; `lives` tells lives from others.
    """

    keys: Strings
    ids: Texts
    titles: Texts
    by_id: npt.NDArray[np.int32]
    clusters: npt.NDArray[np.int32]
    members: Rows
    published: npt.NDArray[np.int64]
    lives: Videos

    @classmethod
    def of_table(cls, videos: pa.Table) -> "SearchedVideos":
        """Those of a release, by their `VIDEO_COLUMNS`."""
        ordered = videos.sort_by("video_key")
        # A video of which no duplicates were looked for is alone.
        clustered = pc.coalesce(ordered["duplicate_cluster"], ordered["video_key"])
        named = clustered.combine_chunks().dictionary_encode()
        clusters = named.indices.to_numpy().astype(np.int32)
        published = ordered["published_at"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())
        count = len(named.dictionary)
        return cls(
            Strings(_texts(ordered["video_key"])),
            _texts(ordered["video_id"]),
            _texts(ordered["title"].fill_null("")),
            pc.sort_indices(ordered["video_id"]).to_numpy().astype(np.int32),
            clusters,
            Rows.of_pairs(clusters, np.arange(len(clusters)), count),
            published.fill_null(UNKNOWN_DATE).to_numpy(),
            pc.equal(ordered["kind"], "live").fill_null(False).to_numpy(),
        )

    def __len__(self) -> int:
        return len(self.clusters)

    def with_ids(self, video_ids: Iterable[str]) -> list[int | None]:
        """The place of each of some ids, None for those that are not there."""
        found: list[int | None] = []
        for video_id in video_ids:
            at = bisect_left(self.by_id, video_id, key=lambda place: self.ids[int(place)])
            place = int(self.by_id[at]) if at < len(self) else None
            found.append(place if place is not None and self.ids[place] == video_id else None)
        return found

    def places(self, keys: pa.ChunkedArray) -> Places:
        """The place of each of some keys, -1 for those that are not there."""
        return places_in(self.keys, keys)


def places_in(strings: Strings, texts: pa.ChunkedArray) -> Places:
    """The number of each of some texts, -1 for those that are not among the strings."""
    if len(texts) <= _FEW:
        return np.array([strings.get(text, -1) for text in texts.to_pylist()], np.intp)
    own = pa.chunked_array([strings.texts.array])
    found = pc.index_in(texts.cast(pa.large_string()), own)
    return np.asarray(found.fill_null(-1).to_numpy(), np.intp)


def _texts(column: pa.ChunkedArray) -> Texts:
    return Texts(column.combine_chunks().cast(pa.large_string()))
