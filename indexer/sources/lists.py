"""Rows of the lists that a shop hands over: JSON, CSV or Parquet, each checked on its own.

Rows come from strangers. A bad row is reported with its line and reason, and does not stop the
rest. A list that cannot have a usable row, because it lacks a column that every row needs, is
refused at once with the columns that were found.
"""

import gzip
import logging
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError

from reelshelf.indexer.sources.csv_rows import csv_rows
from reelshelf.indexer.sources.encodings import TextEncoding, encoding_of
from reelshelf.indexer.sources.feeds import Layout, column_name
from reelshelf.indexer.sources.files import CSV, JSON, LEAVE_FREE, LIST_SUFFIXES, PACKED, PARQUET
from reelshelf.indexer.sources.json_rows import json_rows
from reelshelf.indexer.sources.parquet_rows import parquet_columns, parquet_rows
from reelshelf.indexer.sources.rows import Cells, NoRow, RawRows, is_nothing
from reelshelf.indexer.text.clean import clean_text
from reelshelf.schemas.catalog import RejectedRow
from reelshelf.schemas.errors import InputError

_LOG = logging.getLogger(__name__)

_MOST_COLUMNS = 30
# Rows of JSON leave out what they do not have: a few together show the columns.
_FIRST_ROWS = 50
_PIECE = 1024**2

Row = TypeVar("Row", bound="GivenRow")


class GivenRow(BaseModel):
    """Base of all rows that a shop hands over."""

    # Shops have columns of their own; they are none of our business.
    model_config = ConfigDict(extra="ignore", frozen=True)

    # Whether rows of one file come from many people. A row that is not UTF-8 is refused then; of a
    # list that one program writes it may say that the whole is in another encoding.
    from_many_writers: ClassVar[bool] = False


def layout_of(model: type[GivenRow], name: str = "reelshelf") -> Layout:
    """The layout of a list whose columns are the fields of a row."""
    groups = {field: _names(model, field) for field in model.model_fields}
    return Layout(
        name,
        tuple(g for field, g in groups.items() if model.model_fields[field].is_required()),
        frozenset(name for group in groups.values() for name in group).__contains__,
    )


def _names(model: type[GivenRow], name: str) -> tuple[str, ...]:
    alias = model.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (name,)


