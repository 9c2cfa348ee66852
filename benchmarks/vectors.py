"""Made vectors with the shape of real ones, and stores that hold little else.

Vectors of a kind lie in clusters, and within a cluster they vary in few directions: a center, plus
broad noise in 24 directions that all clusters share, plus a little noise in every direction.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef, ModelRefs

# Threads that wait would spin, and CPU seconds depend on what else the machine does. FAISS looks
# at it when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_DIRECTIONS = 24
_FINE = 0.1
_ROWS_PER_PIECE = 16_384


class Cloud:
    """Clusters of unit vectors. The same seed gives the same clusters, however many are asked for.

    Clusters differ in size: their shares are exponential, as if the whole were cut at random.
    `broad` is how far vectors of a cluster lie apart, in each of the shared directions; below 0.1
    neighbors are nearer to each other than a foreign codebook can tell.
    """

    def __init__(self, dim: int, clusters: int, seed: int = 0, broad: float = 0.2) -> None:
        rng = np.random.default_rng((seed, 0))
        self._directions = rng.normal(0, 1 / np.sqrt(dim), (_DIRECTIONS, dim)).astype(np.float32)
        self._shares = np.random.default_rng((seed, 1)).exponential(1.0, clusters)
        centers = np.random.default_rng((seed, 2)).normal(size=(clusters, dim))
        self._centers = _unit(centers.astype(np.float32))
        self._seed = seed
        self._broad = np.float32(broad)

    def sample_vectors(self, count: int, stream: int, among: range | None = None) -> Vectors:
        """Vectors of some clusters, or of all: `(count, dim)`. Another stream gives others."""
        rng = np.random.default_rng((self._seed, 3, stream))
        chosen = np.arange(len(self._centers)) if among is None else np.array(among)
        shares = self._shares[chosen] / self._shares[chosen].sum()
        vectors = self._centers[rng.choice(chosen, count, p=shares)]
        broad = rng.standard_normal((count, _DIRECTIONS), np.float32) * self._broad
        vectors += broad @ self._directions
        dim = vectors.shape[1]
        vectors += rng.standard_normal((count, dim), np.float32) * np.float32(_FINE / np.sqrt(dim))
        return _unit(vectors)

    def pieces(self, count: int, stream: int) -> Iterator[Vectors]:
        """As many vectors in pieces, so that nobody has to hold them all."""
        for number, start in enumerate(range(0, count, _ROWS_PER_PIECE)):
            yield self.sample_vectors(min(_ROWS_PER_PIECE, count - start), stream + number)


def _unit(vectors: Vectors) -> Vectors:
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def vector_store(path: Path, dim: int) -> Store:
    """An empty store for vectors of `dim`, of either kind."""
    made = ModelRef(name="made", revision="1", sha256="0", dim=dim, space="made")
    silent = ModelRef(name="none", revision="1", sha256="0")
    refs = ModelRefs(image=made, text=made, asr=silent, ocr=silent)
    return Store.create(str(path), "shop", refs)


def append(
    store: Store, table: str, column: str, pieces: Iterator[Vectors], null_share: float = 0.0
) -> None:
    """Add one fragment of rows with these vectors; in all other required columns, all are alike.

    `null_share` of the rows have no vector, and are rows beyond those.
    """
    dataset = store.dataset(table)
    schema = dataset.schema
    first = dataset.count_rows()

    def batches() -> Iterator[pa.RecordBatch]:
        begin = first
        rng = np.random.default_rng(first)
        for piece in pieces:
            rows = round(len(piece) / (1 - null_share))
            filled = np.ones(rows, np.bool_)
            filled[rng.choice(rows, rows - len(piece), replace=False)] = False
            yield _rows(schema, column, begin, piece, filled)
            begin += rows

    dataset.insert(pa.RecordBatchReader.from_batches(schema, batches()))


def _rows(
    schema: pa.Schema, column: str, begin: int, vectors: Vectors, filled: npt.NDArray[np.bool_]
) -> pa.RecordBatch:
    same = {field.name: _any(field.type) for field in schema if not field.nullable}
    table = pa.Table.from_pylist([same], schema=schema).take(pa.array(np.zeros(len(filled), "i8")))
    keys = pa.array([f"{begin + i:08x}-0000" for i in range(len(filled))])
    spread = np.zeros((len(filled), vectors.shape[1]), np.float32)
    spread[filled] = vectors
    # Arrow refuses a mask without nulls in a column that may have none.
    mask = None if filled.all() else pa.array(~filled)
    made = pa.FixedSizeListArray.from_arrays(pa.array(spread.ravel()), vectors.shape[1], mask=mask)
    place = schema.get_field_index(column)
    table = table.set_column(0, schema.field(0), keys).set_column(place, schema.field(place), made)
    return table.combine_chunks().to_batches()[0]


def _any(kind: pa.DataType) -> object:
    if pa.types.is_fixed_size_list(kind):
        return [0.0] * kind.list_size
    if pa.types.is_list(kind):
        return []
    return "" if pa.types.is_string(kind) else 0
