"""A GPU gives the same answers as the CPU. Not run yet: these skip where there is no GPU."""

import numpy as np
import pytest

from indexer.index.quantizer import index_sizes, train
from models.minilm import MiniLM
from models.offline_visual import OfflineVisual
from schemas.config import IndexConfig

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


def test_faiss_trains_on_the_gpu() -> None:
    vectors = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert "GPU" in train(vectors, index_sizes(20_000, 64, IndexConfig()), seed=0).trained_by
