"""Which rows the gate looks at: those that were written since the served release, by samples.

A file of rows that the served release has too was looked at when it was new, and checksums tell
whether it still is what it was. So only files that are new count, and small tables, which are
looked through whole. Among the rows of new files, those of runs that the served release knows are
*old*: they were moved, or changed in place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import betaincinv

from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.schemas.gate import Finding, Scope
from reelshelf.schemas.tables import ADDED

# Tables with fewer rows are looked through whole every time.
_SMALL = 20_000
# Of so many rows of each kind, one wrong in a hundred is as good as certain to be seen.
_SAMPLE = 4_000
# Of so many files that are not new old rows are taken too, where they are made again.
_OTHERS = 8
# How sure a sample has to be that no more is wrong.
_SURE = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Rows of one table that are looked at: `new` says which are of runs since the served release.

    `written` and `total` are how many rows of each scope were drawn from, and how many there are.
    """

    name: str
    rows: pa.Table
    new: npt.NDArray[np.bool_]
    written: dict[Scope, int]
    total: dict[Scope, int]

    def none(self) -> "Looked":
        """The same table, with no row looked at."""
        return replace(self, rows=self.rows.slice(0, 0), new=self.new[:0])

    def found(
        self,
        column: str,
        claim: str,
        broken: npt.NDArray[np.bool_],
        harm: str,
        allowed: float,
        told: str | None = None,
    ) -> Iterator[Finding]:
        """What a test of all rows that are looked at came to, for each scope that has any."""
        for scope, own in ((Scope.NEW, self.new), (Scope.OLD, ~self.new)):
            if not own.any():
                continue
            wrong = np.flatnonzero(broken & own)
            yield finding(
                f"{self.name}.{column}",
                claim,
                scope,
                looked_at=int(own.sum()),
                wrong=len(wrong),
                written=self.written[scope],
                rows=self.total[scope],
                allowed=allowed,
                examples=self.examples(wrong, told or column),
                harm=harm,
            )

    def examples(self, places: Sequence[int] | npt.NDArray[np.intp], column: str) -> list[str]:
        """A few rows by what people know them by, with what stands there."""
        return [example(self.name, self.rows, int(place), column) for place in places[:3]]


_KNOWN_BY = {
    "products": ("sku",),
    "product_images": ("sku", "uri"),
    "videos": ("video_id",),
    "segments": ("video_id", "start_ms"),
    "links": ("video_id", "sku"),
    "failures": ("item_id", "failure_key"),
}


def example(name: str, rows: pa.Table, place: int, column: str) -> str:
    """One row in words: what it is of, and the cell, if that is short."""
    known = [str(rows[by][place].as_py()) for by in _KNOWN_BY[name] if by in rows.column_names]
    cell = rows[column][place].as_py() if column in rows.column_names else None
    shown = "" if isinstance(cell, list | dict | bytes) else f" has {str(cell)[:40]!r}"
    return f"{' at '.join(known)[:80]}{shown}"


def finding(
    column: str,
    claim: str,
    scope: Scope,
    *,
    looked_at: int,
    wrong: int,
    rows: int,
    written: int | None = None,
    allowed: float = 0.0,
    examples: Sequence[str] = (),
    harm: str = "",
) -> Finding:
    """A finding with the largest share of `rows` that is likely to be wrong.

    `written` are the rows that a sample was drawn from, where the rest is known to be well.
    """
    drawn_from = rows if written is None else written
    share = likely_share(wrong, looked_at, drawn_from) * drawn_from / max(rows, 1)
    return Finding(
        column=column,
        claim=claim,
        scope=scope,
        rows=rows,
        looked_at=looked_at,
        wrong=wrong,
        share=share,
        allowed=allowed,
        examples=tuple(examples),
        harm=harm if wrong else "",
    )


def likely_share(wrong: int, looked_at: int, drawn_from: int) -> float:
    """The largest share that is likely, given what a sample shows; 0 where it shows nothing.

    The upper end of the interval of Clopper and Pearson ("The use of confidence or fiducial limits
    illustrated in the case of the binomial", 1934); the share itself where all were looked at.
    """
    if not wrong:
        return 0.0
    if looked_at >= drawn_from or wrong >= looked_at:
        return wrong / max(looked_at, 1)
    return float(betaincinv(wrong + 1, looked_at - wrong, _SURE))


