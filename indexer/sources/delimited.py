"""CSV as it comes: one bad row costs that row and all the lines it took, and nothing else.

Python's own reader resumes at the next physical line after an error, so lines of a description
whose quotes are wrong would become rows. Here a record that cannot be read is given up whole. One
that is only too large is followed to its end. Where quotes are wrong nobody can tell for sure where
a record ends: lines are left out until one begins a record of as many cells as the header has, does
not read like prose, and is not followed by a quote that closes a field. Where a quote is never
closed the rest of the file is that one record.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

_WRONG_QUOTES = "expected after"
# Descriptions with pictures inside have megabytes. What is larger is refused.
LONGEST_FIELD = 32 * 1024**2
# How far ahead a closing quote is looked for.
_LOOKAHEAD = 1000
# So many lines, of which so many are records by themselves, are no lines of one description.
_SEVERAL, _MOST = 10, 0.9


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


def read_records(lines: Iterable[str], separator: str = ",") -> Iterator[Record]:
    """The records of a CSV, the header first. Lines are as a file opened with newline="" gives.

    Python's limit on the length of a field, which is one for the whole process, is raised.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_FIELD))
    numbered = _Lines(lines)
    shape: _Shape | None = None
    while True:
        first = numbered.number + 1
        source = _Taking(numbered)
        try:
            cells = next(csv.reader(source, delimiter=separator, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            if shape is None:
                yield Record(first, numbered.number, (), str(error))
                return
            if _WRONG_QUOTES in str(error):
                _resume(numbered, shape)
            else:
                _follow(numbered, source.taken, separator)
            yield Record(first, numbered.number, (), str(error))
            continue
        if cells:
            shape = shape.with_record(len(cells)) if shape else _Shape.of_header(cells, separator)
            yield Record(first, numbered.number, tuple(cells))


@dataclass(frozen=True, slots=True)
class _Shape:
    """What records of a file look like: their numbers of cells, and spaces after commas."""

    separator: str
    widths: frozenset[int]
    spaced: bool

    @classmethod
    def of_header(cls, header: Sequence[str], separator: str) -> "_Shape":
        return cls(separator, frozenset([len(header)]), reads_like_prose(header))

    def with_record(self, width: int) -> "_Shape":
        return self if width in self.widths else replace(self, widths=self.widths | {width})

    def fits(self, cells: Sequence[str]) -> bool:
        """Whether cells are a record, as far as anybody can tell."""
        return len(cells) in self.widths and (self.spaced or not reads_like_prose(cells))


def _follow(lines: _Lines, taken: list[str], separator: str) -> None:
    """Go to the end of a record whose quotes are right, of which `taken` has been read."""
    inside = False
    for line in taken:
        inside = _is_open(line, separator, inside=inside)
    while inside:
        try:
            inside = _is_open(next(lines), separator, inside=inside)
        except StopIteration:
            return


def _is_open(line: str, separator: str, *, inside: bool) -> bool:
    """Whether a quoted field is open at the end of a line, given whether one is at its start."""
    at = line.find('"')
    while at >= 0:
        if not inside:
            # Only a field that begins with a quote is quoted.
            inside = at == 0 or line[at - 1] == separator
        elif line.startswith('""', at):
            at += 1
        else:
            inside = False
        at = line.find('"', at + 1)
    return inside


def _resume(lines: _Lines, shape: _Shape) -> None:
    """Leave out lines until one begins a record again."""
    clear = 0  # of the next lines none lies inside a quoted field, as far as anybody can tell
    while True:
        if not clear:
            inside, clear = _look_ahead(lines, shape)
            for _ in range(inside):
                next(lines)
            if inside:
                continue
        source = _Taking(lines)
        try:
            cells = next(csv.reader(source, delimiter=shape.separator, strict=True))
        except StopIteration:
            return
        except csv.Error:
            cells = []
        if shape.fits(cells):
            lines.put_back(source.taken)
            return
        # This line is none; those after it that were read with it may be.
        lines.put_back(source.taken[1:])
        clear = max(clear - 1, 0)


def reads_like_prose(cells: Sequence[str]) -> bool:
    """Whether cells look like parts of a sentence: commas in sentences are followed by a space."""
    return any(cell.startswith(" ") for cell in cells[1:])


def _look_ahead(lines: _Lines, shape: _Shape) -> tuple[int, int]:
    """How many of the next lines lie inside a quoted field, and how many surely do not.

    The next quote that opens or closes a field tells. One that closes may also stand at the end of
    a cell that is not quoted (a 24" screen): where it and most lines before it are records by
    themselves, and there are several, it says nothing.
    """
    ahead: list[str] = []
    closes: bool | None = None
    for line in islice(lines, _LOOKAHEAD):
        ahead.append(line)
        closes = _first_telling_quote(line, shape.separator)
        if closes is not None:
            break
    lines.put_back(ahead)
    if not closes:
        return 0, len(ahead)
    written = [line for line in ahead if line.strip()]
    records = sum(_is_record(line, shape) for line in written)
    if len(written) >= _SEVERAL and records >= _MOST * len(written):
        return 0, len(ahead)
    return len(ahead), 0


def _is_record(line: str, shape: _Shape) -> bool:
    try:
        return shape.fits(next(csv.reader([line], delimiter=shape.separator, strict=True), []))
    except csv.Error:
        return False


def _first_telling_quote(line: str, separator: str) -> bool | None:
    """Whether the first quote of a line that opens or closes a field closes one; None: none does.

    A quote in the middle of words ("a 24" screen") may be either, and a doubled one is text.
    """
    text = line.rstrip("\r\n")
    at = text.find('"')
    while at >= 0:
        if at == 0 or text[at - 1] == separator:
            return False
        if text.startswith('""', at):
            at += 1
        elif at + 1 == len(text) or text[at + 1] == separator:
            return True
        at = text.find('"', at + 1)
    return None
