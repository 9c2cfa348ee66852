"""What is kept of videos that left the source, and where else results can be had from.

A folder that is away for a night takes its videos out of what is served, and must not cost a week
of GPU time when it is back. So rows of vanished videos move into tables of their own, which no
release names, and stay there for some days. A release that is kept is a source of results too.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store import rows
from reelshelf.indexer.store.recovery import wrong_with_release
from reelshelf.indexer.store.releases import listed_releases
from reelshelf.indexer.store.rows import RunContext
from reelshelf.indexer.store.tables import (
    Store,
    VideoState,
    among,
    parts,
    video_state_columns,
    video_states_of,
)
from reelshelf.schemas import tables
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.segments import SegmentedVideo


@dataclass(frozen=True, slots=True)
class KeptIn:
    """Where rows of videos lie that the newest tables do not hold."""

    store: Store
    videos: str = "vanished_videos"
    segments: str = "vanished_segments"
    versions: tuple[int | None, int | None] = (None, None)

    def video_rows(self, columns: list[str] | None, where: str | None = None) -> pa.Table:
        """Rows as they were in `videos`."""
        return self.store.scan(self.videos, columns, where, self.versions[0])

    def segment_rows(self, where: str) -> pa.Table:
        """Rows as they were in `segments`."""
        return self.store.scan(self.segments, None, where, self.versions[1])

    def stored_videos(self, keys: Sequence[str]) -> dict[str, SegmentedVideo]:
        """Whole videos by their keys: as many as fit into memory."""
        where = among("video_key", keys)
        return rows.stored_videos(self.video_rows(None, where), self.segment_rows(where))


@dataclass(frozen=True, slots=True)
class KeptVideo:
    """A video that the tables do not hold: its state, and where its rows are."""

    state: VideoState
    place: KeptIn


def kept_videos(
    store: Store, wanted: set[str], names: Mapping[str, str] | None = None
) -> dict[str, KeptVideo]:
    """What is kept of videos that the newest tables do not hold, by their keys.

    The newest place counts. `names` as in `Store.video_states`.
    """
    found: dict[str, KeptVideo] = {}
    for place in _places(store):
        left = pa.array(sorted(wanted - found.keys()), pa.string())
        if not len(left):
            break
        keys = place.video_rows(["video_key"])["video_key"]
        own = keys.filter(pc.is_in(keys, left)).to_pylist()
        for part in parts(own):
            stored = place.video_rows(video_state_columns(), among("video_key", part))
            states = video_states_of(stored, names or {})
            found |= {key: KeptVideo(state, place) for key, state in states.items()}
    return found


def _places(store: Store) -> Iterator[KeptIn]:
    if store.has_table("vanished_videos"):
        yield KeptIn(store)
    for item in reversed(listed_releases(store)):
        release = item.release
        if item.withdrawn:
            continue  # somebody went back from what it holds
        version = release.table_version("videos")
        if release.generation != store.generation or store.holds("videos", version):
            continue
        if not wrong_with_release(store, release):
            versions = (version, release.table_version("segments"))
            yield KeptIn(store, "videos", "segments", versions)


def keep_vanished(store: Store, keys: Sequence[str], at: dt.datetime) -> None:
    """Take videos out of the tables, and keep their rows beside them."""
    for part in parts(keys):
        where = among("video_key", part)
        segments = store.scan("segments", None, where)
        videos = store.scan("videos", None, where)
        moment = pa.array([at] * videos.num_rows, tables.INSTANT)
        videos = videos.append_column(pa.field("vanished_at", tables.INSTANT), moment)
        store.replace("vanished_segments", segments, "video_key", part)
        store.replace("vanished_videos", videos, "video_key", part)
        store.sync("vanished_segments")
        store.sync("vanished_videos")
        store.delete_videos(part)


def bring_back(
    store: Store,
    returned: Sequence[tuple[str, VideoSource]],
    places: Mapping[str, KeptVideo],
    run: RunContext,
) -> None:
    """Put rows that are kept back into the tables, with what the shop says of the videos now.

    Links and duplicates of these videos are due then.
    """
    by_place: dict[KeptIn, list[tuple[str, VideoSource]]] = {}
    for key, source in returned:
        by_place.setdefault(places[key].place, []).append((key, source))
    for place, own in by_place.items():
        for part in parts(own):
            keys = [key for key, _ in part]
            where = among("video_key", keys)
            segments = rows.described(place.segment_rows(where), dict(part))
            stored = {row["video_key"]: row for row in place.video_rows(None, where).to_pylist()}
            anew = {"duplicates_fingerprint": None, "duplicate_cluster": None}
            due = {key: row | anew for key, row in stored.items()}
            store.replace("segments", segments, "video_key", keys)
            store.sync("segments")
            videos = rows.with_sources(due, part, run)
            store.replace("videos", videos, "video_key", keys)
    store.sync("videos")
    forget_kept(store, [key for key, _ in returned])


def kept_keys(store: Store) -> set[str]:
    """The keys of videos that vanished a short while ago."""
    return set(store.scan("vanished_videos", ["video_key"])["video_key"].to_pylist())


def forget_kept(store: Store, keys: Sequence[str]) -> None:
    """Delete what is kept of these videos in tables of its own."""
    if not keys or not (store.count("vanished_videos") or store.count("vanished_segments")):
        return
    for part in parts(keys):
        # Segments first: it is the video's row that they are found by.
        for name in ("vanished_segments", "vanished_videos"):
            store.writable(name).delete(among("video_key", part))


def forget_vanished(store: Store, before: dt.datetime) -> None:
    """Delete what is kept of videos that vanished before."""
    found = store.scan("vanished_videos", ["video_key", "vanished_at"])
    gone = found.filter(pc.less(found["vanished_at"], pa.scalar(before, tables.INSTANT)))
    forget_kept(store, gone["video_key"].to_pylist())
