"""Rows of Parquet: only the columns that are used, in batches, of any type."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reelshelf.indexer.sources.rows import Cell, Cells, NoRow, RawRows, is_missing
from reelshelf.schemas.errors import InputError

_PER_BATCH = 1024


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A cell that has no value in Python, and why."""

    why: str


def parquet_columns(path: Path) -> tuple[str, ...]:
    """The names of a file's columns. Raises InputError where it is not Parquet."""
    try:
        return tuple(pq.read_schema(path).names)
    except (ValueError, NotImplementedError) as error:  # as pyarrow's own errors are
        raise InputError(f"{path}: is not Parquet: {error}") from error


def parquet_rows(path: Path, wanted: Collection[str]) -> RawRows:
    """The cells of the columns `wanted`. Raises InputError where the file cannot be read."""
    try:
        # Columns of one name twice are no map from names to cells: the first counts.
        names = dict.fromkeys(name for name in parquet_columns(path) if name in wanted)
        file = pq.ParquetFile(path)
        line = 0
        for batch in file.iter_batches(batch_size=_PER_BATCH, columns=list(names)):
            for row in _rows(batch):
                line += 1
                yield line, row
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: is not Parquet: {error}") from error


def _rows(batch: pa.RecordBatch) -> Iterator[Cells | NoRow]:
    names: Sequence[str] = batch.schema.names
    cells = {name: _cells(batch.column(names.index(name))) for name in dict.fromkeys(names)}
    for row in range(batch.num_rows):
        yield _row({name: column[row] for name, column in cells.items()})


def _cells(column: pa.Array) -> list[Cell]:
    """A column's values. Times finer than microseconds are cut, others keep their instant."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_timestamp(kind):
        # Zones of any name are the same instants in UTC, whose rules every machine knows.
        unit = "us" if kind.unit == "ns" else kind.unit
        column = column.cast(pa.timestamp(unit, "UTC" if kind.tz else None), safe=False)
    try:
        return list(column.to_pylist())
    except (ArithmeticError, ValueError):
        return [_cell(value) for value in column]


def _cell(value: pa.Scalar) -> Cell:
    try:
        return value.as_py()
    except (ArithmeticError, ValueError) as error:
        return _Unusable(str(error))


def _row(cells: Cells) -> Cells | NoRow:
    there = {name: cell for name, cell in cells.items() if not is_missing(cell)}
    wrong = [f"{name}: {c.why}" for name, c in there.items() if isinstance(c, _Unusable)]
    if not wrong:
        return there
    readable = {name: cell for name, cell in there.items() if not isinstance(cell, _Unusable)}
    return NoRow(f"holds a value out of range: {'; '.join(wrong)}", readable)
