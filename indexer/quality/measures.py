"""The figures of a candidate: recall of its indexes, coverage, health."""

from collections import Counter
from collections.abc import Sequence

from reelshelf.indexer.index.recall import Measured, exact_search, interpolate, measure_recall
from reelshelf.indexer.quality.health import bad_vectors, check_health
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import Config
from reelshelf.schemas.outcomes import Tally
from reelshelf.schemas.release import Quality, Release, TableVersion, VectorIndex

# A flat column is exact by construction: a few queries show that it can be searched at all.
_FLAT_QUERIES = 10


def measure(
    store: Store,
    tables: Sequence[TableVersion],
    indexes: Sequence[VectorIndex],
    previous: Release | None,
    config: Config,
    tally: Tally,
    failure_rate: float | None = None,
) -> Quality:
    """Measure the newest version of every table, which `tables` name.

    `failure_rate` is of the videos that the run tried; None where nobody counted them.
    """
    recalls: dict[str, Measured] = {}
    bad: dict[str, int] = {}
    for index in indexes:
        name = f"{index.table}.{index.column}"
        bad[name] = bad_vectors(store.dataset(index.table), index.column)
        if index.rows and not bad[name]:
            most = config.gate.recall_queries
            queries = min(_FLAT_QUERIES, most) if index.kind == "flat" else most
            found = recall_at_10(store, index, queries, config.index.seed + 1)
            # In a column of a row or two, or of copies, no query tells anything: flat is exact.
            if found.queries or index.kind != "flat":
                recalls[name] = found
    strong = store.scan(
        "links", ["video_key", "product_key"], f"score >= {config.linking.link_above}"
    )
    failures = store.scan("failures", ["input", "kind"]).to_pylist()
    pictures = store.scan("product_images", ["product_key"])
    return Quality(
        recall_at_10={name: found.recall for name, found in recalls.items()},
        recall_error={name: found.error for name, found in recalls.items()},
        recall_queries={name: found.queries for name, found in recalls.items()},
        videos=store.count("videos"),
        videos_linked=len(set(strong["video_key"].to_pylist())),
        products=store.count("products"),
        products_with_picture=len(set(pictures["product_key"].to_pylist())),
        products_linked=len(set(strong["product_key"].to_pylist())),
        links=strong.num_rows,
        segments=store.count("segments"),
        segments_with_text=store.count("segments", "text != ''"),
        submitted=tally.submitted,
        indexed=tally.indexed,
        skipped=tally.skipped,
        failed=tally.failed,
        failures_by_kind=dict(
            sorted(Counter(row["kind"] for row in failures if row["input"] == "video").items())
        ),
        bad_vectors=bad,
        rejected_rows=sum(row["input"] == "row" for row in failures),
        health=check_health(store, tables, indexes, previous, config),
        failure_rate=failure_rate,
    )


def recall_at_10(store: Store, index: VectorIndex, most: int, seed: int) -> Measured:
    """Recall@10 against exact search, on vectors that are no rows themselves.

    Queries lie between pairs of random rows, near the data: nothing was trained or tuned on them.
    """
    dataset = store.dataset(index.table)
    queries = interpolate(dataset, index.column, most, seed)
    return measure_recall(dataset, index, exact_search(dataset, index.column, queries))
