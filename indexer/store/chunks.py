"""Chunks of long videos: what is done of each, and the video once all of them are.

A release pins `segments`, so moments of a video that is not whole wait beside it, in
`chunk_segments`. When the last chunk is done they move, in an order in which a run may die at any
point: moments first, then the row of the video that lists its chunks, then moments of chunks that
it no longer lists, and last what waited. What is not listed counts as not there
(`reelshelf.indexer.store.torn`), and what still waits is moved again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.tables import Store, VideoState, among, parts
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.media import Chunk
from reelshelf.schemas.outcomes import Divided, Indexed
from reelshelf.schemas.run import StageFingerprints
from reelshelf.schemas.segments import SegmentedVideo


@dataclass(frozen=True, slots=True)
class ChunkState:
    """What is done of a chunk."""

    chunk: Chunk
    fingerprints: StageFingerprints


def chunk_states(
    store: Store, keys: Sequence[str], names: Mapping[str, str] | None = None
) -> dict[str, dict[str, ChunkState]]:
    """The chunks that are done of some videos, by the keys of these and their own hashes.

    `names` as in `Store.video_states`. One whose moments are not all there is not done.
    """
    found: dict[str, dict[str, ChunkState]] = {}
    if not store.has_table("chunks"):
        return found
    for part in parts(keys):
        there = _moments(store, part)
        for row in store.scan("chunks", None, among("video_key", part)).to_pylist():
            if there[row["video_key"], row["content_sha256"]] == row["segment_count"]:
                own = found.setdefault(row["video_key"], {})
                stages = rows.stages_from(row, names or {})
                own[row["content_sha256"]] = ChunkState(rows.chunk_from(row), stages)
    return found


def _moments(store: Store, keys: Sequence[str]) -> Mapping[tuple[str, str], int]:
    """How many moments there are of each content of some videos, where most of them are."""
    counted: dict[tuple[str, str], int] = defaultdict(int)
    by = ["video_key", "content_sha256"]
    for name in ("segments", "chunk_segments"):
        found = store.scan(name, by, among("video_key", keys)).group_by(by)
        for row in found.aggregate([([], "count_all")]).to_pylist():
            place = row["video_key"], row["content_sha256"]
            counted[place] = max(counted[place], row["count_all"])
    return counted


def stage_chunks(store: Store, batch: Sequence[Indexed], run: RunContext) -> None:
    """Write chunks that are done, beside what is pinned."""
    if not batch:
        return
    _merge(store, "chunk_segments", "segment_key", rows.segment_rows(batch, run))
    store.sync("chunk_segments")
    _merge(store, "chunks", "chunk_key", rows.chunk_rows(batch, run))
    store.sync("chunks")


def stored_chunk(store: Store, key: str, chunk: Chunk, divided: Divided) -> SegmentedVideo:
    """What is held of a chunk, wherever it is."""
    [row] = store.scan("chunks", None, _of(key, [chunk.sha256])).to_pylist()
    for name in ("chunk_segments", "segments"):
        moments = store.scan(name, None, _of(key, [chunk.sha256]))
        if moments.num_rows == row["segment_count"]:
            return rows.stored_chunk(row, moments, divided.info)
    raise StoreError(f"{store.uri}: moments of chunk {chunk.number} of {key} are gone")


def finish_video(
    store: Store, divided: Divided, run: RunContext, states: Mapping[str, VideoState]
) -> None:
    """Make a video of its chunks, all of which are done."""
    key = divided.job.key
    wanted = [chunk.sha256 for chunk in divided.chunks]
    found = {
        row["content_sha256"]: row
        for row in store.scan("chunks", None, among("video_key", [key])).to_pylist()
    }
    done = [found[sha256] for sha256 in wanted]
    for sha256 in wanted:
        # One after the other: a video of hours has more moments than need be held at once.
        waiting = store.scan("chunk_segments", None, _of(key, [sha256]))
        if waiting.num_rows:
            _merge(store, "segments", "segment_key", waiting)
    store.sync("segments")
    before = states.get(key)
    made = rows.long_video_row(divided, done, run, before.first_seen_at if before else None)
    store.replace("videos", made, "video_key", [key])
    store.sync("videos")
    _drop_unlisted(store, key, wanted)
    store.writable("chunk_segments").delete(among("video_key", [key]))
    gone = sorted(found.keys() - set(wanted))
    if gone:
        store.writable("chunks").delete(_of(key, gone))


def _drop_unlisted(store: Store, key: str, wanted: Collection[str]) -> None:
    """Remove moments of chunks that a video no longer has, given those that it has."""
    there = store.scan("segments", ["content_sha256"], among("video_key", [key]))["content_sha256"]
    others = sorted(set(pc.unique(there).to_pylist()) - set(wanted))
    if others:
        store.writable("segments").delete(_of(key, others))


def forget_chunks(store: Store, keys: Sequence[str]) -> None:
    """Delete what is noted of the chunks of some videos, and what waits of them."""
    if not store.has_table("chunks") or not store.count("chunks"):
        return
    for part in parts(keys):
        for name in ("chunks", "chunk_segments"):
            store.writable(name).delete(among("video_key", part))


def begun_videos(store: Store) -> set[str]:
    """The keys of videos of which chunks are noted."""
    if not store.has_table("chunks"):
        return set()
    keys: pa.ChunkedArray = store.scan("chunks", ["video_key"])["video_key"]
    return set(pc.unique(keys).to_pylist())


def _merge(store: Store, name: str, key: str, table: pa.Table) -> None:
    merge = store.merge(name, key)
    merge.when_matched_update_all().when_not_matched_insert_all().execute(table)


def _of(key: str, hashes: Sequence[str]) -> str:
    """A filter on some contents of one video."""
    return f"{among('video_key', [key])} AND {among('content_sha256', hashes)}"
