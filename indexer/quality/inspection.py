"""Looking at the rows of a release that is to be made, column by column, as each is declared."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.claims import (
    CELL_CLAIMS,
    AmongOf,
    Claim,
    Counts,
    InOrder,
    OneOwner,
    Refers,
    SameAs,
    Unique,
    Varied,
)
from reelshelf.indexer.quality.declared import DECLARED
from reelshelf.indexer.quality.sampling import Looked, finding, looked_at
from reelshelf.indexer.store.row_checksums import broken_cells, checksummed_columns, column_digests
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import DATA_TABLES, TABLE_KEYS, among, is_key, parts
from reelshelf.schemas.gate import Finding, Scope

# The share of a scope that may be wrong before searchers are kept from it.
ALLOWED = 0.01
_AS_WRITTEN = "is what was written"
# From so many new rows on, that all have one value is no chance.
_ENOUGH = 30
_ONE_VALUE, _SOME_VALUES = 0.9, 0.5
_VIDEOS_IN_ORDER = 500
_KEYS_AT_ONCE = 250_000
_SHOWN = 3


def inspect_rows(
    pinned: PinnedTables, served: PinnedTables | None, shop_id: str, seed: int
) -> Iterator[Finding]:
    """Everything that is declared of rows, and all checksums, on rows of each table.

    `served` are the tables of the served release, None where it cannot be compared with.
    """
    for name in DATA_TABLES:
        looked = looked_at(name, pinned, served, seed)
        yield from _as_written(looked)
        for column, declared in DECLARED[name].items():
            for claim in declared.claims:
                yield from _tested(pinned, looked, column, claim, declared.harm, shop_id)


def _as_written(looked: Looked) -> Iterator[Finding]:
    if not looked.rows.num_rows:
        return
    broken = broken_cells(looked.name, looked.rows)
    for place, column in enumerate(checksummed_columns(looked.name, looked.rows.schema)):
        harm = DECLARED[looked.name][column].harm
        yield from looked.found(column, _AS_WRITTEN, broken[:, place], harm, ALLOWED)


def _tested(
    pinned: PinnedTables, looked: Looked, column: str, claim: Claim, harm: str, shop_id: str
) -> Iterator[Finding]:
    rows = looked.rows
    if isinstance(claim, CELL_CLAIMS):
        if rows.num_rows:
            yield from looked.found(column, claim.says, claim.broken(rows, column), harm, 0.0)
    elif isinstance(claim, OneOwner):
        if rows.num_rows:
            others = pc.fill_null(pc.not_equal(rows[column], shop_id), True)
            yield from looked.found(column, claim.says, _mask(others), harm, 0.0)
    elif isinstance(claim, SameAs):
        if rows.num_rows:
            yield from looked.found(
                column, claim.says, _unlike(pinned, rows, column, claim), harm, 0.0
            )
    elif isinstance(claim, AmongOf):
        if rows.num_rows:
            others = _in_none(pinned, rows, column, claim)
            yield from looked.found(column, claim.says, others, harm, 0.0)
    elif isinstance(claim, Unique):
        yield _doubled(pinned, looked.name, column, claim, harm)
    elif isinstance(claim, Refers):
        yield _dangling(pinned, looked.name, column, claim, harm)
    elif isinstance(claim, Counts):
        yield _miscounted(pinned, looked.name, column, claim, harm)
    elif isinstance(claim, InOrder):
        if rows.num_rows:
            yield from _out_of_order(pinned, looked, column, claim, harm)
    elif isinstance(claim, Varied):
        yield from _all_one(looked, column, claim, harm)


def _unlike(
    pinned: PinnedTables, rows: pa.Table, column: str, claim: SameAs
) -> npt.NDArray[np.bool_]:
    """Rows whose cell is another than that of the row which they name, or name none."""
    wanted = list(dict.fromkeys([TABLE_KEYS[claim.table], claim.column]))
    others = pinned.scan(claim.table, wanted)
    places = pc.index_in(rows[claim.by], value_set=others[TABLE_KEYS[claim.table]])
    # Of a column of nulls alone it has no type.
    places = places.cast(pa.int64())
    cells = others[claim.column].combine_chunks().take(places.combine_chunks())
    mine = rows[column].combine_chunks()
    same = pc.or_(
        pc.fill_null(pc.equal(mine, cells), False), pc.and_(pc.is_null(mine), pc.is_null(cells))
    )
    return ~_mask(pc.and_(same, pc.is_valid(places.combine_chunks())))


def _in_none(
    pinned: PinnedTables, rows: pa.Table, column: str, claim: AmongOf
) -> npt.NDArray[np.bool_]:
    """Rows whose cell is neither that of the row which they name, nor in its list."""
    key = TABLE_KEYS[claim.table]
    others = pinned.scan(claim.table, [key, claim.column, claim.lists])
    whole = others.filter(pc.is_null(others[claim.lists])).select([key, claim.column])
    listed = others.filter(pc.is_valid(others[claim.lists]))
    cells = listed[claim.lists].combine_chunks()
    owners = listed[key].combine_chunks().take(pc.list_parent_indices(cells))
    pieces = pa.table({key: owners, claim.column: pc.list_flatten(cells)}).cast(whole.schema)
    allowed = pa.concat_tables([whole, pieces])
    both = pc.binary_join_element_wise(allowed[key], allowed[claim.column], "\0")
    mine = pc.binary_join_element_wise(rows[claim.by], rows[column], "\0")
    return ~_mask(pc.is_in(mine, value_set=both))


def _doubled(pinned: PinnedTables, name: str, column: str, claim: Unique, harm: str) -> Finding:
    rows, wrong, examples = pinned.count(name), 0, list[str]()
    # Many keys are looked at by their last digit, so that they need not all be held at once.
    in_parts = rows > _KEYS_AT_ONCE and column == TABLE_KEYS[name]
    filters = [f"{column} LIKE '%{digit}'" for digit in "0123456789abcdef"] if in_parts else [None]
    for where in filters:
        cells = pinned.scan(name, [column], where)[column]
        more = len(cells) - int(pc.count_distinct(cells).as_py())
        if more and len(examples) < _SHOWN:
            counted = pc.value_counts(cells)
            twice = counted.filter(pc.greater(counted.field("counts"), 1))[:_SHOWN].to_pylist()
            examples += [f"{found['values']} is there {found['counts']} times" for found in twice]
        wrong += more
    return _of_all(f"{name}.{column}", claim.says, rows, wrong, examples[:_SHOWN], harm)


def _dangling(pinned: PinnedTables, name: str, column: str, claim: Refers, harm: str) -> Finding:
    known = pinned.scan(claim.table, [TABLE_KEYS[claim.table]])[TABLE_KEYS[claim.table]]
    known = known.combine_chunks()
    rows, wrong, examples = 0, 0, list[str]()
    for batch in pinned.dataset(name).to_batches(columns=[column]):
        found = batch[column]
        lost = found.filter(pc.invert(pc.is_in(found, value_set=known)))
        rows, wrong = rows + len(found), wrong + len(lost)
        examples += [f"{key} is not in {claim.table}" for key in lost[:3].to_pylist()]
    return _of_all(f"{name}.{column}", claim.says, rows, wrong, examples[:3], harm)


def _miscounted(pinned: PinnedTables, name: str, column: str, claim: Counts, harm: str) -> Finding:
    """Where the count is not due, or an old row says nothing, it cannot be wrong."""
    key = TABLE_KEYS[name]
    columns = [key, column, "schema_version"]
    if claim.unless_null:
        columns.append(claim.unless_null)
    rows = pinned.scan(name, list(dict.fromkeys(columns)))
    if claim.unless_null:
        rows = rows.filter(pc.is_valid(rows[claim.unless_null]))
    is_old = pc.less(rows["schema_version"], claim.since)
    rows = rows.filter(pc.or_(pc.is_valid(rows[column]), pc.invert(is_old)))
    counted = _counts(pinned, claim.table, key)
    both = rows.join(counted, key, join_type="left outer")
    found = pc.fill_null(both["rows_found"], 0)
    same = pc.equal(found, both[column].cast(pa.int64()))
    wrong = both.filter(pc.invert(pc.fill_null(same, False)))
    examples = [
        f"{row[key]} says {row[column]}, there are {row['rows_found'] or 0}"
        for row in wrong.slice(0, 3).to_pylist()
    ]
    return _of_all(f"{name}.{column}", claim.says, rows.num_rows, wrong.num_rows, examples, harm)


def _counts(pinned: PinnedTables, name: str, key: str) -> pa.Table:
    """How many rows of a table have each value of a column, a batch at a time."""
    pieces = [
        pa.table(batch).group_by(key).aggregate([([], "count_all")])
        for batch in pinned.dataset(name).to_batches(columns=[key])
    ]
    if not pieces:
        return pa.table({key: pa.array([], pa.string()), "rows_found": pa.array([], pa.int64())})
    counted = pa.concat_tables(pieces).group_by(key).aggregate([("count_all", "sum")])
    return counted.rename_columns({"count_all_sum": "rows_found"})


def _out_of_order(
    pinned: PinnedTables, looked: Looked, column: str, claim: InOrder, harm: str
) -> Iterator[Finding]:
    """Moments of some videos of each scope, all of each video."""
    owners = looked.rows["video_key"]
    for scope, own in ((Scope.NEW, looked.new), (Scope.OLD, ~looked.new)):
        keys = pc.unique(owners.filter(pa.array(own))).to_pylist()[:_VIDEOS_IN_ORDER]
        sound = [key for key in keys if is_key(key)]
        columns = ["video_key", "video_id", "start_ms", "end_ms", "shot_index"]
        found = [pinned.scan("segments", columns, among("video_key", p)) for p in parts(sound)]
        if not found:
            continue
        rows = pa.concat_tables(found).sort_by(
            [("video_key", "ascending"), ("start_ms", "ascending"), ("end_ms", "ascending")]
        )
        keys_of = np.array(rows["video_key"].to_pylist())
        same = keys_of[1:] == keys_of[:-1]
        starts, ends, shots = (
            pc.fill_null(rows[name], 0).to_numpy() for name in ("start_ms", "end_ms", "shot_index")
        )
        if column == "shot_index":
            back = same & (shots[1:] < shots[:-1])
        else:
            back = same & (starts[1:] < ends[:-1])
        wrong = np.flatnonzero(back) + 1
        ids = rows["video_id"]
        yield finding(
            f"segments.{column}",
            claim.says,
            scope,
            looked_at=rows.num_rows,
            wrong=len(wrong),
            rows=looked.total[scope],
            allowed=ALLOWED,
            examples=[f"{ids[int(i)].as_py()} at {starts[i]}" for i in wrong[:3]],
            harm=harm,
        )


def _all_one(looked: Looked, column: str, claim: Varied, harm: str) -> Iterator[Finding]:
    """New rows that all have one value, where old ones differ."""
    there = looked.rows.filter(pc.is_valid(looked.rows[column]))
    new = looked.new[_mask(pc.is_valid(looked.rows[column]))]
    fresh, old = (column_digests(there.filter(pa.array(own))[column]) for own in (new, ~new))
    if min(len(fresh), len(old)) < _ENOUGH:
        return
    share, before = (_commonest(found) for found in (fresh, old))
    wrong = share > _ONE_VALUE and before < _SOME_VALUES
    yield finding(
        f"{looked.name}.{column}",
        claim.says,
        Scope.NEW,
        looked_at=len(fresh),
        wrong=round(share * len(fresh)) if wrong else 0,
        rows=looked.total[Scope.NEW],
        written=looked.written[Scope.NEW],
        allowed=ALLOWED,
        examples=[f"{share:.0%} of new rows have one value, {before:.0%} of old ones"],
        harm=harm,
    )


def _commonest(digests: npt.NDArray[np.uint32]) -> float:
    """The share of the commonest value."""
    return float(np.unique(digests, return_counts=True)[1].max() / len(digests))


def _of_all(
    column: str, claim: str, rows: int, wrong: int, examples: Sequence[str], harm: str
) -> Finding:
    """A finding of a whole column: none may be wrong."""
    return finding(
        column, claim, Scope.ALL, looked_at=rows, wrong=wrong, rows=rows, examples=examples,
        harm=harm,
    )  # fmt: skip


def _mask(found: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
