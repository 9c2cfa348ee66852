"""Bringing indexes up to their rows: built once, grown every night, built anew in time.

A vector column with few rows stays flat: exact search over it beats any index, in recall always and
below some 50,000 rows in time too. Larger ones get an IVF-PQ index whose quantizer FAISS trained
and Lance applies. New rows join it with the same quantizer. What they do to it is measured, not
guessed from the calendar: how far their codes are off, and whether rows like them are still found.

Lance's own `optimize()` may repartition a vector index behind its quantizer's back, so it is only
ever asked for the other indexes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import lance
import numpy as np

from reelshelf.indexer.index import encode
from reelshelf.indexer.index.gpus import Gpus, NoGpus
from reelshelf.indexer.index.inspect import fragments_without, index_facts, index_names
from reelshelf.indexer.index.parts import TaskMapper
from reelshelf.indexer.index.quantizer import (
    Origin,
    code_error,
    index_sizes,
    null_free,
    sample_vectors,
    train,
)
from reelshelf.indexer.index.queries import ROWS, QuerySet, nearest_centroids, query_sets
from reelshelf.indexer.index.recall import (
    GroundTruth,
    bytes_read,
    map_exact_searches,
    measure_recall,
    tune,
    widest,
)
from reelshelf.indexer.store.quantizers import quantizer_hashes, read_quantizer, save_quantizer
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import DATA_TABLES, Store
from reelshelf.indexer.text.analyzer import TERM_LENGTH, AnalyzerKind
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.quantizer import Quantizer, Recipe
from reelshelf.schemas.release import Drift, VectorIndex

# Every vector column that is searched, by table.
VECTOR_COLUMNS = (
    ("segments", "frame_vector"),
    ("segments", "text_vector"),
    ("products", "facts_vector"),
    ("product_images", "image_vector"),
)
_KEY_COLUMNS = (
    ("videos", "video_key"),
    ("segments", "video_key"),
    ("links", "video_key"),
    ("links", "product_key"),
)
# What full text is made of, by the analyzer of the store. Terms are words already; `simple` splits
# text at all that is no letter or digit.
_FULL_TEXT: Mapping[AnalyzerKind, tuple[str, str]] = {
    "icu": ("terms", "whitespace"),
    "simple": ("text", "simple"),
}

# FAISS needs 256 rows to train as many codes on, and a tenth is held out to tune on.
LEAST_ROWS = 320
# Queries of each kind that growth is watched with: enough to see a loss of a point or two.
_WATCHED = 120
NEW_ROWS = "new rows"
# From so many pieces on, a table is rewritten into fewer: each costs a file, and a look per query.
_MOST_FRAGMENTS = 24
_DELETED = 0.1


@dataclass(frozen=True, slots=True)
class Builder:
    """What building takes: the settings, where work can be spread to, and typed queries if any.

    `query_vectors` is `(n, text_dim)`, or None. `workers` is how many pieces may be encoded at
    once, `gpus` what FAISS may train and assign on.
    `retrain` has every index trained again, whatever it is like. `analyzer` is what the words of
    full text are of.
    """

    config: IndexConfig
    map_tasks: TaskMapper
    workers: int = 1
    query_vectors: Vectors | None = None
    retrain: bool = False
    analyzer: AnalyzerKind = "icu"
    gpus: Gpus = field(default_factory=NoGpus)


def build_indexes(
    store: Store, builder: Builder, last: Sequence[VectorIndex] = ()
) -> list[VectorIndex]:
    """Bring every index up to the newest rows; how each vector column is to be searched.

    `last` is what the last release of this generation said of them.
    """
    for name in DATA_TABLES:
        compact(store, name)
    index_keys(store)
    _index_words(store, builder.analyzer)
    known = {(index.table, index.column): index for index in last}
    return [
        update_index(store, name, column, builder, known.get((name, column)))
        for name, column in VECTOR_COLUMNS
    ]


def index_keys(store: Store, *names: str) -> None:
    """Bring the indexes of keys up to the newest rows: of these tables, or of all."""
    for name, column in _KEY_COLUMNS:
        if not names or name in names:
            _index_plainly(store, name, column, "BTREE")


def compact(store: Store, name: str) -> None:
    """Rewrite a table that lies in many small pieces, or has many deleted rows."""
    dataset = store.dataset(name)
    pieces = dataset.get_fragments()
    gone = sum(piece.num_deletions for piece in pieces)
    if len(pieces) > _MOST_FRAGMENTS or gone > _DELETED * max(1, dataset.count_rows() + gone):
        store.writable(name).optimize.compact_files()


def update_index(
    store: Store, table: str, column: str, builder: Builder, last: VectorIndex | None
) -> VectorIndex:
    """Bring the index of one vector column up to the newest rows."""
    config = builder.config
    dataset = store.dataset(table)
    rows = dataset.count_rows(filter=f"{column} IS NOT NULL")
    if config.kind == "flat" or rows < max(LEAST_ROWS, _flat_below(config)):
        _drop_others(store, table, column, keep=None)
        return VectorIndex(table=table, column=column, kind="flat", rows=rows)
    quantizer = _held_quantizer(store, table, column, last)
    why = _why_anew(quantizer, last, rows, builder)
    if quantizer is None or last is None or why is not None:
        return _build(store, table, column, rows, builder, why)
    _drop_others(store, table, column, keep=quantizer.index_name)
    fresh = fragments_without(dataset, quantizer.index_name)
    if not fresh and last.rows == rows:
        return last.model_copy(update={"rebuilt": None})
    new_rows = _sample_of(dataset, column, fresh, config)
    if fresh:
        _encode(store, quantizer, fresh, builder)
        _renew_if_scattered(store, quantizer, builder)
    grown = last.model_copy(update={"rows": rows, "rebuilt": None})
    watched, why = _watch(store, quantizer, grown, new_rows, builder)
    return watched if why is None else _build(store, table, column, rows, builder, why)


def _flat_below(config: IndexConfig) -> int:
    return 0 if config.kind == "ivf_pq" else config.flat_below


def _held_quantizer(
    store: Store, table: str, column: str, last: VectorIndex | None
) -> Quantizer | None:
    """The quantizer that the index in the table was built with, if it is the last release's.

    An index that a run built and never published is not known well enough to go on with.
    """
    if last is None or last.name not in index_names(store.dataset(table), column):
        return None
    if last.quantizer_sha256 not in quantizer_hashes(store):
        return None
    return read_quantizer(store, last.quantizer_sha256)


def _why_anew(
    quantizer: Quantizer | None, last: VectorIndex | None, rows: int, builder: Builder
) -> str | None:
    """Why an index has to be trained anew before anything is measured; None where it has not."""
    config = builder.config
    if builder.retrain:
        return "it was asked for"
    if quantizer is None or last is None or last.drift is None:
        return "there was none"
    recipe = quantizer.recipe
    wanted = index_sizes(recipe.rows, recipe.dim, config)
    if (wanted.partitions, wanted.sub_vectors, config.seed) != (
        recipe.partitions,
        recipe.sub_vectors,
        recipe.seed,
    ) or last.recall_target != config.recall_target:
        return "the settings have changed"
    if any(
        asked and asked != stored
        for asked, stored in (
            (config.nprobes, last.nprobes),
            (config.refine_factor, last.refine_factor),
        )
    ):
        return "the settings have changed"
    if rows > config.max_growth * recipe.rows:
        return f"it was trained on {recipe.rows} rows, there are {rows}"
    return None


def _build(
    store: Store, table: str, column: str, rows: int, builder: Builder, why: str | None
) -> VectorIndex:
    """Train, encode every row, and tune."""
    config = builder.config
    dataset = store.dataset(table)
    dim = dataset.schema.field(column).type.list_size
    sizes = index_sizes(rows, dim, config)
    held_out = min(config.tune_queries, rows // 10)
    drawn = sample_vectors(dataset, column, sizes.train_rows + held_out, config.seed)
    queries, sample = drawn[:held_out], drawn[held_out:]
    origin = Origin(table, column, dataset.version, rows)
    quantizer = train(sample, queries, sizes, origin, seed=config.seed, gpus=builder.gpus)
    # Kept before anything is built with it, so that no index can be of an unknown quantizer.
    save_quantizer(store, quantizer)
    _encode(store, quantizer, [f.fragment_id for f in dataset.get_fragments()], builder)
    _drop_others(store, table, column, keep=quantizer.index_name)
    index = VectorIndex(
        table=table,
        column=column,
        kind="ivf_pq",
        rows=rows,
        name=quantizer.index_name,
        partitions=sizes.partitions,
        sub_vectors=sizes.sub_vectors,
        nprobes=config.nprobes,
        refine_factor=config.refine_factor,
        quantizer_sha256=quantizer.sha256,
        trained_by=quantizer.recipe.trained_by,
        built_by=encode.way_of(config, builder.workers, builder.gpus),
        recall_target=config.recall_target,
        rebuilt=why,
    )
    dataset = store.dataset(table)
    truths = _truths(store, quantizer, builder, held_out, QuerySet(ROWS, queries))
    telling = [truth for truth in truths if len(truth.queries)]
    tuned = tune(dataset, index, telling, dim) if telling else None
    if tuned is None and telling:
        # Where no setting is enough for the worst tenth, what is enough on the whole is taken.
        whole = [replace(truth, groups=None) for truth in telling]
        tuned = tune(dataset, index, whole, dim)
    tuned = tuned or widest(dataset, index, truths[0], dim)
    recalls = {truth.kind: measure_recall(dataset, tuned, truth).recall for truth in telling}
    recall = recalls.get(ROWS, 0.0)
    imbalance = index_facts(dataset, tuned.name).imbalance
    error = quantizer.recipe.error
    drift = Drift(
        rows_trained=rows,
        bytes_trained=bytes_read(tuned, dim),
        imbalance_trained=imbalance,
        imbalance=imbalance,
        error_trained=error,
        error=error,
        recall_trained=recall,
        recall_fixed=recall,
        recall_fresh=recall,
        recalls_trained=recalls,
    )
    return tuned.model_copy(update={"drift": drift})


def _truths(
    store: Store, quantizer: Quantizer, builder: Builder, most: int, *rows: QuerySet
) -> list[GroundTruth]:
    """What exact search finds for rows, and for queries of every other kind."""
    recipe = quantizer.recipe
    newest = PinnedTables.newest(store)
    centroids = quantizer.centroids
    grouped = [replace(own, groups=nearest_centroids(own.vectors, centroids)) for own in rows]
    others = query_sets(
        newest,
        recipe.table,
        recipe.column,
        most,
        builder.config.seed,
        typed=builder.query_vectors,
        centroids=centroids,
    )
    sets = [*grouped, *others]
    table, column = recipe.table, recipe.column
    return map_exact_searches(newest, table, column, sets, builder.map_tasks, builder.workers)


def _encode(store: Store, quantizer: Quantizer, fragments: list[int], builder: Builder) -> None:
    segments = encode.encode_fragments(
        store,
        quantizer,
        fragments,
        builder.config,
        builder.map_tasks,
        builder.workers,
        builder.gpus,
    )
    if len(segments) > builder.config.max_segments:
        segments = [encode.merged(store, quantizer, segments)]
    encode.commit(store, quantizer, segments)


def _renew_if_scattered(store: Store, quantizer: Quantizer, builder: Builder) -> None:
    """Every segment is looked into by every query: too many are encoded again as few."""
    dataset = store.dataset(quantizer.recipe.table)
    facts = index_facts(dataset, quantizer.index_name)
    if facts.segments > builder.config.max_segments:
        _encode(store, quantizer, [f.fragment_id for f in dataset.get_fragments()], builder)


def _sample_of(
    dataset: lance.LanceDataset, column: str, fragments: Sequence[int], config: IndexConfig
) -> Vectors:
    """Some of the rows that are about to join an index, evenly from each fragment: `(n, dim)`."""
    dim = dataset.schema.field(column).type.list_size
    parts = [np.empty((0, dim), np.float32)]
    share = -(-config.tune_queries // max(1, len(fragments)))
    rng = np.random.default_rng(config.seed)
    for number in fragments:
        fragment = dataset.get_fragment(number)
        count = fragment.count_rows()
        places = np.sort(rng.choice(count, min(count, share), replace=False))
        parts.append(null_free(fragment.take(places.tolist(), columns=[column])[column]))
    return np.concatenate(parts)


def _watch(
    store: Store, quantizer: Quantizer, index: VectorIndex, fresh: Vectors, builder: Builder
) -> tuple[VectorIndex, str | None]:
    """Measure what growth has done; search wider where that mends it; or why to train anew.

    How far codes are off is no reason by itself: what they lose shows in the recall of new rows.
    """
    assert index.drift is not None
    config, recipe = builder.config, quantizer.recipe
    dataset = store.dataset(recipe.table)
    # What training reached, which may be well beyond the target.
    trained = {ROWS: index.drift.recall_trained, NEW_ROWS: index.drift.recall_trained}
    trained = index.drift.recalls_trained | trained
    sets = (QuerySet(ROWS, quantizer.queries[:_WATCHED]), QuerySet(NEW_ROWS, fresh[:_WATCHED]))
    truths = [
        (truth, trained[truth.kind] - config.max_loss)
        for truth in _truths(store, quantizer, builder, _WATCHED, *sets)
        if len(truth.queries) and truth.kind in trained
    ]

    def recalls(way: VectorIndex) -> dict[str, float]:
        return {t.kind: measure_recall(dataset, way, t, least).recall for t, least in truths}

    def well(found: dict[str, float]) -> bool:
        return all(found[truth.kind] >= least for truth, least in truths)

    drift = index.drift.model_copy(
        update={
            "imbalance": index_facts(dataset, index.name).imbalance,
            "error": code_error(quantizer, fresh) if len(fresh) else index.drift.error,
        }
    )

    def noted(way: VectorIndex, found: dict[str, float]) -> VectorIndex:
        # Nothing new with a vector, or only copies of each other: then old rows tell.
        fixed = found.get(ROWS, drift.recall_trained)
        known = {"recall_fixed": fixed, "recall_fresh": found.get(NEW_ROWS, fixed)}
        return way.model_copy(update={"drift": drift.model_copy(update=known)})

    found = recalls(index)
    watched = noted(index, found)
    if well(found):
        return watched, None
    for wider in _wider(watched, recipe, config):
        better = recalls(wider)
        if well(better):
            return noted(wider, better), None
    told = ", ".join(f"{recall:.3f} of {kind}" for kind, recall in found.items())
    return watched, f"recall@10 is {told}"


def _wider(index: VectorIndex, recipe: Recipe, config: IndexConfig) -> list[VectorIndex]:
    """A few ways to search wider than now, least read first, none beyond what may be read.

    Few, because tuning from scratch asks for as much CPU as training anew.
    """
    assert index.drift is not None
    probes = (1,) if config.nprobes else (1, 2)
    refine = (1,) if config.refine_factor else (1, 2)
    ways = [
        index.model_copy(
            update={
                "nprobes": min(more * index.nprobes, index.partitions),
                "refine_factor": finer * index.refine_factor,
            }
        )
        for more in probes
        for finer in refine
    ]
    most = config.max_wider * index.drift.bytes_trained * index.rows / recipe.rows
    least = bytes_read(index, recipe.dim)
    ways = [way for way in ways if least < bytes_read(way, recipe.dim) <= most]
    return sorted(ways, key=lambda way: bytes_read(way, recipe.dim))


def full_text_column(kind: AnalyzerKind) -> str:
    """The column of `segments` that full text is made of, in stores of an analyzer."""
    return _FULL_TEXT[kind][0]


def _index_words(store: Store, kind: AnalyzerKind) -> None:
    column, tokenizer = _FULL_TEXT[kind]
    for other, _ in _FULL_TEXT.values():
        if other != column:
            _drop_others(store, "segments", other, keep=None)
    words: dict[str, str | bool | int] = {
        "base_tokenizer": tokenizer,
        "stem": False,
        "remove_stop_words": False,
    }
    if kind == "icu":
        # Terms are folded and cut to length.
        words |= {"lower_case": False, "ascii_folding": False, "max_token_length": 4 * TERM_LENGTH}
    _index_plainly(store, "segments", column, "INVERTED", **words)


def _index_plainly(
    store: Store,
    name: str,
    column: str,
    kind: Literal["BTREE", "INVERTED"],
    **settings: str | bool | int,
) -> None:
    """A full-text or key index: made once, then brought up to the newest rows."""
    dataset = store.dataset(name)
    stored = next(iter(index_names(dataset, column)), None)
    if stored is None:
        store.writable(name).create_scalar_index(column, kind, replace=True, **settings)
    elif fragments_without(dataset, stored):
        store.writable(name).optimize.optimize_indices(index_names=[stored])


def _drop_others(store: Store, table: str, column: str, *, keep: str | None) -> None:
    """Drop indexes of a column that are not `keep`: of older quantizers, or of killed builds."""
    for name in index_names(store.dataset(table), column):
        if name != keep:
            store.writable(table).drop_index(name)
