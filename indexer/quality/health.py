"""What must not be in a release: rows twice, rows of nobody, rows no index finds, other vectors.

Vectors are read as a stream or by samples, keys whole. What can be wrong with the files themselves
is `store.checksums`' business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow.compute as pc

from reelshelf.indexer.index.build import VECTOR_COLUMNS
from reelshelf.indexer.index.inspect import IndexFacts, index_facts, index_names
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.recall import agreement
from reelshelf.indexer.store.checksums import damaged_files
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import DATA_TABLES, TABLE_KEYS, Store, among
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.schemas.config import Config
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import Health, Release, TableVersion, VectorIndex


@dataclass(frozen=True, slots=True)
class _Source:
    """What the vectors of a column are made from: columns, and maybe a fingerprint of the video."""

    table: str
    column: str
    key: str
    owner: str
    inputs: tuple[str, ...] = ()
    fingerprint: str | None = None


_SOURCES = (
    _Source("segments", "frame_vector", "segment_key", "video_key", (), "frames_fingerprint"),
    _Source("segments", "text_vector", "segment_key", "video_key", ("text",), "text_fingerprint"),
    _Source("products", "facts_vector", "product_key", "product_key", ("text_fingerprint",)),
    _Source(
        "product_images",
        "image_vector",
        "image_key",
        "product_key",
        ("content_sha256", "image_fingerprint"),
    ),
)
# How many videos, or products, are compared with the last release.
_OWNERS = 64
# Another machine's arithmetic moves a vector less than this.
_SAME = 0.98
_LEAST_AGREEMENT = 0.9
_CENTER_ROWS = 4096
# The mean of few vectors says little of where their model points.
_LEAST_CENTER_ROWS = 256


def check_health(
    store: Store,
    tables: Sequence[TableVersion],
    indexes: Sequence[VectorIndex],
    previous: Release | None,
    config: Config,
) -> Health:
    """Look at the newest version of every table, which `tables` name, and at its indexes."""
    known = set(store.scan("videos", ["video_key"])["video_key"].to_pylist())
    owners = store.scan("segments", ["video_key"])["video_key"]
    counts = {row["values"].as_py(): row["counts"].as_py() for row in pc.value_counts(owners)}
    links = store.scan("links", ["video_key", "product_key", "score"])
    products = set(store.scan("products", ["product_key"])["product_key"].to_pylist())
    stray = sum(key not in known for key in links["video_key"].to_pylist())
    stray += sum(key not in products for key in links["product_key"].to_pylist())
    stray += sum(count for key, count in counts.items() if key not in known)
    scores = links["score"].to_numpy()
    columns = [_Column.of(store, index) for index in indexes if index.kind != "flat"]
    return Health(
        duplicate_keys={name: _twice(store, name) for name in DATA_TABLES},
        unindexed={column.name: column.unindexed for column in columns},
        missing={column.name: column.missing for column in columns},
        wrong_indexes=[wrong for column in columns for wrong in column.wrong(store)],
        orphans=stray,
        incomplete_videos=len(torn_videos(store)),
        bad_scores=int((~((scores >= 0) & (scores <= 1))).sum()),
        centers=_centers(store, previous, config.index.seed),
        moved=_moved(store, previous, config.index.seed),
        damaged=damaged_files(store, tables) if config.gate.verify_files else None,
    )


def bad_vectors(dataset: lance.LanceDataset, column: str) -> int:
    """How many stored vectors are not finite or not of unit length."""
    bad = 0
    scanner = dataset.scanner(columns=[column], filter=f"{column} IS NOT NULL")
    for batch in scanner.to_batches():
        array = batch[column]
        flat = np.asarray(array.flatten()).reshape(-1, array.type.list_size)
        # NaN and infinity fail this comparison too.
        bad += int((~(np.abs(np.linalg.norm(flat, axis=1) - 1.0) < 1e-3)).sum())
    return bad


def _twice(store: Store, name: str) -> int:
    keys = store.scan(name, [TABLE_KEYS[name]])[TABLE_KEYS[name]]
    return len(keys) - int(pc.count_distinct(keys).as_py())


@dataclass(frozen=True, slots=True)
class _Column:
    """An indexed column: what the release says of its index, and what Lance does, if it has it."""

    index: VectorIndex
    facts: IndexFacts | None
    rows: int
    vectors: int

    @classmethod
    def of(cls, store: Store, index: VectorIndex) -> "_Column":
        dataset = store.dataset(index.table)
        there = index.name in index_names(dataset, index.column)
        return cls(
            index,
            index_facts(dataset, index.name) if there else None,
            dataset.count_rows(),
            dataset.count_rows(filter=f"{index.column} IS NOT NULL"),
        )

    @property
    def name(self) -> str:
        return f"{self.index.table}.{self.index.column}"

    @property
    def unindexed(self) -> int:
        return self.facts.unindexed if self.facts else self.rows

    @property
    def missing(self) -> int:
        """Rows with a vector that no partition holds. Deleted rows stay in theirs for a while."""
        return max(0, self.vectors - (sum(self.facts.partitions) if self.facts else 0))

    def wrong(self, store: Store) -> list[str]:
        """What the index is that it should not be."""
        index, facts = self.index, self.facts
        if facts is None:
            return [f"{self.name}: there is no index {index.name}"]
        found = {
            "kind": (facts.kind, "IVF_PQ"),
            "metric": (facts.metric, index.metric),
            "partitions": (len(facts.partitions), index.partitions),
            "sub-vectors": (facts.sub_vectors, index.sub_vectors),
        }
        wrong = [
            f"{self.name}: {what} is {is_}, not {should}"
            for what, (is_, should) in found.items()
            if is_ != should
        ]
        quantizer = read_quantizer(store, index.quantizer_sha256)
        if quantizer is None:
            return [*wrong, f"{self.name}: its quantizer is not kept"]
        if wrong or facts.unindexed:
            # Beside rows that it has to look through, Lance gives exact distances.
            return wrong
        agreed = agreement(store.dataset(index.table), index, quantizer)
        if agreed < _LEAST_AGREEMENT:
            wrong.append(f"{self.name}: only {agreed:.0%} of its codes are its quantizer's")
        return wrong


def _moved(store: Store, previous: Release | None, seed: int) -> dict[str, int]:
    """Rows, of a sample, whose vector is another although nothing that it is made from is."""
    if previous is None or previous.generation != store.generation:
        return {}
    counts = {}
    for source in _SOURCES:
        owners = store.scan(source.table, [source.owner])[source.owner].unique().to_pylist()
        if not owners:
            continue
        rng = np.random.default_rng(seed)
        picked = rng.choice(sorted(owners), min(len(owners), _OWNERS), replace=False).tolist()
        versions = (previous.table_version(source.table), None)
        before, after = (_made(store, source, picked, v, previous) for v in versions)
        counts[f"{source.table}.{source.column}"] = sum(
            not float(before[made] @ vector) >= _SAME
            for made, vector in after.items()
            if made in before
        )
    return counts


def _made(
    store: Store, source: "_Source", owners: list[str], version: int | None, previous: Release
) -> dict[tuple[str, ...], Vectors]:
    """Vectors of some owners' rows by key and by all that they are made from."""
    where = among(source.owner, owners)
    names = [source.key, source.owner, *source.inputs, source.column]
    found = store.dataset(source.table, version).to_table(
        columns=list(dict.fromkeys(names)), filter=f"{where} AND {source.column} IS NOT NULL"
    )
    fingerprints: dict[str, str] = {}
    if source.fingerprint is not None:
        pinned = previous.table_version("videos") if version is not None else None
        videos = store.dataset("videos", pinned).to_table(
            columns=["video_key", source.fingerprint], filter=where
        )
        columns = (videos[name].to_pylist() for name in ("video_key", source.fingerprint))
        fingerprints = dict(zip(*columns, strict=True))
    plain = found.select([source.key, source.owner, *source.inputs]).to_pylist()
    return {
        (
            row[source.key],
            fingerprints.get(row[source.owner], ""),
            *(str(row[name]) for name in source.inputs),
        ): vector
        for row, vector in zip(plain, vector_matrix(found[source.column]), strict=True)
    }


def _centers(store: Store, previous: Release | None, seed: int) -> dict[str, float]:
    """For each vector column, how near its mean vector is to the last release's, as a cosine."""
    if previous is None or previous.generation != store.generation:
        return {}
    centers = {}
    for table, column in VECTOR_COLUMNS:
        before = store.dataset(table, previous.table_version(table))
        means = [_mean(dataset, column, seed) for dataset in (before, store.dataset(table))]
        if means[0] is not None and means[1] is not None:
            lengths = float(np.linalg.norm(means[0]) * np.linalg.norm(means[1]))
            centers[f"{table}.{column}"] = float(means[0] @ means[1]) / max(lengths, 1e-12)
    return centers


def _mean(dataset: lance.LanceDataset, column: str, seed: int) -> Vectors | None:
    drawn = sample_vectors(dataset, column, _CENTER_ROWS, seed)
    return drawn.mean(axis=0) if len(drawn) >= _LEAST_CENTER_ROWS else None
