"""How the vectors of a release that is to be made compare with those that are served.

Vectors are read by samples. What can be wrong with the files themselves is `store.checksums`'
business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lance
import numpy as np
import pyarrow as pa

from reelshelf.indexer.index.build import VECTOR_COLUMNS
from reelshelf.indexer.index.parts import ColumnPart
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.quality.claims import Unit
from reelshelf.indexer.quality.indexes import ColumnFacts
from reelshelf.indexer.store.checksums import damaged_files
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import among
from reelshelf.schemas.config import Config
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import Health, TableVersion


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
    _Source("products", "text_vector", "product_key", "product_key", ("text_fingerprint",)),
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
_CENTER_ROWS = 4096
# The mean of few vectors says little of where their model points.
_LEAST_CENTER_ROWS = 256
# So far beyond its error a mean is no chance, and its like is not lost by chance.
_CLEARLY = 4.0


def check_health(
    pinned: PinnedTables,
    tables: Sequence[TableVersion],
    columns: Sequence[ColumnFacts],
    previous: ReleaseSnapshot | None,
    config: Config,
) -> Health:
    """Look at tables at the versions that `tables` name, and at what is known of their indexes."""
    return Health(
        unindexed={column.name: column.unindexed for column in columns},
        missing={column.name: column.ids.missing for column in columns},
        wrong_indexes=[wrong for column in columns for wrong in column.wrong],
        centers=_centers(pinned, previous, config.index.seed),
        moved=_moved(pinned, previous, config.index.seed),
        damaged=damaged_files(pinned.store, tables) if config.gate.verify_files else None,
    )


def bad_vectors(part: ColumnPart) -> int:
    """How many vectors of some fragments are not finite or not of unit length."""
    return sum(
        int(Unit().broken(pa.table(batch), part.column).sum())
        for piece in part.fragments_of(part.dataset)
        for batch in piece.to_batches(columns=[part.column])
    )


def _moved(pinned: PinnedTables, previous: ReleaseSnapshot | None, seed: int) -> dict[str, int]:
    """Rows, of a sample, whose vector is another although nothing that it is made from is."""
    if previous is None or previous.store.generation != pinned.store.generation:
        return {}
    counts = {}
    for source in _SOURCES:
        owners = pinned.scan(source.table, [source.owner])[source.owner].unique().to_pylist()
        if not owners:
            continue
        rng = np.random.default_rng(seed)
        picked = rng.choice(sorted(owners), min(len(owners), _OWNERS), replace=False).tolist()
        before, after = (_made(tables, source, picked) for tables in (previous, pinned))
        counts[f"{source.table}.{source.column}"] = sum(
            not float(before[made] @ vector) >= _SAME
            for made, vector in after.items()
            if made in before
        )
    return counts


def _made(
    tables: PinnedTables, source: "_Source", owners: list[str]
) -> dict[tuple[str, ...], Vectors]:
    """Vectors of some owners' rows by key and by all that they are made from."""
    where = among(source.owner, owners)
    names = [source.key, source.owner, *source.inputs, source.column]
    found = tables.dataset(source.table).to_table(
        columns=list(dict.fromkeys(names)), filter=f"{where} AND {source.column} IS NOT NULL"
    )
    fingerprints: dict[str, str] = {}
    if source.fingerprint is not None:
        videos = tables.scan("videos", ["video_key", source.fingerprint], where)
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


def _centers(pinned: PinnedTables, previous: ReleaseSnapshot | None, seed: int) -> dict[str, float]:
    """For each vector column, how near its mean vector is to the last release's, as a cosine."""
    if previous is None or previous.store.generation != pinned.store.generation:
        return {}
    centers = {}
    for table, column in VECTOR_COLUMNS:
        halves = [_halves(tables.dataset(table), column, seed) for tables in (previous, pinned)]
        if halves[0] is not None and halves[1] is not None:
            cosine = unbiased_cosine(halves[0], halves[1])
            if cosine is not None:
                centers[f"{table}.{column}"] = cosine
    return centers


def _halves(dataset: lance.LanceDataset, column: str, seed: int) -> tuple[Vectors, Vectors] | None:
    """The means of two halves of a sample; None where there are too few vectors."""
    drawn = sample_vectors(dataset, column, _CENTER_ROWS, seed)
    if len(drawn) < _LEAST_CENTER_ROWS:
        return None
    return drawn[::2].mean(axis=0), drawn[1::2].mean(axis=0)


def unbiased_cosine(before: tuple[Vectors, Vectors], now: tuple[Vectors, Vectors]) -> float | None:
    """The cosine between two means, of which only samples are known; None where the first is 0.

    The length of a sample's mean is too large by chance, so that two samples of one column would
    differ where its vectors point everywhere. The product of two halves' means is not.
    """
    if not _points_somewhere(before, _CLEARLY):
        return None
    if not _points_somewhere(now, 1.0):
        return 0.0
    lengths = float(before[0] @ before[1]) * float(now[0] @ now[1])
    cross = float((before[0] + before[1]) @ (now[0] + now[1])) / 4
    return min(1.0, cross / float(np.sqrt(lengths)))


def _points_somewhere(halves: tuple[Vectors, Vectors], times: float) -> bool:
    """Whether the square of a mean's length is so many times that of its error. NaN is not."""
    first, second = halves
    return float(first @ second) > times * float(((first - second) ** 2).sum())
