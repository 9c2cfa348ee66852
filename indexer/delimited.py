"""CSV as it comes: one bad row costs that row and all the lines it took, and nothing else.

Python's own reader resumes at the next physical line after an error, so lines of a description
whose quotes are wrong would become rows. Here a record that cannot be read is given up whole. One
that is only too large is followed to its end. Where quotes are wrong nobody can tell for sure where
a record ends: lines are left out until one begins a record of as many cells as the header has and
the next quote that opens or closes a field does not close one. Where a quote is never closed the
rest of the file is that one record.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

_WRONG_QUOTES = "expected after"
# How far ahead a closing quote is looked for.
_LOOKAHEAD = 1000


@dataclass(frozen=True, slots=True)
class Record:
    """One record: its cells, or why it is none. Lines count from 1; `last` is its last one."""

    first: int
    last: int
    cells: tuple[str, ...]
    error: str | None = None


class _Lines:
    """Physical lines with their numbers; lines that were read ahead can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.number += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        """Have these lines come next again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class _Taking:
    """Gives a reader its lines, and remembers those of the record that it reads."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.taken.append(line)
        return line


def read_records(lines: Iterable[str]) -> Iterator[Record]:
    """The records of a CSV, the header first. Lines are as a file opened with newline="" gives."""
    numbered = _Lines(lines)
    width: int | None = None
    while True:
        first = numbered.number + 1
        source = _Taking(numbered)
        try:
            cells = next(csv.reader(source, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            if width is None or _WRONG_QUOTES in str(error):
                _resume(numbered, width)
            else:
                _follow(numbered, source.taken)
            yield Record(first, numbered.number, (), str(error))
            continue
        if cells:
            width = width or len(cells)
            yield Record(first, numbered.number, tuple(cells))


def _follow(lines: _Lines, taken: list[str]) -> None:
    """Go to the end of a record whose quotes are right, of which `taken` has been read."""
    inside = False
    for line in taken:
        inside = _is_open(line, inside=inside)
    while inside:
        try:
            inside = _is_open(next(lines), inside=inside)
        except StopIteration:
            return


def _is_open(line: str, *, inside: bool) -> bool:
    """Whether a quoted field is open at the end of a line, given whether one is at its start."""
    at = line.find('"')
    while at >= 0:
        if not inside:
            # Only a field that begins with a quote is quoted.
            inside = at == 0 or line[at - 1] == ","
        elif line.startswith('""', at):
            at += 1
        else:
            inside = False
        at = line.find('"', at + 1)
    return inside


def _resume(lines: _Lines, width: int | None) -> None:
    """Leave out lines until one begins a record again."""
    while True:
        inside = _lines_inside(lines)
        if inside:
            for _ in range(inside):
                next(lines)
            continue
        source = _Taking(lines)
        try:
            cells = next(csv.reader(source, strict=True))
        except StopIteration:
            return
        except csv.Error:
            cells = []
        if len(cells) == width:
            lines.put_back(source.taken)
            return
        # This line is none; those after it that were read with it may be.
        lines.put_back(source.taken[1:])


def _lines_inside(lines: _Lines) -> int:
    """How many of the next lines lie inside a quoted field, by the next quote that tells."""
    ahead: list[str] = []
    found = 0
    for line in islice(lines, _LOOKAHEAD):
        ahead.append(line)
        closes = _first_telling_quote(line)
        if closes is not None:
            found = len(ahead) if closes else 0
            break
    lines.put_back(ahead)
    return found


def _first_telling_quote(line: str) -> bool | None:
    """Whether the first quote of a line that opens or closes a field closes one; None: none does.

    A quote in the middle of words ("a 24" screen") may be either, and a doubled one is text.
    """
    text = line.rstrip("\r\n")
    at = text.find('"')
    while at >= 0:
        if at == 0 or text[at - 1] == ",":
            return False
        if text.startswith('""', at):
            at += 1
        elif at + 1 == len(text) or text[at + 1] == ",":
            return True
        at = text.find('"', at + 1)
    return None
