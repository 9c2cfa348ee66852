"""Vectors in cells, of which a query looks at the nearest (an inverted file).

A matrix product with a million vectors reads gigabytes. Vectors are put into the cell whose center
is nearest, by spherical k-means (Dhillon and Modha, "Concept decompositions", 2001), and a query is
compared with those of the nearest cells: Sivic and Zisserman, "Video Google", 2003. A few thousand
vectors are compared as a whole. Nothing but NumPy is needed, by who makes cells and by who asks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text import Numbers
from reelshelf.schemas.media import Vectors

# What a query looks at: so many vectors at least, and so large a share of them.
_LOOKED, _SHARE = 8_192, 1 / 64
# With a filter, so many of these are inside of it at least.
_INSIDE = 8_192
# Cells for each root of the number of vectors, and how many vectors their centers are means of.
_CELLS, _FOR_A_CENTER, _ROUNDS = 1.0, 48, 8
_AT_ONCE = 16_384

# Makes the array of a shape, to be filled: in memory, or in a file.
NewVectors = Callable[[tuple[int, ...]], Vectors]


def in_memory(shape: tuple[int, ...]) -> Vectors:
    """An array to be filled."""
    return np.empty(shape, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class VectorCells:
    """n vectors of unit length, those of one cell after the other.

    `unit`, `(n, dim)`, are those of the things numbered in `places`, `(n,)`; `rows` says of each
    thing where its vector is, -1 for one that has none. Cell `i` is `unit[starts[i] : starts[i +
    1]]`, and `centers[i]` its center.
    """

    unit: Vectors
    places: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    centers: Vectors

    @classmethod
    def of(
        cls,
        vectors: Vectors,
        places: npt.NDArray[np.integer] | None = None,
        count: int | None = None,
        new: NewVectors = in_memory,
    ) -> "VectorCells":
        """Vectors `(n, dim)` of those of `count` things that `places` names in rising order.

        Without them they are of things 0 to n. They need not be float32, nor of unit length, and
        are read in parts; `new` makes what they are written into.
        """
        of = np.arange(len(vectors)) if places is None else places
        centers = _centers(vectors)
        cell = _nearest_centers(vectors, centers)
        order = np.argsort(cell, kind="stable")
        unit = new(vectors.shape)
        # Read and written in parts: either may be a file that is larger than memory.
        target = np.empty(len(order), np.intp)
        target[order] = np.arange(len(order))
        for start in range(0, len(vectors), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            unit[target[part]] = _unit(vectors[part])
        rows = np.full(len(of) if count is None else count, -1, np.int32)
        rows[of] = target
        starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centers)))])
        return cls(unit, of[order].astype(np.int32), rows, starts.astype(np.int64), centers)

    def __len__(self) -> int:
        return len(self.places)

    def cosines(self, vector: Vectors, places: npt.NDArray[np.integer]) -> Vectors:
        """`(places,)` the cosines of a vector with those of some things, all of which have one."""
        return np.asarray(self.unit[self.rows[places]] @ _unit(vector), np.float32)

    def of_places(self, places: npt.NDArray[np.integer]) -> Vectors:
        """The vectors of some things that have one."""
        return np.asarray(self.unit[self.rows[places]])

    def near(
        self,
        vector: Vectors,
        inside: npt.NDArray[np.bool_] | None = None,
        *,
        least: int = 0,
    ) -> tuple[Numbers, Vectors]:
        """Things and their cosines with a vector: those of the nearest cells, in no order.

        A few thousand are looked at at least, or all where there are no more. `inside`, one for
        each thing, says which count: cells are looked at until so many of these are there, and what
        else lies in them is among what is found. At least `least` count.
        """
        asked, unit = _unit(vector), np.asarray(self.unit)
        whole = max(least, _LOOKED, int(len(self) * _SHARE))
        held = len(self) if inside is None else int(np.count_nonzero(inside))
        # Of so few, cells have so little that looking at all of them costs less.
        if held <= max(whole, math.isqrt(_INSIDE * len(self)) if inside is not None else 0):
            rows: Numbers | slice = slice(None)
            if inside is not None:
                # In the order in which they lie in memory.
                rows = np.sort(self.rows[np.flatnonzero(inside)]).astype(np.intp)
                rows = rows[rows >= 0]
            return self.places[rows].astype(np.intp), np.asarray(unit[rows] @ asked, np.float32)
        nearest = np.argsort(-(self.centers @ asked), kind="stable")
        found: list[tuple[Numbers, Vectors]] = []
        looked = counting = 0
        for cell in nearest.tolist():
            span = slice(int(self.starts[cell]), int(self.starts[cell + 1]))
            places = self.places[span].astype(np.intp)
            found.append((places, np.asarray(unit[span] @ asked, np.float32)))
            looked += len(places)
            if inside is not None:
                counting += int(np.count_nonzero(inside[places]))
            if looked >= whole and (inside is None or counting >= max(least, _INSIDE)):
                break
        return (
            np.concatenate([own for own, _ in found]),
            np.concatenate([own for _, own in found]),
        )


def _unit(vectors: Vectors) -> Vectors:
    """Vectors of unit length, or one."""
    exact = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(exact, axis=-1, keepdims=True)
    return np.asarray(exact / np.maximum(lengths, 1e-12), np.float32)


def _centers(vectors: Vectors) -> Vectors:
    """The centers of as many cells as suit so many vectors."""
    count = int(_CELLS * np.sqrt(len(vectors))) if len(vectors) > _LOOKED else 1
    if not vectors.size:
        return np.zeros((1, *vectors.shape[1:]), np.float32)
    rng = np.random.default_rng(0)
    many = min(len(vectors), count * _FOR_A_CENTER)
    sample = _unit(vectors[np.sort(rng.choice(len(vectors), many, replace=False))])
    centers = sample[rng.choice(many, count, replace=False)]
    for _ in range(_ROUNDS):
        cell = _nearest_centers(sample, centers)
        order = np.argsort(cell, kind="stable")
        used, first = np.unique(cell[order], return_index=True)
        # A cell that nothing is nearest to keeps its center.
        centers = centers.copy()
        centers[used] = _unit(np.add.reduceat(sample[order], first, axis=0))
    return centers


def _nearest_centers(vectors: Vectors, centers: Vectors) -> npt.NDArray[np.int64]:
    """`(n,)` which center each vector is nearest to."""
    if len(centers) == 1:
        return np.zeros(len(vectors), np.int64)
    found = [
        np.argmax(_unit(vectors[start : start + _AT_ONCE]) @ centers.T, axis=1)
        for start in range(0, len(vectors), _AT_ONCE)
    ]
    return np.concatenate(found)
