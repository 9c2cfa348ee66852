"""Frame vectors of a whole shop in a few dimensions, to tell which videos may be duplicates.

Two unit vectors are split into what they have in some directions and the rest. Their cosine is the
product of the first parts plus that of the rests, which is at most the product of the rests'
lengths. So with the length of its rest as one more number, the product of two sketches is never
less than the cosine of what they are of: a video that does not cover another by sketches does not
cover it at all, and what is left is looked at in full. The directions are those in which the shop's
frames vary most (Jolliffe, "Principal Component Analysis", 2002), so that little is left of a rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.media import Vectors

_DIRECTIONS = 96
_SAMPLE, _ITERATIONS = 4096, 3
# Of moments: what is compared with, and what is compared, at once.
_COMPARED_WITH, _AT_ONCE = 4096, 2048
# What rounding may take off a product.
_ROUNDING = 1e-4

Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Directions:
    """What frames are centered on, `(dim,)`, and the directions that are kept, `(k, dim)`."""

    mean: Vectors
    kept: Vectors

    @classmethod
    def of(cls, store: Store, mean: Vectors) -> "Directions":
        """Those in which a sample of a shop's frames varies most, about.

        By iterating on a random subspace (Halko, Martinsson and Tropp, "Finding Structure with
        Randomness", 2011): any directions will do, these leave little out.
        """
        moved = centered(store.segment_sample(_SAMPLE).frames, mean)
        start = np.random.default_rng(0).standard_normal((moved.shape[1], _DIRECTIONS), np.float32)
        found = np.linalg.qr(start)[0]
        for _ in range(_ITERATIONS):
            found = np.linalg.qr(moved.T @ (moved @ found))[0]
        return cls(mean, np.ascontiguousarray(found.T, np.float32))

    def sketches(self, frames: Vectors) -> Vectors:
        """`(n, k + 1)` of frame vectors `(n, dim)`."""
        moved = centered(frames, self.mean)
        seen = moved @ self.kept.T
        rest = np.sqrt(np.maximum(1.0 - np.einsum("ij,ij->i", seen, seen), 0.0))
        return np.asarray(np.concatenate([seen, rest[:, None]], axis=1), np.float32)


def centered(frames: Vectors, mean: Vectors) -> Vectors:
    """Frame vectors `(n, dim)` less their shop's mean, of unit length."""
    moved = frames - mean
    norms = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-6)
    return np.asarray(moved / norms, np.float32)


@dataclass(frozen=True, slots=True)
class _Videos:
    """Videos of as many moments each: keys, `(n,)`; `(n, moments, k + 1)`; `(n, moments)` in ms."""

    keys: pa.Array
    vectors: Vectors
    lengths: Vectors

    def taken(self, places: Numbers) -> "_Videos":
        return _Videos(self.keys.take(pa.array(places)), self.vectors[places], self.lengths[places])

    def pieces(self, most: int) -> Iterator["_Videos"]:
        """In pieces of about `most` moments."""
        size = max(1, most // self.vectors.shape[1])
        for begin in range(0, len(self.keys), size):
            part = slice(begin, begin + size)
            yield _Videos(self.keys[part], self.vectors[part], self.lengths[part])

    def cover(self, others: "_Videos") -> Vectors:
        """`(others, self)`: at least how much of each video of these is seen in each of the others.

        Moments stand before videos in all that is reduced, so that whole rows are.
        """
        count, moments, width = self.vectors.shape
        own = self.vectors.swapaxes(0, 1).reshape(-1, width)
        theirs = others.vectors.swapaxes(0, 1).reshape(-1, width)
        likeness = (theirs @ own.T).reshape(others.vectors.shape[1], -1, moments, count)
        likest = likeness.max(axis=0)
        shares = self.lengths / np.maximum(self.lengths.sum(axis=1, keepdims=True), 1.0)
        likest *= shares.T
        return np.asarray(likest.sum(axis=1), np.float32)


@dataclass(frozen=True, slots=True)
class Sketches:
    """Sketches of all moments of a shop, by how many each video has."""

    _videos: tuple[_Videos, ...]

    @classmethod
    def of(cls, store: Store, directions: Directions) -> "Sketches":
        """Read them all, a batch at a time."""
        columns = ["video_key", "start_ms", "end_ms", "frame_vector"]
        dataset, keys, end = store.dataset("segments"), [], 0
        vectors = np.empty((dataset.count_rows(), len(directions.kept) + 1), np.float32)
        lengths = np.empty(len(vectors), np.float32)
        for batch in dataset.to_batches(columns=columns):
            part = slice(end, end := end + batch.num_rows)
            keys.append(batch["video_key"])
            vectors[part] = directions.sketches(vector_matrix(batch["frame_vector"]))
            spans = pc.subtract(batch["end_ms"], batch["start_ms"])
            lengths[part] = spans.to_numpy(zero_copy_only=False)
        encoded = pa.chunked_array(keys, pa.string()).combine_chunks().dictionary_encode()
        owner = encoded.indices.to_numpy(zero_copy_only=False)
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(owner, minlength=len(encoded.dictionary))
        starts = np.cumsum(counts) - counts
        found = []
        for count in np.unique(counts).tolist():
            own = np.flatnonzero(counts == count)
            places = order[starts[own][:, None] + np.arange(count)]
            named = encoded.dictionary.take(pa.array(own))
            found.append(_Videos(named, vectors[places], lengths[places]))
        return cls(tuple(found))

    def covering(self, videos: Sequence[str], least: float) -> dict[str, list[str]]:
        """For some videos the others in which as much as `least` of each may be seen."""
        found: dict[str, list[str]] = {key: [] for key in videos}
        asked = pa.array(videos, pa.string())
        for group in self._videos:
            places = pc.index_in(asked, group.keys).drop_null()
            own = group.taken(places.to_numpy(zero_copy_only=False).astype(np.intp))
            for part in own.pieces(_AT_ONCE):
                for others in self._pieces():
                    seen = part.cover(others) >= least - _ROUNDING
                    for other, video in np.argwhere(seen).tolist():
                        key, near = part.keys[video].as_py(), others.keys[other].as_py()
                        if key != near:
                            found[key].append(near)
        return found

    def _pieces(self) -> Iterator[_Videos]:
        for group in self._videos:
            yield from group.pieces(_COMPARED_WITH)
