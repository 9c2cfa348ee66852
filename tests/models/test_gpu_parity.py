"""A GPU gives the same answers as the CPU. Not run yet: these skip where there is no GPU."""

import numpy as np
import pytest

from reelshelf.indexer.index.encode import Coder
from reelshelf.indexer.index.quantizer import Origin, index_sizes, train
from reelshelf.models.minilm import MiniLM
from reelshelf.models.offline_visual import OfflineVisual
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.quantizer import Quantizer

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU"),
]


def test_sentences_have_the_same_vectors() -> None:
    texts = ["a red apple", "an electric guitar with three pickups"] * 40
    cpu, gpu = (MiniLM(device=d).encode_texts(texts) for d in ("cpu", "cuda"))
    assert (cpu * gpu).sum(axis=1).min() > 0.9999


def test_pictures_have_the_same_vectors() -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (4, 200, 120, 3), dtype=np.uint8))
    cpu, gpu = (OfflineVisual(device=d).encode_images(pictures) for d in ("cpu", "cuda"))
    assert (cpu * gpu).sum(axis=1).min() > 0.9999


@pytest.fixture
def trained() -> tuple[Quantizer, np.ndarray]:
    vectors = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sizes = index_sizes(20_000, 64, IndexConfig())
    origin = Origin("segments", "frame_vector", 1, 20_000)
    return train(vectors, vectors[:100], sizes, origin, seed=0), vectors


def test_faiss_trains_on_the_gpu(trained: tuple[Quantizer, np.ndarray]) -> None:
    assert "GPU" in trained[0].recipe.trained_by


def test_faiss_assigns_and_encodes_on_the_gpu_as_on_the_cpu(
    trained: tuple[Quantizer, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    quantizer, vectors = trained
    places, codes = Coder(quantizer).encode(vectors)
    monkeypatch.setattr("reelshelf.indexer.index.encode.gpu_count", lambda: 0)
    cpu_places, cpu_codes = Coder(quantizer).encode(vectors)
    assert (places == cpu_places).mean() > 0.999
    assert (codes == cpu_codes).mean() > 0.99
