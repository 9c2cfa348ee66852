"""Videos that are not whole: their rows disagree, or some of them are missing.

Segments are written before the row in `videos`, and deleted after it, so a run that dies leaves
segments and links of no video. Segments of other content than their video's, or fewer than it says,
are left where two runs wrote, or where files were lost. All of it goes, and is done again.
"""

import logging
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.tables import Store, among, parts

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Torn:
    """Videos that are not whole, and of long ones that are the contents they do not list."""

    videos: tuple[str, ...]
    unlisted: tuple[tuple[str, str], ...]


def torn_videos(store: Store) -> Torn:
    """Videos whose moments are not those that their row tells of."""
    columns = ["video_key", "content_sha256", "segment_count", "chunks"]
    videos = store.scan("videos", columns)
    pairs = _counted(store.dataset("segments")).join(
        _contents(videos), ["video_key", "content_sha256"], join_type="left outer"
    )
    strange = pairs.filter(pc.is_null(pairs["listed"]))
    long = videos.filter(pc.is_valid(videos["chunks"]))["video_key"]
    is_long = pc.is_in(strange["video_key"], value_set=long)
    own = pairs.filter(pc.is_valid(pairs["listed"])).group_by("video_key")
    both = videos.select(["video_key", "segment_count"]).join(
        own.aggregate([("rows", "sum")]), "video_key", join_type="left outer"
    )
    agree = pc.equal(both["segment_count"], pc.fill_null(both["rows_sum"], 0))
    fewer = both.filter(pc.invert(pc.fill_null(agree, False)))["video_key"]
    known = videos["video_key"]
    others = strange.filter(pc.invert(is_long))["video_key"]
    others = others.filter(pc.is_in(others, value_set=known))
    unlisted = strange.filter(is_long).select(["video_key", "content_sha256"]).to_pylist()
    return Torn(
        videos=tuple(sorted({*others.to_pylist(), *fewer.to_pylist()})),
        unlisted=tuple((row["video_key"], row["content_sha256"]) for row in unlisted),
    )


def drop_torn(store: Store) -> list[str]:
    """Remove what is no part of a whole video; the keys of the videos that are to be done again."""
    found = torn_videos(store)
    torn = list(found.videos)
    if torn:
        _LOG.warning(
            "%s: %d videos are not whole in the store and are done again", store.uri, len(torn)
        )
        store.delete_videos(torn)
    # A long video had grown when a run died: its row still lists what it was made of before.
    for key, content in found.unlisted:
        where = f"{among('video_key', [key])} AND {among('content_sha256', [content])}"
        store.writable("segments").delete(where)
    known = store.scan("videos", ["video_key"])["video_key"]
    for name in ("segments", "links"):
        orphans = _orphans(store.dataset(name), known)
        for part in parts(orphans):
            store.writable(name).delete(among("video_key", part))
    return torn


def _contents(videos: pa.Table) -> pa.Table:
    """Each content that moments of a video may be of: its own, or those of its chunks."""
    whole = videos.filter(pc.is_null(videos["chunks"])).select(["video_key", "content_sha256"])
    long = videos.filter(pc.is_valid(videos["chunks"]))
    chunks = long["chunks"].combine_chunks()
    owners = long["video_key"].combine_chunks().take(pc.list_parent_indices(chunks))
    pieces = pa.table({"video_key": owners, "content_sha256": pc.list_flatten(chunks)})
    both = pa.concat_tables([whole, pieces.cast(whole.schema)])
    return both.append_column("listed", pa.array(np.ones(both.num_rows, np.bool_)))


def _counted(segments: lance.LanceDataset) -> pa.Table:
    """How many segments there are of each content of each video, a batch at a time."""
    by = ["video_key", "content_sha256"]
    pieces = [
        pa.table(batch).group_by(by).aggregate([([], "count_all")])
        for batch in segments.to_batches(columns=by)
    ]
    if not pieces:
        empty = segments.schema.field
        fields = [pa.field(name, empty(name).type) for name in by]
        return pa.schema([*fields, pa.field("rows", pa.int64())]).empty_table()
    counted = pa.concat_tables(pieces).group_by(by).aggregate([("count_all", "sum")])
    return counted.rename_columns({"count_all_sum": "rows"})


def _orphans(dataset: lance.LanceDataset, known: pa.ChunkedArray) -> list[str]:
    """Keys of videos that rows of a table name, and that are not known."""
    found: set[str] = set()
    for batch in dataset.to_batches(columns=["video_key"]):
        keys = pc.unique(batch["video_key"])
        found.update(keys.filter(pc.invert(pc.is_in(keys, known))).to_pylist())
    return sorted(found)