class GivenList(Generic[Row]):
    """The rows of one file, each with its line: checked, or refused in words.

    `layouts` are those that it may have; without any, its columns are the fields of a row. Once its
    first row was read, `found` says in words how the file is written, and `told` what of that its
    owner should know.
    """

    def __init__(
        self, path: Path, name: str, model: type[Row], layouts: Sequence[Layout] = ()
    ) -> None:
        self._path, self.name, self._model = path, name, model
        self._layouts = tuple(layouts) or (layout_of(model),)
        self.found = ""
        self.told: str | None = None

    def __iter__(self) -> Iterator[tuple[int, Row | RejectedRow]]:
        """Read the file. Raises InputError where it cannot be read."""
        for line, given in self._converted():
            cells = given.cells if isinstance(given, NoRow) else given
            try:
                if isinstance(given, NoRow):
                    raise _Refused(given.reason)
                yield line, self._model.model_validate(cells)
            except (_Refused, ValidationError, RecursionError, TypeError, OverflowError) as error:
                item_id = cells.get(next(iter(self._model.model_fields)))
                name = clean_text(str(item_id))[:200] if item_id not in (None, "") else None
                yield line, RejectedRow(self.name, line, name, _reason(error, cells))

    def _converted(self) -> RawRows:
        try:
            self._path.stat()
            with ExitStack() as stack:
                yield from self._rows(_unpacked(self._path, stack))
        except FileNotFoundError as error:
            raise InputError(f"{self._path}: there is no such file or folder") from error
        except (OSError, EOFError, zlib.error) as error:
            told = getattr(error, "strerror", None) or error
            raise InputError(f"{self._path}: cannot be read: {told}") from error

    def _rows(self, path: Path) -> RawRows:
        suffix = path.suffix.lower()
        if suffix in PARQUET:
            columns = parquet_columns(path)
            layout = self._check(columns, "")
            self._say(layout, "Parquet")
            wanted = [name for name in columns if layout.uses(column_name(name))]
            return layout.convert(_named(parquet_rows(path, wanted)))
        if suffix in CSV:
            return self._csv(path)
        if suffix in JSON:
            return self._json(path)
        raise InputError(
            f"{self._path}: unknown kind of file; allowed are {', '.join(LIST_SUFFIXES)}, "
            f"each with {PACKED} too, or a folder"
        )

    def _csv(self, path: Path) -> RawRows:
        encoding = self._encoding(path)
        chosen: list[Layout] = []

        def check(header: Sequence[str], separator: str) -> None:
            chosen.append(self._check(header, f" (parted by {separator})"))
            self._say(chosen[0], f"CSV parted by {separator}, {encoding.codec}")

        rows = _named(csv_rows(path, encoding, self._has_columns, check))
        # The header is read with the first row.
        first = list(islice(rows, 1))
        return chosen[0].convert(chain(first, rows)) if chosen else iter(())

    def _json(self, path: Path) -> RawRows:
        encoding = self._encoding(path)
        rows = _named(json_rows(path, encoding))
        first = list(islice(rows, _FIRST_ROWS))
        columns = {name for _, row in first if not isinstance(row, NoRow) for name in row}
        # Rows without what they need are told one by one.
        layout = self._fitting(columns) or self._layouts[0]
        self._say(layout, f"JSON, {encoding.codec}")
        return layout.convert(chain(first, rows))

    def _encoding(self, path: Path) -> TextEncoding:
        if self._model.from_many_writers:
            return TextEncoding("utf-8-sig", "surrogateescape")
        found = encoding_of(path)
        if found.told is not None:
            self.told = found.told
            _LOG.warning("%s %s", self._path, found.told)
        return found

    def _say(self, layout: Layout, how: str) -> None:
        self.found = f"{layout.name}, {how}"

    def _has_columns(self, names: Sequence[str]) -> bool:
        return self._fitting({column_name(name) for name in names}) is not None

    def _fitting(self, columns: set[str]) -> Layout | None:
        return next((layout for layout in self._layouts if layout.fits(columns)), None)

    def _check(self, found: Sequence[str], hint: str) -> Layout:
        """The layout of a list with these columns. Raises InputError where it has none."""
        layout = self._fitting({column_name(name) for name in found})
        if layout is not None:
            return layout
        more = ", ..." if len(found) > _MOST_COLUMNS else ""
        listed = ", ".join(repr(clean_text(name)[:80]) for name in found[:_MOST_COLUMNS])
        needed = "; or ".join(
            item.columns if item.name == "reelshelf" else f"for {item.name} {item.columns}"
            for item in self._layouts
        )
        raise InputError(
            f"{self._path}: the columns found are {listed or 'none'}{more}{hint}; needed are "
            f"{needed}"
        )


def _named(rows: RawRows) -> RawRows:
    """Rows with their cells by the names that columns have here; of two with one, the first."""
    for line, row in rows:
        if isinstance(row, NoRow):
            yield line, NoRow(row.reason, _by_name(row.cells))
        else:
            yield line, _by_name(row)


def _by_name(cells: Cells) -> Cells:
    found: Cells = {}
    for given, cell in cells.items():
        if not is_nothing(cell):
            found.setdefault(column_name(given), cell)
    return found


def _unpacked(path: Path, stack: ExitStack) -> Path:
    """A file that is packed, as a copy that is gone with `stack`."""
    if path.suffix.lower() != PACKED:
        return path
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reelshelf-"))
    target = Path(folder) / path.name[: -len(PACKED)]
    with gzip.open(path, "rb") as packed, target.open("wb") as file:
        while piece := packed.read(_PIECE):
            file.write(piece)
            if shutil.disk_usage(folder).free < LEAVE_FREE:
                raise InputError(f"{path}: unpacked, it does not fit on the disk of {folder}")
    return target


class _Refused(Exception):
    """A row that cannot be read at all."""


def _reason(error: Exception, cells: Mapping[str, Any]) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if isinstance(error, _Refused):
        return str(error)
    if not isinstance(error, ValidationError):
        return f"holds a value that cannot be used: {error}"
    parts = []
    for item in error.errors(include_input=True, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        text = f"{key}: {item['msg'].removeprefix('Value error, ')}"
        text = f"{key}: {text[len(key) + 2].lower()}{text[len(key) + 3 :]}"
        if item["type"] == "missing":
            found = ", ".join(clean_text(name)[:80] for name in list(cells)[:_MOST_COLUMNS])
            parts.append(f"{text} (the row has {found or 'nothing'})")
        else:
            parts.append(f"{text} (got {clean_text(repr(item['input']))[:80]})")
    return "; ".join(parts)
