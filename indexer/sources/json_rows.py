"""Rows of JSON: an object a line, or one array of objects, read piece by piece.

An array is divided at its objects before they are parsed, so that a file of any length takes the
memory of its longest object, and that an object whose brackets and quotes are closed costs itself
alone where it is broken. One that is not closed takes with it what comes until it is, and says how
much that is.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from reelshelf.indexer.sources.encodings import TextEncoding
from reelshelf.indexer.sources.rows import Cells, NoRow, RawRows, is_missing
from reelshelf.indexer.text.clean import printable
from reelshelf.indexer.text.wording import counted

_PIECE = 1024**2
_BLANK = "\ufeff \t\r\n"
_LONGEST = 64 * 1024**2
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]', re.DOTALL)
_OF_OBJECTS = re.compile(r"\[\s*\{")


def json_rows(path: Path, encoding: TextEncoding) -> RawRows:
    """The rows of a file of JSON."""
    # Lines end at "\n" alone: other ends of lines may stand within strings.
    with path.open(encoding=encoding.codec, errors=encoding.errors, newline="\n") as file:
        is_array = _is_array(file)
        file.seek(0)
        if is_array:
            yield from _array(file)
            return
        yield from _lines(file)


def _lines(file: TextIO) -> RawRows:
    line = 0
    while text := file.readline(_LONGEST):
        line += 1
        if len(text) < _LONGEST or text.endswith("\n"):
            yield line, _object(text.lstrip("\ufeff"))
            continue
        while not text.endswith("\n") and (text := file.readline(_PIECE)):
            pass
        yield line, NoRow(f"is a line of more than {_LONGEST} characters")


def _is_array(file: TextIO) -> bool:
    """Whether a file is one array; a line may be one by itself, which is no row."""
    first = ""
    while not first.strip(_BLANK):
        first = file.readline(_PIECE)
        if not first:
            return False
    if not first.lstrip(_BLANK).startswith("["):
        return False
    if not first.endswith("\n") and len(first) >= _PIECE:
        return True
    try:
        json.loads(first.strip(_BLANK))
    except (ValueError, RecursionError):
        return True
    return bool(_OF_OBJECTS.match(first.lstrip(_BLANK))) and not file.read(_PIECE).strip(_BLANK)


def _object(text: str) -> Cells | NoRow:
    if not text.isascii() and printable(text) != text:
        before = text.encode("utf-8", "surrogateescape")
        try:
            codecs.decode(before, "utf-8")
        except UnicodeDecodeError as error:
            return NoRow(f"is not UTF-8 (byte {error.start})")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return NoRow("is empty" if not text.strip() else f"is not JSON: {error}")
    if not isinstance(value, dict):
        return NoRow("is not a JSON object")
    return {name: cell for name, cell in value.items() if not is_missing(cell)}


def _array(file: TextIO) -> RawRows:
    for item in _items(file):
        if item.error is not None:
            yield item.line, NoRow(item.error)
            continue
        row = _object(item.text)
        if isinstance(row, NoRow) and (more := item.text.count("\n")):
            told = f"lines {item.line} to {item.line + more} ({more + 1} lines)"
            row = NoRow(f"{row.reason}; {told} are refused as this one row")
        yield item.line, row


@dataclass(frozen=True, slots=True)
class _Item:
    """What stands at one place of an array, and the line that it begins at."""

    line: int
    text: str
    error: str | None = None


def _items(file: TextIO) -> Iterator[_Item]:
    """The items of an array, without the commas between them."""
    text = _Text(file)
    depth = 0
    while (sign := text.next_sign()) is not None:
        if sign in "{[":
            depth += 1
            if depth <= 2:
                yield from _between(text.take(before_sign=True))
                if depth == 1:
                    text.take()
        elif sign in "}]":
            depth -= 1
            if depth == 1:
                yield text.take()
            elif depth <= 0 and sign == "}":
                depth = 1  # one too many: what stands between items tells of it
            elif depth <= 0:
                yield from _between(text.take(before_sign=True))
                text.take()
                yield from _behind(text.rest())
                return
    last = text.rest()
    lines = counted(last.text.count("\n") + 1, "line")
    told = f"is not JSON: it is not closed within {lines}, which are refused as this one row"
    if len(last.text) > _LONGEST:
        told += ", and nothing behind them is read"
    yield replace(last, error=told)


class _Text:
    """A file as text from which pieces are taken; `_line` is where the next piece begins."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._buffer = ""
        self._line = 1
        self._kept = self._at = self._sign = 0

    def next_sign(self) -> str | None:
        """The next bracket, or string whole; None where the file, or a piece too large, ends."""
        while (found := _TOKEN.search(self._buffer, self._at)) is None:
            quote = self._buffer.find('"', self._at)
            self._at = (quote if quote >= 0 else len(self._buffer)) - self._kept
            self._buffer, self._kept = self._buffer[self._kept :], 0
            piece = self._file.read(_PIECE)
            if not piece or len(self._buffer) > _LONGEST:
                return None
            self._buffer += piece
        self._sign, self._at = found.span()
        return found[0]

    def take(self, *, before_sign: bool = False) -> _Item:
        """What was read since the last piece, with the sign or without."""
        end = self._sign if before_sign else self._at
        item = _Item(self._line, self._buffer[self._kept : end])
        self._line += item.text.count("\n")
        self._kept = end
        return item

    def rest(self) -> _Item:
        """What follows the last piece, or the beginning of it."""
        return _Item(self._line, self._buffer[self._kept :] + self._file.read(_PIECE))


def _between(item: _Item) -> Iterator[_Item]:
    if said := item.text.strip(_BLANK + ","):
        yield replace(item, error=f"is not a JSON object: {said[:80]!r}")


def _behind(item: _Item) -> Iterator[_Item]:
    if item.text.strip(_BLANK):
        yield replace(item, error="stands behind the end of the array, and is not read")
