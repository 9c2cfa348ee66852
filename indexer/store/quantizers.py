"""Quantizers in the store, by their hash."""

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store, among
from reelshelf.schemas import tables
from reelshelf.schemas.errors import CorruptFile
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer, Recipe


def save_quantizer(store: Store, quantizer: Quantizer) -> None:
    """Keep a quantizer, unless it is there."""
    row = {
        "sha256": quantizer.sha256,
        "created_at": now(),
        "recipe": quantizer.recipe.model_dump_json(),
        "centroids": _bytes(quantizer.centroids),
        "codebook": _bytes(quantizer.codebook),
        "queries": _bytes(quantizer.queries),
    }
    merge = store.merge("quantizers", "sha256").when_not_matched_insert_all()
    merge.execute(pa.Table.from_pylist([row], schema=tables.quantizers_schema()))


def quantizer_hashes(store: Store) -> list[str]:
    """Hashes of all quantizers that are kept."""
    hashes: list[str] = store.scan("quantizers", ["sha256"])["sha256"].to_pylist()
    return hashes


def read_quantizer(store: Store, sha256: str) -> Quantizer | None:
    """The quantizer of that hash, None if it is not kept. Raises CorruptFile if it is another."""
    found = store.scan("quantizers", None, among("sha256", [sha256])).to_pylist()
    if not found:
        return None
    row = found[0]
    recipe = Recipe.model_validate_json(row["recipe"])
    quantizer = Quantizer(
        centroids=_vectors(row["centroids"]).reshape(recipe.partitions, recipe.dim),
        codebook=_vectors(row["codebook"]).reshape(
            recipe.sub_vectors, 256, recipe.dim // recipe.sub_vectors
        ),
        queries=_vectors(row["queries"]).reshape(-1, recipe.dim),
        recipe=recipe,
    )
    if quantizer.sha256 != sha256:
        raise CorruptFile(
            f"{store.uri}: quantizer {sha256[:12]} of {recipe.table}.{recipe.column} is not what "
            "it was: train it anew with `reelshelf reindex --stage index`"
        )
    return quantizer


def _bytes(vectors: Vectors) -> bytes:
    return np.ascontiguousarray(vectors, "<f4").tobytes()


def _vectors(data: bytes) -> Vectors:
    return np.frombuffer(data, "<f4").astype(np.float32)
