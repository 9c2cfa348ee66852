"""Whether two stores hold the same rows, run ids and times aside."""

from collections import Counter

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import DATA_TABLES, TABLE_KEYS, Store

_OF_THE_RUN = ("run_id", "first_seen_at", "at", "path", "source")
_LEAST_COSINE = 0.9999


def differing_rows(one: Store, other: Store) -> dict[str, int]:
    """By table: rows that stand in one store only, or differ (vectors: cosine below 0.9999)."""
    return {name: _differing(one, other, name) for name in DATA_TABLES}


def _differing(one: Store, other: Store, name: str) -> int:
    left, right = (store.table(name).to_arrow().sort_by(TABLE_KEYS[name]) for store in (one, other))
    if left[TABLE_KEYS[name]].to_pylist() != right[TABLE_KEYS[name]].to_pylist():
        mine, theirs = (Counter(table[TABLE_KEYS[name]].to_pylist()) for table in (left, right))
        return ((mine - theirs) + (theirs - mine)).total()
    vectors = [field.name for field in left.schema if pa.types.is_fixed_size_list(field.type)]
    ignored = {*_OF_THE_RUN, *vectors}
    plain = [column for column in left.column_names if column not in ignored]
    rows = zip(left.select(plain).to_pylist(), right.select(plain).to_pylist(), strict=True)
    wrong = np.array([a != b for a, b in rows], bool)
    for column in vectors:
        wrong |= _apart(left[column], right[column])
    return int(wrong.sum())


def _apart(
    left: pa.ChunkedArray, right: pa.ChunkedArray
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    empty = np.array(left.is_null().to_pylist()) != np.array(right.is_null().to_pylist())
    cosine = np.ones(len(left))
    valid = np.array(left.is_valid().to_pylist(), bool) & np.array(
        right.is_valid().to_pylist(), bool
    )
    if valid.any():
        a, b = (vector_matrix(column.filter(pa.array(valid))) for column in (left, right))
        cosine[valid] = (a * b).sum(axis=1)
    return np.asarray(empty | (cosine < _LEAST_COSINE))
