"""What reading a list gives: a row's cells by the names of their columns, or why there is none."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

Cell: TypeAlias = object
Cells: TypeAlias = dict[str, Cell]


@dataclass(frozen=True, slots=True)
class NoRow:
    """What stands in place of a row that cannot be read; `cells` are those that can."""

    reason: str
    cells: Cells = field(default_factory=dict)


# Rows with the line that each begins at, which counts from 1; of Parquet, the row's number.
RawRows: TypeAlias = Iterator[tuple[int, Cells | NoRow]]


def is_missing(value: Cell) -> bool:
    """Whether a cell says nothing: null, or the NaN that data frames write in its place."""
    return value is None or (isinstance(value, float) and math.isnan(value))


# What data frames and databases write in place of nothing.
_NOTHING = frozenset(("", "nan", "NaN", "null", "NULL", "None", "\\N", "<NA>"))


def is_nothing(value: Cell) -> bool:
    """The same, and what stands for nothing in a text: empty, or "NaN", "null", "None"."""
    return value.strip() in _NOTHING if isinstance(value, str) else is_missing(value)
