"""What is given to GPUs, with a fake in their place that counts what FAISS gives it."""

from collections import Counter

import numpy as np
import pytest

from reelshelf.indexer.index.encode import Coder, way_of
from reelshelf.indexer.index.gpus import NoGpus, gpus_for
from reelshelf.indexer.index.quantizer import IndexSizes, Origin, index_sizes, train
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.errors import ModelUnavailable

faiss = pytest.importorskip("faiss")

# What the columns of both profiles have: frames of the offline profile, frames of CLIP, texts.
DIMS = (1408, 512, 384)
ROWS, PARTITIONS = 1500, 7


class TwoGpus:
    """FAISS's flat indexes in two replicas, which share out the vectors as GPUs would."""

    count = 2

    def __init__(self) -> None:
        self.spread_to: Counter[int] = Counter()
        self._kept: list[object] = []

    def spread(self, index: "faiss.Index") -> "faiss.Index":
        self.spread_to[index.d] += 1
        replicas = faiss.IndexReplicas(index.d)
        for _ in range(self.count):
            # A copy, as on a GPU: what becomes of the original is not seen.
            copy = faiss.clone_index(index)
            replicas.add_replica(copy)
            self._kept.append(copy)
        return replicas


def _vectors(dim: int) -> np.ndarray:
    rows = np.random.default_rng(dim).normal(size=(ROWS, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
def test_gpus_give_the_same_quantizer_places_and_codes(dim: int) -> None:
    vectors = _vectors(dim)
    sizes = IndexSizes(PARTITIONS, index_sizes(ROWS, dim, IndexConfig()).sub_vectors, ROWS)
    origin = Origin("segments", "frame_vector", 1, ROWS)
    gpus = TwoGpus()
    on_gpus = train(vectors, vectors[:10], sizes, origin, seed=0, gpus=gpus)
    on_cpu = train(vectors, vectors[:10], sizes, origin, seed=0)
    # All vectors to centroids, and parts of them to codes.
    assert gpus.spread_to == {dim: 1, dim // sizes.sub_vectors: 1}
    assert on_gpus.recipe.trained_by.endswith("on 2 GPUs")
    assert on_cpu.recipe.trained_by.endswith("on CPU")
    np.testing.assert_allclose(on_gpus.centroids, on_cpu.centroids, atol=1e-5)
    np.testing.assert_allclose(on_gpus.codebook, on_cpu.codebook, atol=1e-4)

    places, codes = Coder(on_cpu, gpus).encode(vectors)
    own_places, own_codes = Coder(on_cpu, NoGpus()).encode(vectors)
    assert gpus.spread_to[dim] == 2
    np.testing.assert_array_equal(places, own_places)
    np.testing.assert_array_equal(codes, own_codes)


@pytest.mark.slow
@pytest.mark.parametrize("dim", DIMS)
def test_codes_are_those_that_an_index_of_faiss_would_hold(dim: int) -> None:
    vectors = _vectors(dim)
    sizes = IndexSizes(PARTITIONS, index_sizes(ROWS, dim, IndexConfig()).sub_vectors, ROWS)
    quantizer = train(vectors, vectors[:10], sizes, Origin("t", "c", 1, ROWS), seed=0)
    coder = Coder(quantizer, NoGpus())
    places, codes = coder.encode(vectors)
    whole = coder._index.sa_encode(vectors)
    # FAISS writes the place in front, in as many bytes as it takes.
    np.testing.assert_array_equal(whole[:, 0], places)
    np.testing.assert_array_equal(whole[:, 1:], codes)


def test_where_there_are_gpus_faiss_encodes_and_lance_lays_out() -> None:
    config = IndexConfig()
    assert way_of(config, 4, TwoGpus()) == "buffers"
    assert way_of(config, 4, NoGpus()) == "fragments"


def test_what_is_no_number_has_a_place_that_there_is() -> None:
    vectors = _vectors(384)
    sizes = IndexSizes(PARTITIONS, 48, ROWS)
    quantizer = train(vectors, vectors[:10], sizes, Origin("t", "c", 1, ROWS), seed=0)
    broken = vectors[:3].copy()
    broken[1] = np.nan
    places, _ = Coder(quantizer, NoGpus()).encode(broken)
    assert places.max() < PARTITIONS


class WrongGpus(TwoGpus):
    """Answers as if every vector were the first centroid."""

    def spread(self, index: "faiss.Index") -> "faiss.Index":
        same = faiss.IndexFlatL2(index.d)
        same.add(np.zeros((1, index.d), np.float32))
        return same


def test_gpus_that_do_not_work_are_told_and_never_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr("reelshelf.indexer.index.gpus.NodeGpus", WrongGpus)
    assert gpus_for("auto").count == 0
    assert "FAISS runs on the CPU: its GPUs give wrong answers" in caplog.text
    with pytest.raises(ModelUnavailable, match=r"engine\.index_device is 'cuda'.*wrong answers"):
        gpus_for("cuda")
    monkeypatch.setattr("reelshelf.indexer.index.gpus.NodeGpus", TwoGpus)
    assert gpus_for("cuda").count == 2
