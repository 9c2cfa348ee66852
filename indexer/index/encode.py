"""Getting rows into an index with a quantizer that is already trained.

Two ways, one answer. "fragments": Lance assigns and encodes the rows of some fragments, a piece of
the work that any node can do. "buffers": FAISS assigns, on GPUs where there are any, and encodes,
and Lance only lays out what it is handed. Either gives segments of an index, which become part of
it in one commit.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import lance
import numpy as np
import pyarrow as pa

from reelshelf.indexer.index.gpus import Gpus, NoGpus
from reelshelf.indexer.index.parts import ColumnPart, TaskMapper, column_parts
from reelshelf.indexer.index.quantizer import all_cores, faiss_index, null_free
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer

# What Lance calls one part of an index. Only Lance looks inside.
Segment: TypeAlias = Any

_ROWS_PER_BATCH = 32_768


@dataclass(frozen=True, slots=True)
class Piece:
    """Some fragments for whoever encodes them, and the quantizer to do it with."""

    part: ColumnPart
    quantizer_sha256: str


def encode_piece(piece: Piece) -> Segment:
    """Have Lance encode the rows of a piece: a segment that is not part of the index yet."""
    part = piece.part
    quantizer = read_quantizer(part.store, piece.quantizer_sha256)
    if quantizer is None:
        raise StoreError(f"{part.uri}: quantizer {piece.quantizer_sha256[:12]} is not kept")
    return _uncommitted(part.dataset, quantizer, list(part.fragments))


def encode_fragments(
    store: Store,
    quantizer: Quantizer,
    fragments: Sequence[int],
    config: IndexConfig,
    map_tasks: TaskMapper,
    workers: int,
    gpus: Gpus | None = None,
) -> list[Segment]:
    """Encode the rows of some fragments the way the config says: segments to commit."""
    recipe = quantizer.recipe
    dataset = store.dataset(recipe.table)
    on = gpus or NoGpus()
    if way_of(config, workers, on) == "buffers":
        return [_with_buffers(dataset, quantizer, fragments, on)]
    newest = PinnedTables(store, {recipe.table: dataset.version})
    parts = column_parts(newest, recipe.table, recipe.column, fragments, workers)
    pieces = [Piece(part, quantizer.sha256) for part in parts]
    return list(map_tasks(encode_piece, pieces))


def way_of(config: IndexConfig, workers: int, gpus: Gpus) -> str:
    """Fragments or buffers: as the config says, or what is faster here."""
    if config.build != "auto":
        return config.build
    return "buffers" if workers == 1 or gpus.count else "fragments"


def commit(store: Store, quantizer: Quantizer, segments: Sequence[Segment]) -> None:
    """Make segments part of the index of their quantizer, in one step.

    They take the place of segments that cover the same fragments.
    """
    recipe = quantizer.recipe
    dataset = store.writable(recipe.table)
    dataset.commit_existing_index_segments(quantizer.index_name, recipe.column, list(segments))


def merged(store: Store, quantizer: Quantizer, segments: Sequence[Segment]) -> Segment:
    """One segment of several that are not committed yet, without looking at a vector."""
    dataset = store.dataset(quantizer.recipe.table)
    return dataset.merge_existing_index_segments(list(segments))


def _uncommitted(
    dataset: lance.LanceDataset,
    quantizer: Quantizer,
    fragments: list[int],
    **more: object,
) -> Segment:
    recipe = quantizer.recipe
    return dataset.create_index_uncommitted(
        recipe.column,
        "IVF_PQ",
        name=quantizer.index_name,
        metric=recipe.metric,
        num_partitions=recipe.partitions,
        num_sub_vectors=recipe.sub_vectors,
        ivf_centroids=quantizer.centroids,
        pq_codebook=quantizer.codebook,
        fragment_ids=fragments,
        # Without it a second index of the same name is refused; nothing is replaced before commit.
        replace=True,
        **more,
    )


def _with_buffers(
    dataset: lance.LanceDataset, quantizer: Quantizer, fragments: Sequence[int], gpus: Gpus
) -> Segment:
    with tempfile.TemporaryDirectory(prefix="reelshelf-index-") as folder:
        buffers = lance.write_dataset(
            pa.RecordBatchReader.from_batches(
                _buffer_schema(quantizer), buffer_batches(dataset, quantizer, fragments, gpus)
            ),
            folder,
        )
        names = [file.path for part in buffers.get_fragments() for file in part.data_files()]
        if not names:
            # No row of these has a vector. Lance notes that they are covered; given no buffers it
            # would say that a column is missing.
            return _uncommitted(dataset, quantizer, list(fragments))
        return _uncommitted(
            dataset,
            quantizer,
            list(fragments),
            precomputed_shuffle_buffers=names,
            precomputed_shuffle_buffers_path=str(Path(folder) / "data"),
        )


def buffer_batches(
    dataset: lance.LanceDataset,
    quantizer: Quantizer,
    fragments: Sequence[int],
    gpus: Gpus | None = None,
) -> Iterator[pa.RecordBatch]:
    """Partition and code of every row of some fragments, as FAISS gives them."""
    column, coder = quantizer.recipe.column, Coder(quantizer, gpus or NoGpus())
    scanner = dataset.scanner(
        columns=[column],
        with_row_id=True,
        filter=f"{column} IS NOT NULL",
        fragments=[dataset.get_fragment(number) for number in fragments],
        batch_size=_ROWS_PER_BATCH,
    )
    for batch in scanner.to_batches():
        if not batch.num_rows:
            continue
        places, codes = coder.encode(null_free(batch[column]))
        yield pa.record_batch(
            [
                batch["_rowid"].cast(pa.uint64()),
                pa.array(places),
                pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), codes.shape[1]),
            ],
            schema=_buffer_schema(quantizer),
        )


def _buffer_schema(quantizer: Quantizer) -> pa.Schema:
    return pa.schema(
        [
            ("row_id", pa.uint64()),
            ("__ivf_part_id", pa.uint32()),
            ("__pq_code", pa.list_(pa.uint8(), len(quantizer.codebook))),
        ]
    )


class Coder:
    """FAISS's own assignment and codes of vectors; assigned on GPUs where there are any.

    Codes are those of the CPU either way: what a GPU assigns is handed to the same encoder.
    """

    def __init__(self, quantizer: Quantizer, gpus: Gpus) -> None:
        self._index = faiss_index(quantizer)
        self._assigning = gpus.spread(self._index.quantizer)

    def encode(
        self, vectors: Vectors
    ) -> tuple["np.ndarray[Any, np.dtype[np.uint32]]", "np.ndarray[Any, np.dtype[np.uint8]]"]:
        """Partition `(n,)` and code `(n, sub_vectors)` of each of `(n, dim)` unit vectors."""
        import faiss

        rows = np.ascontiguousarray(vectors, np.float32)
        codes = np.empty((len(rows), self._index.pq.M), np.uint8)
        with all_cores():
            _, nearest = self._assigning.search(rows, 1)
            # FAISS has no place for what is no number; the gate counts those.
            places = np.maximum(np.ascontiguousarray(nearest[:, 0], np.int64), 0)
            self._index.encode_vectors(
                len(rows), faiss.swig_ptr(rows), faiss.swig_ptr(places), faiss.swig_ptr(codes)
            )
        return places.astype(np.uint32), codes
