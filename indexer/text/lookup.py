"""Strings and rows of numbers as flat arrays, which processes can share and which cost no objects.

A dictionary of a million titles is a million Python objects in every process. These hold the same
as a few arrays: they are pickled without being copied, and are as fast to open from a mapped file.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Numbers = npt.NDArray[np.intp]

_AT_ONCE = 8192
# Up to so many are faster one by one.
_FEW = 20
# So many strings may be objects beside.
_MOST_OBJECTS = 100_000


class Texts(Sequence[str]):
    """Texts by number, as one Arrow array."""

    def __init__(self, array: pa.Array) -> None:
        self._array = array

    @property
    def array(self) -> pa.Array:
        """The same as Arrow has them."""
        return self._array

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """Those given, in their order."""
        return cls(pa.array(texts, pa.large_string()))

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, number: int) -> str: ...
    @overload
    def __getitem__(self, number: slice) -> "Texts": ...
    def __getitem__(self, number: int | slice) -> "str | Texts":
        if isinstance(number, slice):
            return Texts(self._array[number])
        return str(self._array[number].as_py())

    def some(self, numbers: npt.NDArray[np.integer]) -> list[str]:
        """The texts of some numbers, in their order."""
        if len(numbers) <= _FEW:
            return [self[number] for number in numbers.tolist()]
        found: list[str] = self._array.take(pa.array(numbers)).to_pylist()
        return found

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), _AT_ONCE):
            yield from self._array[start : start + _AT_ONCE].to_pylist()


class Strings(Mapping[str, int]):
    """Distinct strings in rising order, each with its place as its number.

    Few of them are found by a dictionary that is made when it is first asked, many by bisection.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Strings":
        """Those of some texts, each once."""
        return cls(Texts.of(sorted(set(texts))))

    def __getstate__(self) -> dict[str, object]:
        return {"_texts": self._texts}

    @property
    def texts(self) -> Texts:
        """All of them in order."""
        return self._texts

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __getitem__(self, text: str) -> int:
        if len(self) <= _MOST_OBJECTS:
            return self.numbers[text]
        number = bisect_left(self._texts, text)
        if number == len(self) or self._texts[number] != text:
            raise KeyError(text)
        return number

    def place(self, text: str) -> int:
        """How many come before a text, which need not be one of them."""
        return bisect_left(self._texts, text)

    def at(self, number: int) -> str:
        """The text of a number."""
        return self._texts[number]

    def some(self, numbers: npt.NDArray[np.integer]) -> list[str]:
        """The texts of some numbers, in their order."""
        return self._texts.some(numbers)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """All of them with their numbers: fast to ask, and as large as objects are."""
        return {text: number for number, text in enumerate(self)}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of numbers, one after the other (compressed sparse rows).

    Row `i` is `values[starts[i] : starts[i + 1]]`.
    """

    values: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> "Rows":
        """The given rows."""
        sizes: list[int] = []

        def counted(row: Sequence[int]) -> Sequence[int]:
            sizes.append(len(row))
            return row

        values = np.fromiter(chain.from_iterable(map(counted, rows)), np.int32)
        return cls(values, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64))

    @classmethod
    def of_pairs(
        cls, rows: npt.NDArray[np.integer], values: npt.NDArray[np.integer], count: int
    ) -> "Rows":
        """`count` rows: row `rows[i]` has `values[i]`, in the order of the pairs."""
        order = np.argsort(rows, kind="stable")
        sizes = np.bincount(rows, minlength=count) if len(rows) else np.zeros(count, np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        return cls(np.asarray(values[order], np.int32), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, row: int) -> npt.NDArray[np.int32]:
        return self.values[self.starts[row] : self.starts[row + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.int32]]:
        return (self[row] for row in range(len(self)))

    def sizes(self) -> npt.NDArray[np.int64]:
        """`(rows,)` how many numbers each has."""
        return np.asarray(np.diff(self.starts))

    def owners(self) -> Numbers:
        """`(values,)` the row that each value is in."""
        return np.repeat(np.arange(len(self)), self.sizes())

    def places(self, rows: npt.NDArray[np.integer]) -> tuple[Numbers, Numbers]:
        """Where in `values` some rows are, one after the other, and how many each has."""
        first, sizes = self.starts[rows], self.starts[rows + 1] - self.starts[rows]
        before = np.cumsum(sizes) - sizes
        places = np.repeat(first - before, sizes) + np.arange(int(sizes.sum()))
        return places.astype(np.intp), sizes.astype(np.intp)

    def any_of(self, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """`(rows,)` which rows have a value whose flag is set; `flags`, `(values,)`."""
        # By sums: faster than a reduction of each row.
        before = np.zeros(len(flags) + 1, np.int32)
        np.cumsum(flags, out=before[1:])
        return np.asarray(before[self.starts[1:]] > before[self.starts[:-1]])

    def together(self, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
        """The numbers of some rows, one row after the other."""
        return self.values[self.places(rows)[0]]

    def inverted(self, count: int) -> "Rows":
        """For each of `count` numbers the rows that have it, in rising order."""
        return Rows.of_pairs(self.values, self.owners(), count)


class Numbering:
    """Numbers the texts of rows that come one after the other."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._values = array("i")
        self._starts = array("q", [0])

    def add(self, row: Iterable[str]) -> None:
        """The next row."""
        first = self._first
        self._values.extend([first.setdefault(text, len(first)) for text in row])
        self._starts.append(len(self._values))

    def made(self) -> tuple[Strings, Rows]:
        """The texts in rising order, and all rows as their numbers."""
        ranked = sorted(self._first)
        rank = np.empty(len(ranked), np.int32)
        rank[[self._first[text] for text in ranked]] = np.arange(len(ranked))
        values = rank[np.frombuffer(self._values, np.int32)]
        return Strings(Texts.of(ranked)), Rows(values, np.array(self._starts, np.int64))


def numbered(rows: Iterable[Iterable[str]]) -> tuple[Strings, Rows]:
    """Rows of texts as rows of numbers, with the texts that these stand for."""
    found = Numbering()
    for row in rows:
        found.add(row)
    return found.made()
