"""Sketches leave out no video that covers another."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.index.duplicates import Shape, cover
from reelshelf.indexer.index.sketches import Directions, Sketches, _Videos
from reelshelf.schemas.media import Vectors

DIM = 24


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def directions(count: int, seed: int) -> Directions:
    found = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, count)))[0]
    return Directions(np.zeros(DIM, np.float32), np.asarray(found.T, np.float32))


@given(kept=st.integers(1, DIM), seed=st.integers(0, 1000))
def test_a_product_of_sketches_is_no_less_than_the_cosine(kept: int, seed: int) -> None:
    vectors = unit(np.random.default_rng(seed).normal(size=(20, DIM)))
    sketches = directions(kept, seed).sketches(vectors)
    assert np.all(sketches @ sketches.T >= vectors @ vectors.T - 1e-4)


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=12),
    seed=st.integers(0, 1000),
    least=st.floats(-0.2, 0.95),
)
def test_whoever_covers_a_video_is_named(sizes: list[int], seed: int, least: float) -> None:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(3, DIM))
    chosen = [base[rng.integers(0, 3, n)] + 0.3 * rng.normal(size=(n, DIM)) for n in sizes]
    shapes = {
        f"v{place}": Shape(unit(vectors), rng.uniform(100, 5000, len(vectors)))
        for place, vectors in enumerate(chosen)
    }
    sketched = directions(6, seed)
    groups = [
        _Videos(
            pa.array([key for key in shapes if len(shapes[key].vectors) == count]),
            np.stack(
                [sketched.sketches(s.vectors) for s in shapes.values() if len(s.vectors) == count]
            ),
            np.stack([s.lengths for s in shapes.values() if len(s.vectors) == count]).astype(
                np.float32
            ),
        )
        for count in sorted(set(sizes))
    ]
    named = Sketches(tuple(groups)).covering(list(shapes), least)
    for key, shape in shapes.items():
        covering = {o for o in shapes if o != key and cover(shape, shapes[o]) >= least}
        assert covering <= set(named[key])
        assert key not in named[key]
