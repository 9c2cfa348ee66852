"""Frame vectors of a whole shop in a few dimensions, to tell which videos may be duplicates.

Two unit vectors are split into what they have in some directions and the rest. Their cosine is the
product of the first parts plus that of the rests, which is at most the product of the rests'
lengths. So with the length of its rest as one more number, the product of two sketches is never
less than the cosine of what they are of: a video that does not cover another by sketches does not
cover it at all, and what is left is looked at in full. The directions are those in which the shop's
frames vary most (Jolliffe, "Principal Component Analysis", 2002), so that little is left of a rest.

A video that covers another has a moment that is as like one of the other's as all are on average,
so moments are looked for first. In a large shop they lie in cells of moments that are alike (Sivic
and Zisserman, "Video Google", 2003), and each is looked for in the few cells nearest to it: what a
video costs hardly grows with the shop, and of two copies one is missed only where each moment of
either has been moved far away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.text.lookup import Numbers, Rows
from reelshelf.schemas.media import Vectors

_DIRECTIONS = 96
_SAMPLE, _ITERATIONS = 4096, 3
# Up to so many moments, all are compared with all; beyond, cells have about so many each.
_ALL_UP_TO, _IN_A_CELL = 32_768, 1024
# Cells that each moment is looked for in, and what finds their centers.
_CELLS_ASKED, _PER_CENTER, _ROUNDS = 16, 64, 8
# Moments that are asked for at once, and products that are held at once.
_AT_ONCE, _PRODUCTS = 4096, 1 << 23
# A moment that more are like than so many, in what it is compared with at once, tells little: the
# likest of them are looked at.
_MOST_ALIKE = 64
# What rounding may take off a product.
_ROUNDING = 1e-4


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


@dataclass(frozen=True, slots=True, eq=False)
class Sketches:
    """Sketches of all moments of a shop, those of a cell beside each other.

    `keys` are of videos, each with the places of its moments. By place: sketches, `(moments,
    k + 1)`, lengths in ms, and the number of the video. Cell `i` has the center `centers[i]` and
    the places from `bounds[i]` to `bounds[i + 1]`.
    """

    keys: pa.Array
    places: Rows
    vectors: Vectors
    lengths: Vectors
    owners: Numbers
    centers: Vectors
    bounds: Numbers

    @classmethod
    def read(cls, store: Store, directions: Directions) -> "Sketches":
        """Read all moments of a store, a batch at a time."""
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
        return cls.of(pa.chunked_array(keys, pa.string()), vectors, lengths)

    @classmethod
    def of(cls, keys: pa.ChunkedArray, vectors: Vectors, lengths: Vectors) -> "Sketches":
        """Those of moments, each with the key of its video."""
        encoded = keys.combine_chunks().dictionary_encode()
        owners = encoded.indices.to_numpy(zero_copy_only=False).astype(np.intp)
        centers = _centers(vectors)
        cells = _nearest(centers, vectors, 1)[:, 0]
        order = np.argsort(cells, kind="stable")
        owners = owners[order]
        return cls(
            encoded.dictionary,
            Rows.of_pairs(owners, np.arange(len(owners)), len(encoded.dictionary)),
            vectors[order],
            lengths[order],
            owners,
            centers,
            np.searchsorted(cells[order], np.arange(len(centers) + 1)),
        )

    def covering(self, videos: Sequence[str], least: float) -> dict[str, list[str]]:
        """For some videos the others in which as much as `least` of each may be seen."""
        found: dict[str, list[str]] = {key: [] for key in videos}
        known = pc.index_in(pa.array(videos, pa.string()), self.keys).drop_null()
        numbers = known.to_numpy(zero_copy_only=False).astype(np.intp)
        moments = np.cumsum(self.places.sizes()[numbers])
        for part in np.split(numbers, np.flatnonzero(np.diff(moments // _AT_ONCE)) + 1):
            for video, others in self._alike(part, least - _ROUNDING):
                covering = others[self._cover(video, others) >= least - _ROUNDING]
                found[self.keys[video].as_py()] = self.keys.take(pa.array(covering)).to_pylist()
        return found

    def _alike(self, videos: Numbers, least: float) -> Iterator[tuple[int, Numbers]]:
        """Some videos, each with those of which a moment is as like one of its own as `least`."""
        if not len(videos):
            return
        places = self.places.together(videos)
        asked = _nearest(self.centers, self.vectors[places], _CELLS_ASKED)
        asking = Rows.of_pairs(
            asked.ravel(), np.repeat(np.arange(len(places)), asked.shape[1]), len(self.centers)
        )
        pairs = [np.empty(0, np.int64)]
        for cell in np.flatnonzero(asking.sizes()).tolist():
            own = places[asking[cell]]
            step = max(1, _PRODUCTS // len(own))
            for begin in range(self.bounds[cell], self.bounds[cell + 1], step):
                end = min(begin + step, self.bounds[cell + 1])
                products = self.vectors[own] @ self.vectors[begin:end].T
                one, other = _likest(products, least)
                both = self.owners[own[one]] * len(self.keys) + self.owners[begin + other]
                pairs.append(np.unique(both))
        one, other = np.divmod(np.unique(np.concatenate(pairs)), len(self.keys))
        one, other = one[one != other], other[one != other]
        starts = np.flatnonzero(np.diff(one, prepend=-1))
        # Of no pairs there is one part, which is empty.
        yield from zip(one[starts].tolist(), np.split(other, starts[1:]), strict=False)

    def _cover(self, video: int, others: Numbers) -> Vectors:
        """`(others,)`: at least how much of a video is seen in each of some others."""
        own = self.places[video]
        places, sizes = self.places.places(others)
        likeness = self.vectors[own] @ self.vectors[self.places.values[places]].T
        likest = np.maximum.reduceat(likeness, np.cumsum(sizes) - sizes, axis=1)
        lengths = self.lengths[own]
        return np.asarray(lengths @ likest / max(float(lengths.sum()), 1.0), np.float32)


def _centers(vectors: Vectors) -> Vectors:
    """Centers of cells for sketches, `(cells, k + 1)`: one where all are compared with all."""
    if len(vectors) <= _ALL_UP_TO:
        return np.zeros((1, vectors.shape[1]), np.float32)
    import faiss

    cells = len(vectors) // _IN_A_CELL
    found = faiss.Kmeans(
        vectors.shape[1], cells, niter=_ROUNDS, max_points_per_centroid=_PER_CENTER, seed=0
    )
    found.train(vectors)
    return np.asarray(found.centroids, np.float32)


def _nearest(centers: Vectors, vectors: Vectors, count: int) -> Numbers:
    """`(n, count)` the cells nearest to sketches; all of them where there are no more."""
    count = min(count, len(centers))
    if count == len(centers):
        return np.tile(np.arange(count), (len(vectors), 1))
    halves = 0.5 * np.einsum("ij,ij->i", centers, centers)
    parts = [np.empty((0, count), np.intp)]
    for begin in range(0, len(vectors), step := max(1, _PRODUCTS // len(centers))):
        far = halves - vectors[begin : begin + step] @ centers.T
        if count == 1:
            parts.append(far.argmin(axis=1)[:, None])
        else:
            # A copy: a view would keep all of the places.
            parts.append(np.argpartition(far, count - 1, axis=1)[:, :count].copy())
    return np.concatenate(parts)


def _likest(products: Vectors, least: float) -> tuple[Numbers, Numbers]:
    """Where products reach `least`, as rows and columns; of a crowded row where it has most."""
    # By one number for both: NumPy finds those several times as fast.
    rows, columns = np.divmod(np.flatnonzero(products >= least), products.shape[1])
    crowded = np.flatnonzero(np.bincount(rows) > _MOST_ALIKE)
    if not len(crowded):
        return rows, columns
    few = ~np.isin(rows, crowded)
    likest = np.argpartition(products[crowded], -_MOST_ALIKE, axis=1)[:, -_MOST_ALIKE:]
    return (
        np.concatenate([rows[few], np.repeat(crowded, _MOST_ALIKE)]),
        np.concatenate([columns[few], likest.ravel()]),
    )
