"""Videos that are the same one: re-encoded, cropped, mirrored, graded, trimmed or captioned anew.

Two videos are duplicates if each shows what the other shows. Moments are compared by their frame
vectors, centered on the shop's mean so that a common look does not count; a video covers another as
far as each of its moments, weighted by length, has a like one there. A clip that two different
videos share covers only a part of either. Who is compared with whom comes from the vector index
where a few videos are new, so that a night costs what is new of it; where many are, or there is no
index, from sketches of all moments (`reelshelf.indexer.index.sketches`), which leave out next to
none.

Which content duplicates which is kept in `videos.duplicates`, so only new and changed videos are
compared; clusters are the connected components, named by their smallest content hash.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.index.sketches import Directions, Sketches, centered
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.tables import Store, VideoFrames, parts
from reelshelf.schemas.config import DuplicatesConfig
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex
from reelshelf.schemas.visual_stats import VisualStats

# Raise when the same rows and config would give other duplicates.
VERSION = 2

_SAMPLE = 4096
# Of so many moments sketches take 400 MB, and twice that while they are made.
_MOST_SKETCHES = 1_000_000
# Each commit rewrites rows of its own, and those after it look through these.
_VIDEOS_PER_COMMIT = 8192
# One video in so many makes reading all moments worth it.
_MANY = 100


@dataclass(frozen=True, slots=True)
class Shape:
    """What is compared of a video: `(moments, dim)` centered unit vectors and their lengths."""

    vectors: Vectors
    lengths: npt.NDArray[np.float64]

    @property
    def total_ms(self) -> float:
        """Length of the video."""
        return float(self.lengths.sum())


def shape_of(frames: VideoFrames, mean: Vectors) -> Shape:
    """Center and normalize a video's frame vectors."""
    return Shape(centered(frames.vectors, mean), frames.lengths)


def are_duplicates(a: Shape, b: Shape, config: DuplicatesConfig) -> bool:
    """Whether each covers the other, and neither is much longer."""
    if max(a.total_ms, b.total_ms) > config.max_length_ratio * min(a.total_ms, b.total_ms):
        return False
    return cover(a, b) >= config.min_cover and cover(b, a) >= config.min_cover


def cover(a: Shape, b: Shape) -> float:
    """How much of `a` is seen in `b`: mean over its moments of the likest one's cosine."""
    likest = (a.vectors @ b.vectors.T).max(axis=1)
    return float((likest * a.lengths).sum() / max(a.total_ms, 1.0))


def cluster_duplicates(
    store: Store,
    indexes: Sequence[VectorIndex],
    stats: VisualStats | None,
    config: DuplicatesConfig,
) -> None:
    """Compare new videos with the shop's others, and name every video's cluster."""
    index = next(i for i in indexes if (i.table, i.column) == ("segments", "frame_vector"))
    # Statistics are fitted anew only when the shop has doubled: then all are compared again.
    space = stats.stats_id if stats else None
    settings = fingerprint([VERSION, config.model_dump(mode="json"), space])
    mean = mean_frame(store, stats)
    due = store.videos_to_compare(settings)
    comparer = Comparer(store, index, mean, config, len(due))
    for several in parts(due, _VIDEOS_PER_COMMIT):
        found: dict[str, list[str]] = {}
        for part in parts(several):
            found |= comparer.duplicates(store.video_frames(part))
        store.write_duplicates(found, settings)
    store.write_clusters(clusters_of(store.duplicate_edges()))


def mean_frame(store: Store, stats: VisualStats | None) -> Vectors:
    """What frames are centered on: a shop without pictures has its mean of today, `(dim,)`."""
    if stats is not None:
        return stats.frame_mean
    if not store.count("segments"):
        return np.zeros(1, np.float32)
    frames = store.segment_sample(_SAMPLE).frames
    return np.asarray(frames.mean(axis=0), np.float32)


@dataclass(frozen=True)
class Comparer:
    """Compares videos with all that a store holds.

    `mean` is what frames are centered on; `due` is how many videos will be compared.
    """

    store: Store
    index: VectorIndex
    mean: Vectors
    config: DuplicatesConfig
    due: int = 1

    def duplicates(
        self, videos: Mapping[str, VideoFrames], beside: Mapping[str, Iterable[str]] | None = None
    ) -> dict[str, list[str]]:
        """Hashes of the contents that duplicate each of some videos, given by key.

        `beside` are keys of others that each is compared with in any case.
        """
        if not videos:
            return {}
        shapes = {key: shape_of(frames, self.mean) for key, frames in videos.items()}
        found: dict[str, set[str]] = {key: set() for key in videos}
        compared = defaultdict(set)
        for pairs in (self._near(videos), beside or {}):
            for key, others in pairs.items():
                for other in others:
                    compared[other].add(key)
        for part in parts(sorted(compared)):
            for other, frames in self.store.video_frames(part).items():
                shape = shape_of(frames, self.mean)
                for key in compared[other]:
                    if are_duplicates(shapes[key], shape, self.config):
                        found[key].add(frames.content_sha256)
        return {key: sorted(contents) for key, contents in found.items()}

    def _near(self, videos: Mapping[str, VideoFrames]) -> Mapping[str, Iterable[str]]:
        """Keys of the videos that each is to be compared with."""
        if self._sketches is not None:
            return self._sketches.covering(list(videos), self.config.min_cover)
        return {key: self._nearest(key, frames) for key, frames in videos.items()}

    @cached_property
    def _sketches(self) -> Sketches | None:
        many = self.index.kind == "flat" or self.due * _MANY >= self.store.count("videos")
        if not many or self.store.count("segments") > _MOST_SKETCHES:
            return None
        return Sketches.read(self.store, Directions.of(self.store, self.mean))

    def _nearest(self, key: str, frames: VideoFrames) -> set[str]:
        """The videos of the moments that the index finds nearest to a video's own."""
        table = self.store.table("segments", self.store.dataset("segments").version)
        most, columns = self.config.candidates, ["video_key"]
        return {
            # Its own moments are the nearest, and would crowd out the others.
            str(hit["video_key"])
            for vector in frames.vectors
            for hit in nearest(
                table, "frame_vector", vector, self.index, most, columns, other_than=key
            )
        }


def clusters_of(edges: dict[str, set[str]]) -> dict[str, str]:
    """The cluster of each content: the smallest of its connected component.

    `edges` are the contents that duplicate each.
    """
    parent = {content: content for content in edges}

    def root(content: str) -> str:
        while parent[content] != content:
            parent[content] = parent[parent[content]]
            content = parent[content]
        return content

    for content, others in edges.items():
        # A duplicate that has left the shop leaves its edges behind; they lead nowhere.
        for other in others & edges.keys():
            first, second = sorted((root(content), root(other)))
            parent[second] = first
    return {content: root(content) for content in edges}
