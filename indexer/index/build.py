"""Building the indexes of a release.

A vector column with few rows stays flat: exact search over it beats any index, in recall always and
below some 50,000 rows in time too. Larger ones get an IVF-PQ index whose quantizer FAISS trained
and Lance only applies.
"""

import lance
import numpy as np
import pyarrow as pa
from lancedb.index import FTS, BTree
from lancedb.table import Table

from indexer.index.quantizer import index_sizes, train
from indexer.store.rows import vector_matrix
from indexer.store.tables import Store
from schemas.config import IndexConfig
from schemas.media import Vectors
from schemas.release import VectorIndex

# Every vector column that is searched, by table.
VECTOR_COLUMNS = (
    ("segments", "frame_vector"),
    ("segments", "text_vector"),
    ("products", "facts_vector"),
    ("product_images", "image_vector"),
)
_KEY_COLUMNS = (("segments", "video_key"), ("links", "video_key"), ("links", "product_key"))
_TEXT_COLUMN = ("segments", "text")


def build_indexes(store: Store, config: IndexConfig) -> list[VectorIndex]:
    """Build every index anew over the newest rows, and say how each column is to be searched."""
    for name, column in _KEY_COLUMNS:
        _index_keys(store.table(name), column)
    name, column = _TEXT_COLUMN
    # `simple` splits on anything that is no letter or digit and keeps every language's words.
    full_text = FTS(base_tokenizer="simple", stem=False, remove_stop_words=False)
    store.table(name).create_index(column, config=full_text, replace=True)
    return [build_vector_index(store, name, column, config) for name, column in VECTOR_COLUMNS]


def build_vector_index(store: Store, name: str, column: str, config: IndexConfig) -> VectorIndex:
    """Train with FAISS and inject into Lance, or leave the column flat."""
    dataset = store.table(name).to_lance()
    rows = dataset.count_rows(filter=f"{column} IS NOT NULL")
    if rows < max(config.flat_below, 256):
        _drop_index(store.table(name), column)
        return VectorIndex(table=name, column=column, kind="flat", rows=rows)
    dim = dataset.schema.field(column).type.list_size
    sizes = index_sizes(rows, dim, config)
    sample = _sample(dataset, column, config.train_rows, config.seed)
    quantizer = train(sample, sizes, seed=config.seed)
    dataset.create_index(
        column,
        "IVF_PQ",
        name=index_name(column),
        metric="cosine",
        num_partitions=sizes.partitions,
        num_sub_vectors=sizes.sub_vectors,
        ivf_centroids=quantizer.centroids,
        pq_codebook=quantizer.codebook,
        replace=True,
    )
    return VectorIndex(
        table=name,
        column=column,
        kind="ivf_pq",
        rows=rows,
        partitions=sizes.partitions,
        sub_vectors=sizes.sub_vectors,
        nprobes=sizes.nprobes,
        refine_factor=config.refine_factor,
        quantizer_sha256=quantizer.sha256,
        trained_by=quantizer.trained_by,
    )


def index_name(column: str) -> str:
    """Name of the index on a column, as Lance would name it."""
    return f"{column}_idx"


def _index_keys(table: Table, column: str) -> None:
    table.create_index(column, config=BTree(), replace=True)


def _drop_index(table: Table, column: str) -> None:
    if any(index.name == index_name(column) for index in table.list_indices()):
        table.drop_index(index_name(column))


def _sample(dataset: lance.LanceDataset, column: str, most: int, seed: int) -> Vectors:
    """At most `most` vectors, drawn evenly while streaming; never all of them in memory."""
    total = dataset.count_rows(filter=f"{column} IS NOT NULL")
    picked = np.sort(np.random.default_rng(seed).permutation(total)[:most])
    parts: list[Vectors] = []
    start = 0
    scanner = dataset.scanner(columns=[column], filter=f"{column} IS NOT NULL")
    for batch in scanner.to_batches():
        inside = picked[(picked >= start) & (picked < start + batch.num_rows)] - start
        if len(inside):
            parts.append(vector_matrix(batch[column].take(pa.array(inside))))
        start += batch.num_rows
    return np.concatenate(parts)
