"""Sketches leave out no video that covers another."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelshelf.indexer.index import sketches
from reelshelf.indexer.index.duplicates import Shape, cover
from reelshelf.indexer.index.sketches import Directions, Sketches
from reelshelf.schemas.media import Vectors

DIM = 24


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)


def directions(count: int, seed: int) -> Directions:
    found = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, count)))[0]
    return Directions(np.zeros(DIM, np.float32), np.asarray(found.T, np.float32))


def sketches_of(shapes: dict[str, Shape], own: Directions) -> Sketches:
    return Sketches.of(
        pa.chunked_array([[key for key, shape in shapes.items() for _ in shape.lengths]]),
        np.concatenate([own.sketches(shape.vectors) for shape in shapes.values()]),
        np.concatenate([shape.lengths for shape in shapes.values()]).astype(np.float32),
    )


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
    named = sketches_of(shapes, directions(6, seed)).covering(list(shapes), least)
    for key, shape in shapes.items():
        covering = {o for o in shapes if o != key and cover(shape, shapes[o]) >= least}
        assert covering <= set(named[key])
        assert key not in named[key]


def many(count: int, alike: float) -> dict[str, Shape]:
    """Videos of three moments, each odd one a copy of the one before, its frames moved a little."""
    rng = np.random.default_rng(5)
    found: dict[str, Shape] = {}
    frames = unit(rng.normal(size=(3, DIM)))
    for number in range(count):
        noise = unit(rng.normal(size=(3, DIM)))
        frames = unit(alike * frames + np.sqrt(1 - alike**2) * noise) if number % 2 else noise
        found[f"v{number:04d}"] = Shape(frames, np.array([1000.0, 2000.0, 3000.0]))
    return found


def test_copies_are_found_in_cells_as_where_all_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = many(1200, 0.85)
    whole = sketches_of(shapes, directions(12, 1))
    monkeypatch.setattr(sketches, "_ALL_UP_TO", 1000)
    monkeypatch.setattr(sketches, "_IN_A_CELL", 60)
    monkeypatch.setattr(sketches, "_CELLS_ASKED", 6)
    cells = sketches_of(shapes, directions(12, 1))
    assert (len(whole.centers), len(cells.centers)) == (1, 60)
    asked = [key for number, key in enumerate(shapes) if number % 2]
    for own in (whole, cells):
        named = own.covering(asked, 0.75)
        assert all(f"v{2 * number:04d}" in named[key] for number, key in enumerate(asked))


def test_a_moment_that_all_videos_have_does_not_crowd_out_a_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shapes = many(200, 0.95)
    intro = unit(np.ones((1, DIM), np.float32))
    shared = {
        key: Shape(np.concatenate([intro, shape.vectors]), np.array([500.0, *shape.lengths]))
        for key, shape in shapes.items()
    }
    monkeypatch.setattr(sketches, "_MOST_ALIKE", 4)
    named = sketches_of(shared, directions(12, 1)).covering(list(shared), 0.75)
    for number, key in enumerate(shared):
        assert f"v{number ^ 1:04d}" in named[key]
