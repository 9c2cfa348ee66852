"""Videos that are not whole: their rows disagree, or some of them are missing.

Segments are written before the row in `videos`, and deleted after it, so a run that dies leaves
segments and links of no video. Segments of other content than their video's, or fewer than it says,
are left where two runs wrote, or where files were lost. All of it goes, and is done again.
"""

import logging

import lance
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.tables import Store, among, parts

_LOG = logging.getLogger(__name__)


def torn_videos(store: Store) -> list[str]:
    """The keys of videos whose segments are not those that their row tells of."""
    videos = store.scan("videos", ["video_key", "content_sha256", "segment_count"])
    segments = _counted(store.dataset("segments"))
    both = videos.join(segments, "video_key", right_suffix="_found", join_type="full outer")
    known = pc.is_valid(both["content_sha256"])
    agree = pc.and_(
        pc.equal(both["content_sha256"], both["content_sha256_found"]),
        pc.equal(both["segment_count"], both["rows"]),
    )
    empty = pc.and_(pc.is_null(both["rows"]), pc.equal(both["segment_count"], 0))
    whole = pc.or_(pc.fill_null(agree, False), pc.fill_null(empty, False))
    torn = both.filter(pc.and_(known, pc.invert(whole)))
    return sorted(set(torn["video_key"].to_pylist()))


def drop_torn(store: Store) -> list[str]:
    """Remove what is no part of a whole video; the keys of the videos that are to be done again."""
    torn = torn_videos(store)
    if torn:
        _LOG.warning(
            "%s: %d videos are not whole in the store and are done again", store.uri, len(torn)
        )
        store.delete_videos(torn)
    known = store.scan("videos", ["video_key"])["video_key"]
    for name in ("segments", "links"):
        orphans = _orphans(store.dataset(name), known)
        for part in parts(orphans):
            store.writable(name).delete(among("video_key", part))
    return torn


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
