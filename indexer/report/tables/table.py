"""What a table of a page is: what stands in its cells, and how it is sorted and filtered."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reelshelf.indexer.text.wording import brief, instant, number, share


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `numeric` ones stand to the right; `choice` ones get a list to filter by."""

    title: str
    numeric: bool = False
    choice: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, and what it is sorted by where that is a number."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page. `total` is how many rows there are in all, listed or not."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int

    def choices(self, place: int) -> list[str]:
        """The different values of a column."""
        return sorted({row[place].text for row in self.rows})


Given = str | int | float | None | Cell


def table(
    name: str,
    caption: str,
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[Given]],
    total: int | None = None,
) -> Table:
    """A table of plain values: texts as they are, numbers to be sorted by, None as a dash."""
    made = tuple(tuple(_cell(value) for value in row) for row in rows)
    heads = tuple(c if isinstance(c, Column) else Column(c) for c in columns)
    return Table(name, caption, heads, made, len(made) if total is None else total)


def _cell(value: Given) -> Cell:
    if isinstance(value, Cell):
        return value
    if value is None:
        return Cell("-")
    if isinstance(value, str):
        return Cell(brief(value))
    return Cell(number(value), float(value))


def num(title: str) -> Column:
    """A column of numbers."""
    return Column(title, numeric=True)


def choice(title: str) -> Column:
    """A column with few different values, to filter by."""
    return Column(title, choice=True)


def share_cell(value: float) -> Cell:
    """A share, as per cent."""
    return Cell(share(value), value)


def score_cell(value: float | None) -> Cell:
    """A score in 0..1, or a dash."""
    return Cell("-") if value is None else Cell(f"{value:.3f}", value)


def instant_cell(value: dt.datetime | None) -> Cell:
    """A time of the clock, or a dash."""
    return Cell("-") if value is None else Cell(instant(value), value.timestamp())
