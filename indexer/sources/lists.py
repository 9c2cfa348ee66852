"""Rows of the lists that a shop hands over: JSON lines, CSV or Parquet.

Rows come from strangers. Each is checked on its own: a bad row is reported with its line and
reason, and does not stop the rest. A list that cannot have a usable row, because it lacks a column
that every row needs, is refused at once with the columns that were found.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError

from reelshelf.indexer.sources.delimited import Record, read_records, reads_like_prose
from reelshelf.indexer.text.clean import clean_text, printable
from reelshelf.schemas.catalog import RejectedRow
from reelshelf.schemas.errors import InputError

_MOST_COLUMNS = 30

Cell: TypeAlias = object
Row = TypeVar("Row", bound="GivenRow")


class GivenRow(BaseModel):
    """Base of all rows that a shop hands over."""

    # Shops have columns of their own; they are none of our business.
    model_config = ConfigDict(extra="ignore", frozen=True)

    # Whether rows of one file come from many people. A row that is not UTF-8 is refused then; of a
    # list that one program writes it says that the whole is in another encoding.
    from_many_writers: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class _NoRow:
    """What stands in place of a row that cannot be read; `cells` are those that can."""

    reason: str
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns that a kind of row has; one name of each group in `needed` must be there."""

    names: frozenset[str]
    needed: tuple[tuple[str, ...], ...]
    from_many_writers: bool

    @classmethod
    def of(cls, model: type[GivenRow]) -> "_Columns":
        groups = {name: _names(model, name) for name in model.model_fields}
        return cls(
            frozenset(name for group in groups.values() for name in group),
            tuple(g for name, g in groups.items() if model.model_fields[name].is_required()),
            model.from_many_writers,
        )

    def check(self, path: Path, found: list[str], hint: str = "") -> None:
        """Raise InputError where a column is missing that every row needs."""
        if all(any(name in found for name in group) for group in self.needed):
            return
        needed = " and ".join("/".join(group) for group in self.needed)
        more = ", ..." if len(found) > _MOST_COLUMNS else ""
        listed = ", ".join(repr(clean_text(name)[:80]) for name in found[:_MOST_COLUMNS])
        raise InputError(
            f"{path}: the columns found are {listed or 'none'}{more}; needed are {needed}{hint}"
        )


def _names(model: type[GivenRow], name: str) -> tuple[str, ...]:
    alias = model.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (name,)


