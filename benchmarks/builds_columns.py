"""Builds with one column of one table harmed, generated: columns x harms x scopes x shares.

Rows are harmed where they lie, after the run that wrote them and before the release that would pin
them: rows of videos and products that are new, rows that were there, or all, in the same generation
and in a new one. A build has to be refused where more than one in a hundred cells of its scope came
to hold something else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.builds import FLAT, Copy, Outcome, Verdict
from reelshelf.indexer.quality.declared import DECLARED
from reelshelf.indexer.store.row_checksums import column_digests
from reelshelf.indexer.store.tables import TABLE_KEYS, Store, among, parts

Places = npt.NDArray[np.intp]
# Harms a column in some rows of a table; what it is given is its whole scope.
Harm = Callable[[pa.Array, np.random.Generator], pa.Array]

SCOPES = ("new", "old", "all")
SHARES = (1.0, 0.1, 0.02)
GENERATIONS = ("same", "new")
# What these hold is nothing that a searcher sees: it is reported.
_UNSEEN = "searchers do not see it"
# Where a row is found by them, it is another row.
_KEYS = frozenset(TABLE_KEYS.values())


def _shuffled(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    return cells.take(pa.array(rng.permutation(len(cells))))


def _neighbors(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    del rng
    return cells.take(pa.array((np.arange(len(cells)) + 1) % len(cells)))


def _constant(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    return cells.take(pa.array([int(rng.integers(len(cells)))] * len(cells)))


def _null(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    del rng
    return pa.nulls(len(cells), cells.type)


def _nan(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    del rng
    if pa.types.is_floating(cells.type):
        return pa.array(np.full(len(cells), np.nan), cells.type)
    return _numbers(cells, lambda flat: np.full_like(flat, np.nan))


def _noise(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    kind = cells.type
    if pa.types.is_integer(kind):
        return pa.array(rng.integers(0, 100_000, len(cells)), kind)
    if pa.types.is_floating(kind):
        return pa.array(rng.random(len(cells)), kind)
    if pa.types.is_string(kind):
        return pa.array([f"{n:08x}" for n in rng.integers(0, 2**32, len(cells))], kind)
    if pa.types.is_fixed_size_list(kind):
        vectors = rng.normal(size=(len(cells), kind.list_size)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), kind.list_size)
    return _numbers(cells, lambda flat: rng.normal(size=flat.shape).astype(np.float32))


def _off_by_one(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    kind = cells.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return pc.add(cells, pa.scalar(1, kind))
    if pa.types.is_timestamp(kind):
        return pc.add(cells, pa.scalar(3_600_000_000, pa.duration("us")))
    return _neighbors(cells, rng)


def _truncated(cells: pa.Array, rng: np.random.Generator) -> pa.Array:
    del rng
    kind = cells.type
    if pa.types.is_string(kind):
        return pa.array([c and c[: len(c) // 2] for c in cells.to_pylist()], kind)
    if pa.types.is_fixed_size_list(kind):

        def half(flat: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            wide = flat.reshape(-1, kind.list_size).copy()
            wide[:, kind.list_size // 2 :] = 0
            return wide.ravel()

        return _numbers(cells, half)
    if pa.types.is_list(kind):
        return pa.array([c and c[: len(c) // 2] for c in cells.to_pylist()], kind)
    return cells


def _numbers(
    cells: pa.Array, change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
) -> pa.Array:
    """Change the numbers in lists of numbers, and nothing else."""
    kind = cells.type
    if pa.types.is_fixed_size_list(kind):
        filled = cells.fill_null([0.0] * kind.list_size) if cells.null_count else cells
        flat = change(np.asarray(filled.flatten(), np.float32))
        mask = pc.is_null(cells) if cells.null_count else None
        return pa.FixedSizeListArray.from_arrays(
            pa.array(flat, pa.float32()), kind.list_size, mask=mask
        )
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        changed = [
            None if c is None else change(np.array(c, np.float32)).tolist()
            for c in cells.to_pylist()
        ]
        return pa.array(changed, kind)
    return cells


HARMS: Mapping[str, Harm] = {
    "permuted": _shuffled,
    "constant": _constant,
    "null": _null,
    "NaN": _nan,
    "noise": _noise,
    "neighbor's row": _neighbors,
    "off by one": _off_by_one,
    "truncated": _truncated,
}


@dataclass(frozen=True, slots=True)
class ColumnBuild:
    """One harm done to one column in a share of a scope. "*" is whole rows: doubled or dropped."""

    table: str
    column: str
    harm: str
    scope: str
    share: float
    generation: str

    @property
    def name(self) -> str:
        """It in words."""
        return (
            f"{self.table}.{self.column} {self.harm}, {self.share:.0%} of {self.scope} rows, "
            f"{self.generation} generation"
        )

    @property
    def base(self) -> str:
        """Which store it starts from: one with a night, or a generation, that is not published."""
        return "grown" if self.generation == "same" else "again"

    def attempt(self, copy: Copy) -> Verdict:
        """Harm the rows, publish, and say what came of it."""
        store = copy.store
        rows = store.scan(self.table, None)
        own = self._scope(copy, rows)
        rng = np.random.default_rng(0)
        count = max(1, round(self.share * len(own)))
        chosen = np.sort(rng.choice(own, min(count, len(own)), replace=False))
        if not len(own) or not len(chosen):
            return Verdict(Outcome.UNCHANGED, "there is no such row")
        if self.column == "*":
            changed = self._whole_rows(store, rows, chosen)
        else:
            try:
                changed = self._cells(store, rows, own, chosen, rng)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OSError) as error:
                return Verdict(Outcome.UNCHANGED, f"no table takes it: {error}"[:200])
        if changed <= 0.01 * len(own):
            return Verdict(Outcome.UNCHANGED, f"{changed} of {len(own)} cells are others now")
        verdict = copy.published(FLAT)
        if verdict.outcome is Outcome.PASSED and self._is_mended(copy, rows):
            return Verdict(Outcome.MENDED, "the run wrote these cells anew")
        return verdict

    def _is_mended(self, copy: Copy, before: pa.Table) -> bool:
        """Whether the release holds the cells that were there before the harm."""
        if self.column in ("*", TABLE_KEYS[self.table]):
            return False
        released, key = copy.release, TABLE_KEYS[self.table]
        seen = copy.store.of(released.generation)
        version = released.table_version(self.table)
        after = seen.scan(self.table, [key, self.column], version=version).sort_by(key)
        before = before.sort_by(key)
        if before[key].to_pylist() != after[key].to_pylist():
            return False
        own, kept = (column_digests(rows[self.column]) for rows in (before, after))
        return bool(np.array_equal(own, kept))

    def _scope(self, copy: Copy, rows: pa.Table) -> Places:
        served = copy.release
        known = copy.store.of(served.generation).scan(
            self.table, ["run_id"], version=served.table_version(self.table)
        )
        new = ~np.asarray(pc.is_in(rows["run_id"], pc.unique(known["run_id"])).to_numpy())
        if self.generation == "new" or self.scope == "all":
            return np.arange(rows.num_rows)
        return np.flatnonzero(new if self.scope == "new" else ~new)

    def _whole_rows(self, store: Store, rows: pa.Table, chosen: Places) -> int:
        few = rows.take(pa.array(chosen))
        if self.harm == "doubled":
            store.writable(self.table).insert(few.cast(store.dataset(self.table).schema))
        else:
            key = TABLE_KEYS[self.table]
            for part in parts(few[key].to_pylist()):
                store.writable(self.table).delete(among(key, part))
        return len(chosen)

    def _cells(
        self, store: Store, rows: pa.Table, own: Places, chosen: Places, rng: np.random.Generator
    ) -> int:
        """Harm the whole scope, and take the harmed cells of the chosen rows."""
        place = rows.schema.get_field_index(self.column)
        before = rows[self.column].combine_chunks()
        # One row alone has no neighbor: then its scope is all there is.
        few = own if self.harm == "neighbor's row" else chosen if len(chosen) > 1 else own
        harmed = HARMS[self.harm](before.take(pa.array(few)), rng)
        where = np.searchsorted(few, chosen)
        cells = pa.chunked_array([before.take(pa.array(chosen))])
        after = pa.chunked_array([harmed.take(pa.array(where))])
        changed = int((column_digests(cells) != column_digests(after)).sum())
        if not changed:
            return 0
        field = pa.field(self.column, rows.schema.field(place).type)
        part = rows.take(pa.array(chosen)).set_column(place, field, after)
        key = TABLE_KEYS[self.table]
        if self.column == key:
            # Its own key cannot be merged by: the row goes, and comes under another.
            for keys in parts(cells.to_pylist()):
                store.writable(self.table).delete(among(key, keys))
            store.writable(self.table).insert(part)
        else:
            merge = store.merge(self.table, key).when_matched_update_all()
            merge.execute(part)
        return changed


def column_builds() -> Iterator[ColumnBuild]:
    """Every column with every harm, in every second scope, share and generation that is next.

    All of them together would be ten thousand.
    """
    turns = cycle(
        (scope, share, generation)
        for share in SHARES
        for generation in GENERATIONS
        for scope in SCOPES
    )
    every = (build for number, build in enumerate(_all_builds(turns)) if number % 2 == 0)
    yield from every


def _all_builds(turns: Iterator[tuple[str, float, str]]) -> Iterator[ColumnBuild]:
    for table, columns in DECLARED.items():
        if table == "failures":
            continue
        for name, declared in columns.items():
            if declared.harm.startswith(_UNSEEN) and name not in _KEYS:
                continue
            for harm in HARMS:
                scope, share, generation = next(turns)
                yield ColumnBuild(table, name, harm, scope, share, generation)
        for harm in ("doubled", "dropped"):
            for scope in SCOPES:
                for share in SHARES:
                    generation = next(turns)[2]
                    yield ColumnBuild(table, "*", harm, scope, share, generation)
