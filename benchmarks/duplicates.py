"""Finding the duplicates among a shop's videos, against exact search.

    python -m benchmarks.duplicates [--out DIR] [--moments N] [--full]

N made moments, five a video, lie in clusters as frames of one shop do; one video in ten is a copy
of another, moved a little. Clusters are compared with those of exact search: all moments with all,
in all dimensions. CPU is of all threads, with reading and writing the store.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.store_growth import IMAGE_DIM, Made, committed, refs
from benchmarks.vectors import Cloud
from reelshelf.indexer.index.duplicates import (
    Shape,
    are_duplicates,
    cluster_duplicates,
    clusters_of,
    mean_frame,
    shape_of,
)
from reelshelf.indexer.pipeline.plan import Stored
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.run import Run, row_context
from reelshelf.indexer.store.tables import Store, parts
from reelshelf.indexer.store.writing import writing
from reelshelf.schemas.config import DuplicatesConfig, load_config
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Indexed
from reelshelf.schemas.release import VectorIndex

_MOMENTS = 5
_COPIES = 10
# Videos that exact search compares with all others at once.
_AT_ONCE = 32
# A copy's frames have about this cosine to those that they are of.
_ALIKE = 0.95


def videos(count: int) -> Iterator[Indexed]:
    """Videos of which each tenth is a copy of the one before it."""
    made, rng = Made(), np.random.default_rng(1)
    cloud = Cloud(IMAGE_DIM, max(20, count // 40))
    before: Vectors | None = None
    for number in range(count):
        if before is not None and number % _COPIES == 0:
            noise = rng.standard_normal(before.shape, np.float32) / np.sqrt(IMAGE_DIM)
            frames = _ALIKE * before + np.sqrt(1 - _ALIKE**2) * noise
        else:
            frames = cloud.sample_vectors(_MOMENTS, number)
        before = frames
        yield _with_frames(made.video(number), frames)


def _with_frames(done: Indexed, frames: Vectors) -> Indexed:
    pairs = zip(done.video.segments, frames, strict=True)
    moments = tuple(replace(segment, frame_vector=frame) for segment, frame in pairs)
    return replace(done, video=replace(done.video, segments=moments))


def exact(store: Store, mean: Vectors, config: DuplicatesConfig) -> dict[str, str]:
    """Clusters by comparing all videos with all, in all dimensions."""
    keys = sorted(store.link_states())
    frames = {key: f for part in parts(keys) for key, f in store.video_frames(part).items()}
    shapes = {key: shape_of(frames[key], mean) for key in keys}
    vectors = np.concatenate([shapes[key].vectors for key in keys])
    starts = np.concatenate([[0], np.cumsum([len(shapes[key].vectors) for key in keys])[:-1]])
    edges: dict[str, set[str]] = {}
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        block = np.concatenate([shapes[key].vectors for key in part])
        likest = np.maximum.reduceat(vectors @ block.T, starts, axis=0)
        ends = np.cumsum([len(shapes[key].vectors) for key in part])
        for key, own in zip(part, np.split(likest, ends[:-1], axis=1), strict=True):
            seen = own @ (shapes[key].lengths / shapes[key].total_ms)
            near = [keys[place] for place in np.flatnonzero(seen >= config.min_cover).tolist()]
            edges[frames[key].content_sha256] = {
                frames[other].content_sha256 for other in near if _same(shapes, key, other, config)
            }
    return clusters_of(edges)


def _same(shapes: dict[str, Shape], key: str, other: str, config: DuplicatesConfig) -> bool:
    return key != other and are_duplicates(shapes[key], shapes[other], config)


def main() -> int:
    """Fill a store, find its duplicates, and find them again by exact search."""
    parser = parser_of(__doc__)
    args = parse(parser, moments=Count(20_000, 100_000))
    config = load_config(None)
    with tempfile.TemporaryDirectory() as scratch:
        uri = str(Path(scratch) / "store")
        Store.create(uri, config.shop_id, refs())
        with writing(Store.open(uri), "made", config) as (store, lease):
            run = Run(config, store, lease, row_context("made", config, refs()), NoProgress())
            committed(run, videos(args.moments // _MOMENTS), Stored())
            index = VectorIndex(
                table="segments", column="frame_vector", kind="flat", rows=args.moments
            )
            began = time.process_time()
            cluster_duplicates(store, [index], None, config.duplicates)
            spent = time.process_time() - began
            states = store.link_states().values()
            found = {state.content_sha256: state.cluster for state in states}
            began = time.process_time()
            wanted = exact(store, mean_frame(store, None), config.duplicates)
            spent_exactly = time.process_time() - began
    figures = {
        "moments": float(args.moments),
        "ms_per_moment": 1000 * spent / args.moments,
        "exact_ms_per_moment": 1000 * spent_exactly / args.moments,
        "clusters": float(len(set(wanted.values()))),
        "clusters_differ": float(sum(found[content] != wanted[content] for content in wanted)),
        "copies": float(sum(content != cluster for content, cluster in wanted.items())),
    }
    asked = [
        Bar("CPU per moment, ms", figures["ms_per_moment"], 1.5, at_least=False),
        Bar("videos in other clusters", figures["clusters_differ"], 0.0, at_least=False),
    ]
    return conclude("duplicates", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
