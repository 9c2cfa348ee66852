"""Vectors in cells are found as by a comparison with all, or nearly so where there are many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.search import cells
from reelshelf.indexer.search.cells import VectorCells
from reelshelf.schemas.media import Vectors


def clustered(count: int, dim: int = 24) -> Vectors:
    """Vectors of families of twenty, as vectors of things that are alike lie."""
    rng = np.random.default_rng(3)
    families = rng.normal(size=(count // 20 + 1, dim))
    drawn = families[np.arange(count) // 20] + 0.4 * rng.normal(size=(count, dim))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), np.float32)


@given(st.integers(0, 60), st.integers(0, 100))
def test_few_are_compared_as_a_whole(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, 5)).astype(np.float32) * 3
    places = np.sort(rng.choice(count * 2 + 1, count, replace=False))
    own = VectorCells.of(vectors, places, count * 2 + 1)
    inside = rng.random(count * 2 + 1) < 0.5
    query = rng.normal(size=5).astype(np.float32)
    exact = vectors @ query / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)
    exact /= np.linalg.norm(query)
    for mask in (None, inside):
        found = dict(zip(*(part.tolist() for part in own.near(query, mask)), strict=True))
        kept = [n for n, p in enumerate(places.tolist()) if mask is None or mask[p]]
        assert found == pytest.approx({int(places[n]): float(exact[n]) for n in kept}, abs=1e-5)
    assert own.cosines(query, places) == pytest.approx(exact, abs=1e-5)
    assert np.allclose(np.linalg.norm(own.of_places(places), axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.1, 0.01, 0.001])
def test_of_many_nearly_all_of_the_nearest_are_found(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "_LOOKED", 800)
    monkeypatch.setattr(cells, "_INSIDE", 1000)
    vectors = clustered(20_000)
    own = VectorCells.of(vectors)
    assert len(own.centers) > 100
    inside = None if share == 1.0 else np.random.default_rng(5).random(len(vectors)) < share
    recalls = []
    for query in vectors[::400]:
        exact = vectors @ query
        if inside is not None:
            exact[~inside] = -1.0
        places, cosines = own.near(query, inside)
        if inside is None:
            assert len(places) < 0.2 * len(vectors)
        else:
            kept = inside[places]
            places, cosines = places[kept], cosines[kept]
        best = places[np.argsort(-cosines)[:10]].tolist()
        recalls.append(len(set(best) & set(np.argsort(-exact)[:10].tolist())) / 10)
    assert np.mean(recalls) >= 0.95
