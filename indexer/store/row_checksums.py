"""Checksums of the cells of a row, computed when the row is made and stored beside it.

Rows are merged, moved, compacted and copied for years after they were made. Their checksums tell
whether a cell is still what was written, whoever changed it, and which column it is in. They find
accidents and are no protection against a forger.

The stored value has the checksums of the covered columns in the order of the schema, four bytes
each. Columns that are added to a schema come last, so an older value is a prefix of today's. An
empty list, an empty struct and null are one: Arrow files do not keep them apart.
"""

import datetime as dt
import json
from decimal import Decimal
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

CHECKSUMS = "cell_checksums"
# Rows of older versions have none.
CHECKSUMS_SINCE = 8
_BYTES = 4

Digests: TypeAlias = npt.NDArray[np.uint32]
_Cell: TypeAlias = (
    "bool | int | float | str | Decimal | dt.datetime | list[_Cell] | dict[str, _Cell] | None"
)

# What is written into a row after it was made: other tables, and the next run, say whether it is
# right. Fingerprints of stages are taken away from videos that are being done again.
NOT_CHECKSUMMED: dict[str, frozenset[str]] = {
    "products": frozenset(),
    "product_images": frozenset(),
    "videos": frozenset(
        [
            "duplicates",
            "duplicates_fingerprint",
            "duplicate_cluster",
            "links_fingerprint",
            "link_count",
            "linked_catalog",
            "deciding",
            "contests",
            "media_fingerprint",
            "frames_fingerprint",
            "asr_fingerprint",
            "ocr_fingerprint",
            "text_fingerprint",
            "post_fingerprint",
        ]
    ),
    "segments": frozenset(["merchant_id", "published_at"]),
    "links": frozenset(),
    "failures": frozenset(),
}


def checksummed_columns(name: str, schema: pa.Schema) -> list[str]:
    """The columns of the table `name` that are covered, in the order of their checksums."""
    return [column for column in schema.names if column not in NOT_CHECKSUMMED[name] | {CHECKSUMS}]


def with_checksums(name: str, rows: pa.Table) -> pa.Table:
    """Rows for the table `name` with their checksums. `rows` has its whole schema."""
    digests = _digests(rows, checksummed_columns(name, rows.schema))
    return _with_column(rows, [row.tobytes() for row in digests])


def with_checksums_again(name: str, stored: pa.Table, changed: pa.Table) -> pa.Table:
    """Rows that were changed on purpose, with new checksums; where one was broken, it stays so.

    `stored` are the same rows, in the same order, as they were. Rows that had none get some.
    """
    anew = with_checksums(name, changed)
    whole = [not any(row) for row in broken_cells(name, stored)]
    before = stored[CHECKSUMS].to_pylist()
    kept = [
        new if well or old is None else old
        for old, new, well in zip(before, anew[CHECKSUMS].to_pylist(), whole, strict=True)
    ]
    return _with_column(anew, kept)


def _with_column(rows: pa.Table, checksums: list[bytes]) -> pa.Table:
    place = rows.schema.get_field_index(CHECKSUMS)
    return rows.set_column(place, rows.schema.field(place), pa.array(checksums, pa.binary()))


def broken_cells(name: str, rows: pa.Table) -> npt.NDArray[np.bool_]:
    """Which cells are not what was written, `(rows, covered columns)`.

    False where a row of an older schema has no checksums. A row that must have some and has none,
    or of another length, is broken throughout.
    """
    columns = checksummed_columns(name, rows.schema)
    found = _digests(rows, columns)
    broken = np.zeros(found.shape, np.bool_)
    cells = zip(rows[CHECKSUMS].to_pylist(), rows["schema_version"].to_pylist(), strict=True)
    for place, (checksums, version) in enumerate(cells):
        if checksums is None:
            broken[place] = version is None or version >= CHECKSUMS_SINCE
        elif len(checksums) % _BYTES or len(checksums) > found.shape[1] * _BYTES:
            broken[place] = True
        else:
            stored = np.frombuffer(checksums, "<u4")
            broken[place, : len(stored)] = stored != found[place, : len(stored)]
    return broken


def _digests(rows: pa.Table, columns: list[str]) -> Digests:
    found = np.zeros((rows.num_rows, len(columns)), "<u4")
    for place, column in enumerate(columns):
        found[:, place] = column_digests(rows[column])
    return found


def column_digests(column: pa.ChunkedArray) -> Digests:
    """The digest of each cell; 0 for null."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    kind = array.type
    if pa.types.is_fixed_size_list(kind) or (
        pa.types.is_list(kind) and pa.types.is_floating(kind.value_type)
    ):
        return _of_numbers(array)
    if pa.types.is_integer(kind) or pa.types.is_timestamp(kind):
        return _mixed(pc.fill_null(array.cast(pa.int64()), -1).to_numpy(zero_copy_only=False))
    if pa.types.is_floating(kind):
        numbers = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return _mixed(np.nan_to_num(numbers, nan=-0.5, posinf=-0.25, neginf=-0.75).view(np.int64))
    cells = array.to_pylist()
    if pa.types.is_string(kind):
        return np.array([0 if c is None else crc32(c.encode()) for c in cells], np.uint32)
    return np.array([_of_cell(cell) for cell in cells], np.uint32)


def _of_numbers(array: pa.Array) -> Digests:
    """Of lists of floats, by their bytes."""
    flat = np.asarray(array.flatten().to_numpy(zero_copy_only=False), "<f4")
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    found = np.zeros(len(array), np.uint32)
    end = 0
    for place, length in enumerate(lengths.tolist()):
        start, end = end, end + length
        if length:
            found[place] = crc32(flat[start:end].tobytes())
    return found


def _mixed(numbers: npt.NDArray[np.int64]) -> Digests:
    """Spread 64 bits over 32 (the finalizer of MurmurHash3, by Austin Appleby)."""
    bits = np.ascontiguousarray(numbers).view(np.uint64).copy()
    bits ^= bits >> np.uint64(33)
    bits *= np.uint64(0xFF51AFD7ED558CCD)
    bits ^= bits >> np.uint64(33)
    bits *= np.uint64(0xC4CEB9FE1A85EC53)
    bits ^= bits >> np.uint64(33)
    return (bits & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def _of_cell(cell: "_Cell") -> int:
    cleaned = _cleaned(cell)
    if cleaned is None:
        return 0
    return crc32(json.dumps(cleaned, sort_keys=True, default=str).encode())


def _cleaned(cell: "_Cell") -> "_Cell":
    """Without what Arrow files do not keep apart."""
    if isinstance(cell, dict):
        kept: dict[str, _Cell] = {}
        for name, value in cell.items():
            if (found := _cleaned(value)) is not None:
                kept[name] = found
        return kept or None
    if isinstance(cell, list):
        return [_cleaned(value) for value in cell] or None
    return cell
