"""Rows of CSV with any of the separators that exports have, found by the header."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from reelshelf.indexer.sources.delimited import Record, read_records, reads_like_prose
from reelshelf.indexer.sources.encodings import TextEncoding
from reelshelf.indexer.sources.rows import Cells, NoRow, RawRows
from reelshelf.indexer.text.clean import printable
from reelshelf.schemas.errors import InputError

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# A header may have line ends within its quotes.
_HEADER_LINES = 20


def csv_rows(
    path: Path,
    encoding: TextEncoding,
    has_columns: Callable[[Sequence[str]], bool],
    check_header: Callable[[Sequence[str], str], None],
) -> RawRows:
    """The rows of a CSV. `has_columns` tells whether names of columns are those of a known list.

    `check_header` is given the header and the name of its separator before the first row; it
    raises where the columns needed are not there.
    """
    with path.open(encoding=encoding.codec, errors=encoding.errors, newline="") as file:
        last = 0
        try:
            lines, separator = _separator(file, has_columns)
            records = read_records(lines, separator)
            header = _header(records, path)
            last = 1
            check_header(header, SEPARATORS.get(separator, repr(separator)))
            for record in records:
                last = record.last
                yield record.first, _row(record, header)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: is not {encoding.codec.upper()} near line {last + 1}"
            ) from error


def _separator(
    file: Iterable[str], has_columns: Callable[[Sequence[str]], bool]
) -> tuple[Iterator[str], str]:
    """All lines, and what parts their cells: what makes known columns of the header."""
    lines = iter(file)
    head = list(islice(lines, _HEADER_LINES))
    if head and (said := head[0].strip("\r\n").lstrip("\ufeff")).lower().startswith("sep="):
        # How Excel is told. The line counts, and is no row.
        head[0] = "\n"
        return chain(head, lines), said[4:5] or ","
    found = {separator: _first_record(head, separator) for separator in SEPARATORS}
    best = next((s for s, cells in found.items() if has_columns(cells)), None)
    return chain(head, lines), best or max(found, key=lambda s: len(found[s]))


def _first_record(lines: Sequence[str], separator: str) -> list[str]:
    try:
        return next((cells for cells in csv.reader(lines, delimiter=separator) if cells), [])
    except csv.Error:
        return []


def _header(records: Iterator[Record], path: Path) -> tuple[str, ...]:
    record = next(records, None)
    if record is None:
        return ()
    if record.error is not None:
        raise InputError(f"{path}: line {record.first}: the header is not CSV: {record.error}")
    return record.cells


def _row(record: Record, header: Sequence[str]) -> Cells | NoRow:
    if record.error is not None:
        took = f"line {record.first}"
        if record.last > record.first:
            count = record.last - record.first + 1
            took = f"lines {record.first} to {record.last} ({count} lines)"
        return NoRow(f"is not CSV: {record.error}; {took} are refused as this one row")
    if any(not cell.isascii() and printable(cell) != cell for cell in record.cells):
        return NoRow("is not UTF-8")
    if any(record.cells[len(header) :]):
        return NoRow(
            f"has {len(record.cells)} cells and the header {len(header)}: a cell with a separator "
            "in it needs quotes"
        )
    if len(record.cells) < len(header) and _is_a_line_of_text(record.cells, header):
        return NoRow("has fewer cells than the header and reads like a line of text")
    # An empty cell is one that was left out; of two columns of one name the first counts.
    found: Cells = {}
    for name, cell in zip(header, record.cells, strict=False):
        if cell and name.strip():
            found.setdefault(name, cell)
    return found


def _is_a_line_of_text(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a short row is what is left of a description, and not one without its last cells."""
    return any('"' in cell for cell in cells) or (
        reads_like_prose(cells) and not reads_like_prose(header)
    )
