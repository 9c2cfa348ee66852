"""The figures of a candidate: recall of its indexes, coverage, health, and what was looked at."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from reelshelf.indexer.index.build import VECTOR_COLUMNS
from reelshelf.indexer.index.parts import TaskMapper, column_parts, in_turn
from reelshelf.indexer.index.queries import query_sets
from reelshelf.indexer.index.recall import map_exact_searches, measure_recall
from reelshelf.indexer.quality.health import bad_vectors, check_health
from reelshelf.indexer.quality.indexes import ColumnFacts, inspect_answers
from reelshelf.indexer.quality.inspection import inspect_rows
from reelshelf.indexer.quality.sampling import fresh_fragments
from reelshelf.indexer.store.links import COUNTED_BY, one_a_group
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.schemas.config import Config
from reelshelf.schemas.gate import Finding
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Tally
from reelshelf.schemas.release import KindRecall, Quality, TableVersion, VectorIndex

# A flat column is exact by construction: a few queries show that it can be searched at all.
_FLAT_QUERIES = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a release is to be made of: tables at versions, and how they are searched.

    `typed` are vectors of what shoppers typed, `(n, text_dim)`, where a log is given. Whole columns
    are read by `map_tasks`, in as many pieces as `workers`.
    """

    pinned: PinnedTables
    tables: Sequence[TableVersion]
    indexes: Sequence[VectorIndex]
    typed: Vectors | None = None
    map_tasks: TaskMapper = in_turn
    workers: int = 1


def measure(
    candidate: Candidate,
    previous: ReleaseSnapshot | None,
    config: Config,
    tally: Tally,
    failure_rate: float | None = None,
) -> Quality:
    """Measure a candidate at the versions that it names, beside the served release.

    `failure_rate` is of the videos that the run tried; None where nobody counted them.
    """
    pinned, seed = candidate.pinned, config.index.seed + 1
    beside = previous if previous is not None and _same_generation(previous, pinned) else None
    bad = {
        f"{table}.{column}": _bad_vectors(candidate, beside, table, column)
        for table, column in VECTOR_COLUMNS
    }
    recalls: dict[str, list[KindRecall]] = {}
    for index in candidate.indexes:
        name = f"{index.table}.{index.column}"
        if index.rows and not bad[name]:
            found = _known_recalls(pinned, index, beside) or recalls_of(
                candidate, index, config.gate.recall_queries, seed
            )
            # In a column of a row or two, or of copies, no query tells anything: flat is exact.
            if found or index.kind != "flat":
                recalls[name] = found
    columns = [
        ColumnFacts.of(pinned, index, candidate.map_tasks)
        for index in candidate.indexes
        if index.kind != "flat"
    ]
    findings: list[Finding] = [
        *inspect_rows(pinned, beside, config.shop_id, seed),
        *(found for column in columns for found in column.findings(pinned)),
        *(
            inspect_answers(pinned, beside, candidate.indexes, config.text.analyzer, seed)
            if not any(bad.values())
            else ()
        ),
    ]
    strong = pinned.scan("links", COUNTED_BY, f"score >= {config.linking.link_above}")
    failures = pinned.scan("failures", ["input", "kind"]).to_pylist()
    pictures = pinned.scan("product_images", ["product_key"])
    least = {name: min(found, key=lambda k: k.recall) for name, found in recalls.items() if found}
    return Quality(
        recall_at_10={name: least[name].recall if name in least else 0.0 for name in recalls},
        recall_error={name: least[name].error if name in least else 0.0 for name in recalls},
        recall_queries={name: least[name].queries if name in least else 0 for name in recalls},
        recalls=recalls,
        videos=pinned.count("videos"),
        videos_linked=len(set(strong["video_key"].to_pylist())),
        products=pinned.count("products"),
        products_with_picture=len(set(pictures["product_key"].to_pylist())),
        products_linked=len(set(strong["product_key"].to_pylist())),
        links=one_a_group(strong).num_rows,
        segments=pinned.count("segments"),
        segments_with_text=pinned.count("segments", "text != ''"),
        submitted=tally.submitted,
        indexed=tally.indexed,
        skipped=tally.skipped,
        failed=tally.failed,
        failures_by_kind=dict(
            sorted(Counter(row["kind"] for row in failures if row["input"] == "video").items())
        ),
        bad_vectors=bad,
        rejected_rows=sum(row["input"] == "row" for row in failures),
        health=check_health(pinned, candidate.tables, columns, previous, config),
        failure_rate=failure_rate,
        findings=findings,
    )


def recalls_of(candidate: Candidate, index: VectorIndex, most: int, seed: int) -> list[KindRecall]:
    """Recall@10 against exact search for each kind of query, of which none was trained or tuned on.

    Kinds of which no query tells anything are left out.
    """
    quantizer = read_quantizer(candidate.pinned.store, index.quantizer_sha256)
    dataset = candidate.pinned.dataset(index.table)
    flat = index.kind == "flat"
    sets = query_sets(
        candidate.pinned,
        index.table,
        index.column,
        min(_FLAT_QUERIES, most) if flat else most,
        seed,
        typed=candidate.typed,
        centroids=quantizer.centroids if quantizer else None,
    )
    found = []
    truths = map_exact_searches(
        candidate.pinned,
        index.table,
        index.column,
        sets[:1] if flat else sets,
        candidate.map_tasks,
        candidate.workers,
    )
    for truth in truths:
        measured = measure_recall(dataset, index, truth)
        if measured.queries:
            found.append(
                KindRecall(
                    kind=truth.kind,
                    recall=measured.recall,
                    error=measured.error,
                    queries=measured.queries,
                    worst=measured.worst,
                    worst_error=measured.worst_error,
                )
            )
    return found


def _bad_vectors(candidate: Candidate, served: PinnedTables | None, table: str, column: str) -> int:
    """How many there are in files that the served release does not have."""
    before = served.dataset(table) if served is not None else None
    fresh = fresh_fragments(candidate.pinned.dataset(table), before)
    numbers = [piece.fragment_id for piece in fresh]
    parts = column_parts(candidate.pinned, table, column, numbers, candidate.workers)
    return sum(candidate.map_tasks(bad_vectors, list(parts)))


def _known_recalls(
    pinned: PinnedTables, index: VectorIndex, served: ReleaseSnapshot | None
) -> list[KindRecall] | None:
    """What the served release found, where it searches the same rows in the same way."""
    if served is None or index not in served.release.indexes:
        return None
    same = pinned.store.same_content(
        index.table, pinned.versions[index.table], served.versions[index.table]
    )
    return served.release.quality.recalls.get(f"{index.table}.{index.column}") if same else None


def _same_generation(previous: ReleaseSnapshot, pinned: PinnedTables) -> bool:
    return previous.store.generation == pinned.store.generation
