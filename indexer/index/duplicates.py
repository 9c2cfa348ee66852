"""Videos that are the same one: re-encoded, cropped, mirrored, graded, trimmed or captioned anew.

Two videos are duplicates if each shows what the other shows. Moments are compared by their frame
vectors, centered on the shop's mean so that a common look does not count; a video covers another as
far as each of its moments, weighted by length, has a like one there. A clip that two different
videos share covers only a part of either. Who is compared with whom comes from the vector index, so
a shop of any size compares a new video with a few.

Which content duplicates which is kept in `videos.duplicates`, so only new and changed videos are
compared; clusters are the connected components, named by their smallest content hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.tables import Store, VideoFrames
from reelshelf.schemas.config import DuplicatesConfig
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex
from reelshelf.schemas.visual_stats import VisualStats

# Raise when the same rows and config would give other duplicates.
VERSION = 1

_SAMPLE = 4096


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
    moved = frames.vectors - mean
    norms = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return Shape(np.asarray(moved / norms, np.float32), frames.lengths)


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
    for batch in store.videos_to_compare(settings):
        found = {key: duplicates_of(store, key, batch[key], index, mean, config) for key in batch}
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


def duplicates_of(
    store: Store,
    key: str,
    frames: VideoFrames,
    index: VectorIndex,
    mean: Vectors,
    config: DuplicatesConfig,
) -> list[str]:
    """Hashes of the contents that duplicate one video."""
    table = store.table("segments", store.dataset("segments").version)
    near: set[str] = set()
    for vector in frames.vectors:
        # Its own moments are the nearest, and would crowd out the others.
        hits = nearest(
            table, "frame_vector", vector, index, config.candidates, ["video_key"], other_than=key
        )
        near.update(str(hit["video_key"]) for hit in hits)
    own = shape_of(frames, mean)
    others = store.video_frames(sorted(near))
    return sorted(
        {
            other.content_sha256
            for other in others.values()
            if are_duplicates(own, shape_of(other, mean), config)
        }
    )


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