def looked_at(
    name: str,
    pinned: PinnedTables,
    served: PinnedTables | None,
    seed: int,
    most: int = _SAMPLE,
    *,
    whole: bool = True,
) -> Looked:
    """The rows of a table to look at, with all columns: at most so many of each scope.

    They are of files that the served release does not have. `whole`: a small table is looked
    through whole. Otherwise old rows are of some other files too, where any file is new. `served`
    is None where there is nothing to compare with: then all rows are new.
    """
    dataset = pinned.dataset(name)
    count = dataset.count_rows()
    before = served.dataset(name) if served is not None else None
    fresh = fresh_fragments(dataset, before)
    rng = np.random.default_rng(seed)
    if whole and count <= _SMALL:
        pieces, most = dataset.get_fragments(), _SMALL
    elif whole or not fresh:
        pieces = fresh
    else:
        pieces = [*fresh, *_some_others(dataset, fresh, rng)]
    known = _runs(before)
    new = [int(_is_new(piece, known).sum()) for piece in pieces]
    old = [piece.count_rows() - own for piece, own in zip(pieces, new, strict=True)]
    picked = [_spread(counts, most, rng) for counts in (new, old)]
    parts, scopes = [], [np.zeros(0, np.bool_)]
    for piece, nth_new, nth_old in zip(pieces, *picked, strict=True):
        if not len(nth_new) and not len(nth_old):
            continue
        is_new = _is_new(piece, known)
        places = np.concatenate([np.flatnonzero(is_new)[nth_new], np.flatnonzero(~is_new)[nth_old]])
        places.sort()
        parts.append(piece.take(places.tolist(), columns=dataset.schema.names))
        scopes.append(is_new[places])
    rows = pa.concat_tables(parts) if parts else dataset.schema.empty_table()
    return Looked(
        name,
        _with_added(name, rows),
        np.concatenate(scopes),
        {Scope.NEW: sum(new), Scope.OLD: sum(old) if whole else count - sum(new)},
        {Scope.NEW: sum(new), Scope.OLD: count - sum(new)},
    )


def _some_others(
    dataset: lance.LanceDataset, fresh: Sequence[lance.LanceFragment], rng: np.random.Generator
) -> list[lance.LanceFragment]:
    """A few pieces that are not among the fresh ones."""
    known = {piece.fragment_id for piece in fresh}
    others = [piece for piece in dataset.get_fragments() if piece.fragment_id not in known]
    order = rng.permutation(len(others))[:_OTHERS]
    return [others[int(place)] for place in order]


def _spread(
    counts: Sequence[int], most: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Which of the rows of each piece, by their number, make a sample of all pieces together."""
    total = sum(counts)
    drawn = np.sort(rng.choice(total, min(total, most), replace=False, shuffle=False))
    ends = np.cumsum(counts)
    return [
        drawn[(drawn >= end - own) & (drawn < end)] - (end - own)
        for end, own in zip(ends.tolist(), counts, strict=True)
    ]


def _with_added(name: str, rows: pa.Table) -> pa.Table:
    """Rows with the columns that their version of the table does not have yet, as nulls."""
    for field in ADDED.get(name, ()):
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
    return rows


def fresh_fragments(
    dataset: lance.LanceDataset, before: lance.LanceDataset | None
) -> list[lance.LanceFragment]:
    """The pieces of a table whose files another version of it does not have.

    Rows that were deleted since make no piece fresh: those that are left are what they were.
    """
    known = set() if before is None else {_files(piece) for piece in before.get_fragments()}
    return [piece for piece in dataset.get_fragments() if _files(piece) not in known]


def _files(piece: lance.LanceFragment) -> tuple[str, ...]:
    return tuple(sorted(file.path for file in piece.data_files()))


def _runs(dataset: lance.LanceDataset | None) -> pa.Array:
    """The runs that wrote the rows of a table."""
    if dataset is None:
        return pa.array([], pa.string())
    found: set[str] = set()
    for batch in dataset.to_batches(columns=["run_id"]):
        found.update(pc.unique(batch["run_id"]).to_pylist())
    return pa.array(sorted(found), pa.string())


def _is_new(piece: lance.LanceFragment, known: pa.Array) -> npt.NDArray[np.bool_]:
    runs = piece.to_table(columns=["run_id"])["run_id"]
    return np.asarray(pc.invert(pc.is_in(runs, known)).to_numpy(), np.bool_)
