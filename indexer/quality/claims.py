"""What may be claimed of a column, and how each claim is tested.

A claim about cells (`Given`, `Within`, ...) is tested on rows alone. A claim about rows together
(`Unique`, `Refers`, `SameAs`, `Counts`) takes other rows, and a claim about where cells come from
(`Derived`) is tested by making them again: `reelshelf.indexer.quality.inspection` and
`reelshelf.indexer.quality.rederiving` do that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask: TypeAlias = npt.NDArray[np.bool_]

# A sum of squares of float32 is no more exact than this.
_UNIT = 1e-3


@dataclass(frozen=True, slots=True)
class Given:
    """Never null."""

    says: str = "is there"

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        return _mask(pc.is_null(rows[column]))


@dataclass(frozen=True, slots=True)
class Within:
    """A number in a range, or null. NaN is in none."""

    least: float
    most: float = float("inf")
    says: str = "is in its range"

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        there = _mask(pc.is_valid(rows[column]))
        numbers = pc.fill_null(rows[column].cast(pa.float64()), self.least).to_numpy()
        inside: Mask = (numbers >= self.least) & (numbers <= self.most)
        return np.logical_and(there, ~inside)


@dataclass(frozen=True, slots=True)
class Shaped:
    """A text of a form, or null."""

    pattern: str
    says: str = "has its form"

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        matches = pc.match_substring_regex(rows[column], f"^(?:{self.pattern})$")
        return np.logical_not(_mask(pc.fill_null(matches, True)))


@dataclass(frozen=True, slots=True)
class Unit:
    """A finite vector of unit length, or null."""

    says: str = "is a vector of unit length"

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        array = rows[column].combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        there = _mask(pc.is_valid(array))
        flat = array.fill_null([0.0] * array.type.list_size) if not there.all() else array
        matrix = np.asarray(flat.flatten().to_numpy(zero_copy_only=False), np.float32)
        lengths = np.linalg.norm(matrix.reshape(-1, array.type.list_size), axis=1)
        # NaN and infinity fail this comparison too.
        unit: Mask = np.abs(lengths - 1.0) < _UNIT
        return np.logical_and(there, ~unit)


@dataclass(frozen=True, slots=True)
class NotBefore:
    """A number that is not smaller than another column's of the same row."""

    other: str
    strictly: bool = False
    says: str = field(init=False, default="lies after its beginning")

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        compare = pc.less_equal if self.strictly else pc.less
        return _mask(pc.fill_null(compare(rows[column], rows[self.other]), False))


@dataclass(frozen=True, slots=True)
class KeyOf:
    """A key that is made of other columns of the same row."""

    parts: tuple[str, ...]
    make: Callable[..., str]
    says: str = "is the key of its row"

    def broken(self, rows: pa.Table, column: str) -> Mask:
        """Rows that break it."""
        cells = [rows[name].to_pylist() for name in self.parts]
        made = [self._made(*own) for own in zip(*cells, strict=True)]
        return np.array(
            [k != m for k, m in zip(rows[column].to_pylist(), made, strict=True)], np.bool_
        )

    def _made(self, *parts: str | None) -> str | None:
        """The key that the cells give; None where they give none."""
        if any(part is None for part in parts):
            return None
        try:
            return self.make(*parts)
        except ValueError:
            return None  # it is made of another key, which is none


CellClaim: TypeAlias = Given | Within | Shaped | Unit | NotBefore | KeyOf


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows have the same."""

    says: str = "is in one row only"


@dataclass(frozen=True, slots=True)
class Refers:
    """A row of another table has it as its key."""

    table: str
    says: str = "names a row that exists"


@dataclass(frozen=True, slots=True)
class SameAs:
    """The row of another table that `by` names has the same cell."""

    table: str
    by: str
    column: str
    says: str = "is what the row says that it belongs to"


@dataclass(frozen=True, slots=True)
class AmongOf:
    """The row of another table that `by` names has the same cell, or has it in a list."""

    table: str
    by: str
    column: str
    lists: str
    says: str = "is what the row says that it belongs to"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of another table name this row; only where `unless_null` is set, if given.

    Rows that were made before schema `since` may say nothing.
    """

    table: str
    unless_null: str = ""
    since: int = 0
    says: str = "counts the rows that belong to it"


@dataclass(frozen=True, slots=True)
class OneOwner:
    """All rows have the same, which is what the store says."""

    says: str = "is the store's shop"


@dataclass(frozen=True, slots=True)
class InOrder:
    """Moments of one video, by their beginnings: none reaches into the next; shots only go on."""

    says: str = "follows the moment before it"


@dataclass(frozen=True, slots=True)
class Varied:
    """New rows do not all have one, where rows that were there do not."""

    says: str = "differs between rows as it did"


@dataclass(frozen=True, slots=True)
class Derived:
    """Made of something else; `by` names what makes it again on a sample."""

    by: str
    says: str = "is what is made of its source again"


Claim: TypeAlias = (
    CellClaim | Unique | Refers | SameAs | AmongOf | Counts | OneOwner | InOrder | Varied | Derived
)
CELL_CLAIMS = (Given, Within, Shaped, Unit, NotBefore, KeyOf)


@dataclass(frozen=True, slots=True)
class Column:
    """What must hold of a column, and what it does to searchers where it does not."""

    harm: str
    claims: tuple[Claim, ...] = ()


def column(harm: str, *claims: Claim) -> Column:
    """A declared column."""
    return Column(harm, claims)


def _mask(found: pa.ChunkedArray | pa.Array) -> Mask:
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