def is_missing(value: Cell) -> bool:
    """Whether a cell says nothing: null, or the NaN that data frames write in its place."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def checked_rows(
    path: Path, list_name: str, model: type[Row]
) -> Iterator[tuple[int, Row | RejectedRow]]:
    """Each row of a .jsonl, .csv or .parquet file with its line: checked, or refused in words.

    Raises InputError where the file itself cannot be read.
    """
    for line, given in _rows(path, _Columns.of(model)):
        cells = given.cells if isinstance(given, _NoRow) else given
        try:
            if isinstance(given, _NoRow):
                raise _Refused(given.reason)
            yield line, model.model_validate(cells)
        except (_Refused, ValidationError, RecursionError, TypeError, OverflowError) as error:
            item_id = cells.get(next(iter(model.model_fields)))
            name = clean_text(str(item_id))[:200] if item_id not in (None, "") else None
            yield line, RejectedRow(list_name, line, name, _reason(error, cells))


class _Refused(Exception):
    """A row that cannot be read at all."""


def _reason(error: Exception, cells: dict[str, Cell]) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, _Refused):
        return str(error)
    if not isinstance(error, ValidationError):
        return f"holds a value that cannot be used: {error}"
    parts = []
    for item in error.errors(include_input=True, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        text = f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}"
        if item["type"] == "missing":
            found = ", ".join(clean_text(name)[:80] for name in list(cells)[:_MOST_COLUMNS])
            parts.append(f"{text} (the row has {found or 'nothing'})")
        else:
            parts.append(f"{text} (got {clean_text(repr(item['input']))[:80]})")
    return "; ".join(parts)


def _rows(path: Path, columns: _Columns) -> Iterator[tuple[int, dict[str, Cell] | _NoRow]]:
    """Line numbers and raw cells, without those that say nothing."""
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    try:
        path.stat()
        if reader is None:
            raise InputError(
                f"{path}: unknown kind of file; allowed are {', '.join(readers)}, or a folder of "
                "videos"
            )
        yield from reader(path, columns)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file or folder") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _jsonl_rows(path: Path, columns: _Columns) -> Iterator[tuple[int, dict[str, Cell] | _NoRow]]:
    del columns  # each row has its own
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                value = json.loads(raw.decode("utf-8-sig" if line == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                yield line, _NoRow(f"is not UTF-8 (byte {error.start})", {})
            except (ValueError, RecursionError) as error:
                if line == 1 and raw.lstrip(b"\xef\xbb\xbf \t").startswith(b"["):
                    raise InputError(
                        f"{path}: begins as one JSON array; needed is one JSON object a line"
                    ) from error
                empty = not raw.strip()
                yield line, _NoRow("is empty" if empty else f"is not JSON: {error}", {})
            else:
                if isinstance(value, dict):
                    yield line, {k: v for k, v in value.items() if not is_missing(v)}
                else:
                    yield line, _NoRow("is not a JSON object", {})


def _csv_rows(path: Path, columns: _Columns) -> Iterator[tuple[int, dict[str, Cell] | _NoRow]]:
    errors = "surrogateescape" if columns.from_many_writers else "strict"
    with path.open(encoding="utf-8-sig", errors=errors, newline="") as file:
        header: list[str] | None = None
        last = 0
        try:
            for record in read_records(file):
                last = record.last
                if header is None:
                    header = _header(record, path)
                    columns.check(path, [n.strip() for n in header], " (comma-separated)")
                else:
                    yield record.first, _csv_row(record, header)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: is not UTF-8 near line {last + 1}") from error


def _header(record: Record, path: Path) -> list[str]:
    if record.error is not None:
        raise InputError(f"{path}: line {record.first}: the header is not CSV: {record.error}")
    return list(record.cells)


def _csv_row(record: Record, header: list[str]) -> dict[str, Cell] | _NoRow:
    if record.error is not None:
        took = f"line {record.first}"
        if record.last > record.first:
            count = record.last - record.first + 1
            took = f"lines {record.first} to {record.last} ({count} lines)"
        return _NoRow(f"is not CSV: {record.error}; {took} are refused as this one row", {})
    if any(not cell.isascii() and printable(cell) != cell for cell in record.cells):
        return _NoRow("is not UTF-8", {})
    if len(record.cells) > len(header):
        return _NoRow("has more cells than the header", {})
    if len(record.cells) < len(header) and _is_a_line_of_text(record.cells, header):
        return _NoRow("has fewer cells than the header and reads like a line of text", {})
    # An empty cell is one that was left out.
    named = zip((name.strip() for name in header), record.cells, strict=False)
    return {name: cell for name, cell in named if name and cell}


def _is_a_line_of_text(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a short row is what is left of a description, and not one without its last cells."""
    return any('"' in cell for cell in cells) or (
        reads_like_prose(cells) and not reads_like_prose(header)
    )


def _parquet_rows(path: Path, columns: _Columns) -> Iterator[tuple[int, dict[str, Cell] | _NoRow]]:
    try:
        file = pq.ParquetFile(path)
        found = file.schema_arrow.names
        columns.check(path, found)
        wanted = [name for name in dict.fromkeys(found) if name in columns.names]
        line = 0
        for batch in file.iter_batches(batch_size=1024, columns=wanted):
            cells = {name: _cells(batch.column(i)) for i, name in enumerate(batch.schema.names)}
            for row in range(batch.num_rows):
                line += 1
                yield line, _parquet_row({name: column[row] for name, column in cells.items()})
    except (ValueError, NotImplementedError) as error:  # as pyarrow's own errors are
        raise InputError(f"{path}: is not Parquet: {error}") from error


@dataclass(frozen=True, slots=True)
class _Unusable:
    """A cell that has no value in Python, and why."""

    why: str


def _cells(column: pa.Array) -> list[Cell]:
    """A column's values. Times finer than microseconds are cut, others keep their instant."""
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


def _parquet_row(cells: dict[str, Cell]) -> dict[str, Cell] | _NoRow:
    there = {name: cell for name, cell in cells.items() if not is_missing(cell)}
    wrong = [f"{name}: {c.why}" for name, c in there.items() if isinstance(c, _Unusable)]
    if not wrong:
        return there
    readable = {name: cell for name, cell in there.items() if not isinstance(cell, _Unusable)}
    return _NoRow(f"holds a value out of range: {'; '.join(wrong)}", readable)
