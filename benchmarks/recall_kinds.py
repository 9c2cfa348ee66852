"""Whether an index is tuned to what is asked, and not only to what it holds.

Rows that were held out lie among the rows and are found easily; texts of a catalog lie further off:
here at cosine 0.55 to the row that they are of. An index is tuned to held-out rows alone, as a
figure to compare with, and then as a run tunes it. The recall target must be reached for both kinds
by the second, on queries that nothing was tuned to.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.vectors import Cloud, append, vector_store
from reelshelf.indexer.index.build import Builder, update_index
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.queries import QuerySet
from reelshelf.indexer.index.recall import GroundTruth, exact_searches, measure_recall, tune
from reelshelf.indexer.store.rows import vector_array, vector_matrix
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex
from tests.support.shops import small_config

TABLE, COLUMN = "segments", "text_vector"
_DIM = 128
_COSINE = 0.55
_PRODUCTS = 1000
_FRESH = 10**6
CONFIG = small_config(index={"kind": "ivf_pq"})


def far(vectors: Vectors, cosine: float, seed: int) -> Vectors:
    """Queries at a cosine to each vector."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=vectors.shape).astype(np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(cosine * vectors + np.sqrt(1 - cosine**2) * noise, np.float32)


def add_products(store: Store, texts: Vectors) -> None:
    """A catalog whose texts are these vectors."""
    append(store, "products", "facts_vector", iter([texts]))
    rows = store.scan("products", None)
    place = rows.schema.get_field_index("text_vector")
    array = vector_array(list(texts), texts.shape[1])
    rows = rows.set_column(place, rows.schema.field(place), pa.chunked_array([array]))
    store.table("products").add(rows, mode="overwrite")


def recalls(store: Store, index: VectorIndex, truths: list[GroundTruth]) -> dict[str, float]:
    """Recall@10 for each kind of query."""
    dataset = store.dataset(TABLE)
    return {truth.kind: measure_recall(dataset, index, truth).recall for truth in truths}


def measure(rows: int, queries: int) -> dict[str, float]:
    """Build, tune in both ways, and ask queries of both kinds that are new."""
    with tempfile.TemporaryDirectory() as folder:
        store = vector_store(Path(folder), _DIM)
        cloud = Cloud(_DIM, max(10, rows // 200))
        append(store, TABLE, COLUMN, cloud.pieces(rows, 0))
        held = vector_matrix(store.scan(TABLE, [COLUMN])[COLUMN])
        rng = np.random.default_rng(0)
        asked = [held[rng.integers(0, rows, count)] for count in (_PRODUCTS, queries, queries)]
        add_products(store, far(asked[0], _COSINE, 1))
        index = update_index(store, TABLE, COLUMN, Builder(CONFIG.index, in_turn), None)
        dataset = store.dataset(TABLE)
        # Vectors of the same clusters that are no rows: what was held out before it came in.
        fresh = [
            QuerySet("rows", cloud.sample_vectors(queries, _FRESH)),
            QuerySet("far", far(asked[1], _COSINE, 2)),
        ]
        truths = exact_searches(dataset, COLUMN, fresh)
        tuning = sample_vectors(dataset, COLUMN, CONFIG.index.tune_queries, 7)
        alone = exact_searches(dataset, COLUMN, [QuerySet("rows", tuning)])
        plain = index.model_copy(update={"nprobes": 0, "refine_factor": 0})
        to_rows = tune(dataset, plain, alone, _DIM)
        assert to_rows is not None
        before, after = (recalls(store, found, truths) for found in (to_rows, index))
    return {
        "rows": float(rows),
        "partitions": float(index.partitions),
        "tuned_to_rows_nprobes": float(to_rows.nprobes),
        "tuned_to_rows_recall_rows": before["rows"],
        "tuned_to_rows_recall_far": before["far"],
        "nprobes": float(index.nprobes),
        "refine_factor": float(index.refine_factor),
        "recall_rows": after["rows"],
        "recall_far": after["far"],
        "target": CONFIG.index.recall_target,
    }


def main() -> int:
    """Measure and print."""
    args = parse(parser_of(__doc__), rows=Count(20_000, 100_000), queries=Count(300, 1000))
    figures = measure(args.rows, args.queries)
    target = figures["target"]
    asked = [
        Bar("recall@10, rows", figures["recall_rows"], target, at_least=True),
        Bar("recall@10, at cosine 0.55", figures["recall_far"], target, at_least=True),
    ]
    return conclude("recall_kinds", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
