import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.index.quantizer import Origin, index_sizes, train
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.quantizer import Quantizer


@given(st.integers(256, 10**9), st.sampled_from([32, 384, 512, 768, 1408]))
def test_the_rule_gives_sizes_that_faiss_and_lance_accept(rows: int, dim: int) -> None:
    config = IndexConfig()
    sizes = index_sizes(rows, dim, config)
    assert dim % sizes.sub_vectors == 0
    assert sizes.partitions * 39 <= max(39, sizes.train_rows)
    assert sizes.train_rows <= rows


def test_a_setting_beats_the_rule() -> None:
    sizes = index_sizes(100_000, 64, IndexConfig(partitions=7, sub_vectors=16, train_rows=500))
    assert (sizes.partitions, sizes.sub_vectors, sizes.train_rows) == (7, 16, 500)


def test_sub_vectors_that_do_not_divide_are_refused() -> None:
    with pytest.raises(StoreError, match="5, which does not divide the 64 dimensions"):
        index_sizes(100_000, 64, IndexConfig(sub_vectors=5))


def sample(rows: int = 2000) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ORIGIN = Origin("segments", "frame_vector", 1, 2000)


def trained(vectors: np.ndarray, config: IndexConfig) -> Quantizer:
    sizes = index_sizes(2000, 32, config)
    return train(vectors, vectors[:10], sizes, ORIGIN, seed=config.seed)


def test_training_is_the_same_every_time() -> None:
    once, again = (trained(sample(), IndexConfig(seed=3)) for _ in range(2))
    assert once.sha256 == again.sha256
    assert once.recipe == again.recipe
    assert once.sha256 != trained(sample(), IndexConfig(seed=4)).sha256


def test_the_codebook_is_of_residuals_as_faiss_itself_uses() -> None:
    vectors = sample()
    ours = trained(vectors, IndexConfig(partitions=16, sub_vectors=8, seed=1))
    coarse = faiss.IndexFlatL2(32)
    coarse.add(ours.centroids)
    _, owner = coarse.search(vectors, 1)
    residuals = (vectors - ours.centroids[owner[:, 0]]).reshape(-1, 8, 4)
    books = ours.codebook
    errors = ((residuals[:, :, None] - books[None]) ** 2).sum(-1).min(-1).sum(-1)
    assert errors.mean() < 0.5 * (residuals**2).sum((1, 2)).mean()


def test_broken_vectors_never_become_a_quantizer() -> None:
    bad = sample()
    bad[5, 5] = np.nan
    with pytest.raises(StoreError, match="NaN"):
        trained(bad, IndexConfig())
    with pytest.raises(StoreError, match="finite float32"):
        Quantizer(
            bad[:16],
            bad[:256].reshape(1, 256, 32),
            bad[:1],
            trained(sample(), IndexConfig()).recipe,
        )


def test_too_few_rows_are_said_to_be_too_few() -> None:
    with pytest.raises(StoreError, match="100 rows are too few"):
        trained(sample(100), IndexConfig(partitions=2))
