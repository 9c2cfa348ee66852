"""The first figures of a candidate: recall of its indexes, coverage, health of its vectors."""

from collections import Counter
from collections.abc import Iterator

import lance
import numpy as np

from indexer.search.routes import nearest
from indexer.store.rows import vector_matrix
from indexer.store.tables import Store
from schemas.config import Config
from schemas.media import Vectors
from schemas.outcomes import Tally
from schemas.release import Quality, VectorIndex

_K = 10
# A flat column is exact by construction: a few queries show that it can be searched at all.
_FLAT_QUERIES = 10


def measure(store: Store, indexes: list[VectorIndex], config: Config, tally: Tally) -> Quality:
    """Measure the newest version of every table."""
    recalls: dict[str, float] = {}
    asked: dict[str, int] = {}
    bad: dict[str, int] = {}
    for index in indexes:
        name = f"{index.table}.{index.column}"
        bad[name] = bad_vectors(store.table(index.table).to_lance(), index.column)
        if index.rows and not bad[name]:
            most = config.gate.recall_queries
            queries = min(_FLAT_QUERIES, most) if index.kind == "flat" else most
            recalls[name], asked[name] = recall_at_10(store, index, queries, config.index.seed)
    links = store.table("links").to_lance()
    strong = links.to_table(
        columns=["video_key", "product_key"], filter=f"score >= {config.linking.link_above}"
    )
    failures = store.table("failures").to_lance().to_table(columns=["input", "kind"]).to_pylist()
    segments = store.table("segments")
    pictures = store.table("product_images").to_lance().to_table(columns=["product_key"])
    return Quality(
        recall_at_10=recalls,
        recall_queries=asked,
        videos=store.table("videos").count_rows(),
        videos_linked=len(set(strong["video_key"].to_pylist())),
        products=store.table("products").count_rows(),
        products_with_picture=len(set(pictures["product_key"].to_pylist())),
        products_linked=len(set(strong["product_key"].to_pylist())),
        links=strong.num_rows,
        segments=segments.count_rows(),
        segments_with_text=segments.count_rows("text != ''"),
        submitted=tally.submitted,
        indexed=tally.indexed,
        skipped=tally.skipped,
        failed=tally.failed,
        failures_by_kind=dict(
            sorted(Counter(row["kind"] for row in failures if row["input"] == "video").items())
        ),
        bad_vectors=bad,
        rejected_rows=sum(row["input"] == "row" for row in failures),
    )


def widen(store: Store, index: VectorIndex, config: Config) -> VectorIndex:
    """The same index, searched more widely until it reaches `gate.min_recall`, if it ever does.

    Probes double up to all partitions, then the refine factor doubles up to eight times. Settings
    that the config names are kept.
    """
    if index.kind == "flat" or config.index.nprobes:
        return index
    wider = index
    for step in _widths(index):
        wider = step
        recall, _ = recall_at_10(store, step, config.gate.recall_queries, config.index.seed)
        if recall >= config.gate.min_recall:
            break
    return wider


def _widths(index: VectorIndex) -> Iterator[VectorIndex]:
    probes, refine = index.nprobes, index.refine_factor
    while probes < index.partitions:
        yield index.model_copy(update={"nprobes": probes})
        probes *= 2
    for factor in (1, 2, 4, 8):
        widest = {"nprobes": index.partitions, "refine_factor": refine * factor}
        yield index.model_copy(update=widest)


def recall_at_10(store: Store, index: VectorIndex, most: int, seed: int) -> tuple[float, int]:
    """Recall@10 against exact search, and how many queries were asked.

    Queries lie between pairs of random rows, near the data but never a row themselves: a stored
    vector finds itself in any index and would flatter it. Rows at the distance of the tenth exact
    one count as found, since identical vectors are interchangeable.
    """
    table = store.table(index.table)
    matrix = _all_vectors(table.to_lance(), index.column)
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, len(matrix), size=(most, 2))
    queries = matrix[pairs[:, 0]] + 0.5 * matrix[pairs[:, 1]]
    queries /= np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    wanted = min(_K, len(matrix))
    found = 0.0
    for query in queries:
        limit = np.sort(1.0 - matrix @ query)[wanted - 1]
        hits = nearest(table, index.column, query, index, wanted, [])
        found += sum(hit["_distance"] <= limit + 1e-5 for hit in hits) / wanted
    return found / len(queries), len(queries)


def bad_vectors(dataset: lance.LanceDataset, column: str) -> int:
    """How many stored vectors are not finite or not of unit length."""
    bad = 0
    scanner = dataset.scanner(columns=[column], filter=f"{column} IS NOT NULL")
    for batch in scanner.to_batches():
        norms = np.linalg.norm(vector_matrix(batch[column]), axis=1)
        # NaN and infinity fail this comparison too.
        bad += int((~(np.abs(norms - 1.0) < 1e-3)).sum())
    return bad


def _all_vectors(dataset: lance.LanceDataset, column: str) -> Vectors:
    table = dataset.to_table(columns=[column], filter=f"{column} IS NOT NULL")
    return vector_matrix(table[column])
