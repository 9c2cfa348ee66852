"""Whether two stores hold the same rows, run ids and times aside.

    python -m benchmarks.same_rows STORE OTHER

compares stores that two versions of reelshelf have made: rows are matched by what they are about
(SKU, video, span), and versions, fingerprints, keys that are derived from these, and columns that
one of them does not have are left out.
"""

import argparse
import json
import sys
from collections import Counter

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import DATA_TABLES, TABLE_KEYS, Store

_OF_THE_RUN = ("run_id", "first_seen_at", "at", "path", "source", "cell_checksums")
_LEAST_COSINE = 0.9999
_NOTES = ("duplicates", "duplicates_fingerprint", "links_fingerprint")


def differing_rows(one: Store, other: Store, *, notes: bool = True) -> dict[str, int]:
    """By table: rows that stand in one store only, or differ (vectors: cosine below 0.9999).

    Without `notes`, what a video's row notes of the way to its cluster and links may differ: it
    depends on which contents the store held in between, and when the shop was last measured.
    """
    left_out = () if notes else _NOTES
    return {name: _differing(one, other, name, left_out) for name in DATA_TABLES}


# What a row is about, whatever its key.
_ABOUT = {
    "products": ("sku",),
    "product_images": ("sku", "uri"),
    "videos": ("video_id",),
    "segments": ("video_id", "start_ms", "end_ms"),
    "links": ("video_id", "sku"),
    "failures": ("input", "item_id", "line"),
}


def rows_of_another_version(one: Store, other: Store) -> dict[str, int]:
    """By table: rows of two versions that stand in one store only, or differ."""
    return {name: _unlike(one, other, name) for name in DATA_TABLES}


def _unlike(one: Store, other: Store, name: str) -> int:
    order = [(column, "ascending") for column in _ABOUT[name]]
    left, right = (store.table(name).to_arrow().sort_by(order) for store in (one, other))
    about = [table.select(_ABOUT[name]).to_pylist() for table in (left, right)]
    if about[0] != about[1]:
        mine, theirs = (Counter(tuple(row.values()) for row in rows) for rows in about)
        return ((mine - theirs) + (theirs - mine)).total()
    shared = [column for column in left.column_names if column in right.column_names]
    kept = [c for c in shared if not c.endswith(("_fingerprint", "_key")) and c != "schema_version"]
    return _unequal(left.select(kept), right.select(kept))


def _differing(one: Store, other: Store, name: str, left_out: tuple[str, ...]) -> int:
    left, right = (store.table(name).to_arrow().sort_by(TABLE_KEYS[name]) for store in (one, other))
    if left[TABLE_KEYS[name]].to_pylist() != right[TABLE_KEYS[name]].to_pylist():
        mine, theirs = (Counter(table[TABLE_KEYS[name]].to_pylist()) for table in (left, right))
        return ((mine - theirs) + (theirs - mine)).total()
    kept = [column for column in left.column_names if column not in left_out]
    return _unequal(left.select(kept), right.select(kept))


def _unequal(left: pa.Table, right: pa.Table) -> int:
    """How many rows of two tables of the same order are not equal."""
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


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="Compare the rows of two versions' stores.")
    parser.add_argument("store")
    parser.add_argument("other")
    args = parser.parse_args()
    found = rows_of_another_version(Store.open(args.store), Store.open(args.other))
    print(json.dumps(found))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
