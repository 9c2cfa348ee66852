"""Looking at the indexes of a release that is to be made: what they are, hold and answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from lance.query import MatchQuery

from reelshelf.indexer.index.build import full_text_column
from reelshelf.indexer.index.inspect import (
    IndexFacts,
    index_facts,
    index_names,
    index_segments,
    indexed_ids,
)
from reelshelf.indexer.index.parts import ColumnPart, TaskMapper, column_parts
from reelshelf.indexer.index.recall import agreement, search
from reelshelf.indexer.quality.sampling import Looked, finding, looked_at
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import TABLE_KEYS, is_key
from reelshelf.indexer.text.analyzer import AnalyzerKind
from reelshelf.schemas.gate import Finding, Scope
from reelshelf.schemas.release import VectorIndex

_LEAST_AGREEMENT = 0.9
# Rows of each scope that have to find themselves. Of these one wrong in fifty is seen.
_ASKED = 200
# How many rows a row may have beside it that are as near.
_MOST_COPIES = 20
_SAME = 1e-5
_SHOWN = 3
# Letters of a word that few other moments have.
_LONG = 4
# Words of as many bytes and more are in no index.
_LONGEST_BYTES = 40
# IVF-PQ finds nearly every row by itself: codes are not exact, and neighbors may be in its place.
_ALLOWED = 0.05
_NOT_FOUND = "moments are not found, or other ones are"


@dataclass(frozen=True, slots=True)
class _Segments:
    """Segments of an index that hold rows of the same fragments, for one task."""

    part: ColumnPart
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ids:
    """How many rows are in no segment, and in more than one place; a few of each."""

    missing: int = 0
    doubled: int = 0
    some_missing: tuple[int, ...] = ()
    some_doubled: tuple[int, ...] = ()

    def __add__(self, other: "_Ids") -> "_Ids":
        return _Ids(
            self.missing + other.missing,
            self.doubled + other.doubled,
            (self.some_missing + other.some_missing)[:_SHOWN],
            (self.some_doubled + other.some_doubled)[:_SHOWN],
        )


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """An indexed column: what the release says of its index, and what Lance does, if it has it."""

    index: VectorIndex
    facts: IndexFacts | None
    rows: int
    ids: _Ids
    wrong: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table and the column."""
        return f"{self.index.table}.{self.index.column}"

    @property
    def unindexed(self) -> int:
        """Rows in pieces that the index does not cover."""
        return self.facts.unindexed if self.facts else self.rows

    @classmethod
    def of(cls, pinned: PinnedTables, index: VectorIndex, map_tasks: TaskMapper) -> "ColumnFacts":
        """Look at an index, and at every id in it: a task for each segment."""
        dataset = pinned.dataset(index.table)
        there = index.name in index_names(dataset, index.column)
        facts = index_facts(dataset, index.name) if there else None
        work = list(_segments_of(pinned, dataset, index)) if there else []
        return cls(
            index,
            facts,
            dataset.count_rows(),
            sum(map_tasks(_compare_ids, work), _Ids()),
            tuple(_wrong(pinned, dataset, index, facts)),
        )

    def findings(self, pinned: PinnedTables) -> Iterator[Finding]:
        """What is wrong with the ids, if anything is."""
        found = self.ids
        for claim, wrong, some in (
            ("every row is in its index", found.missing, found.some_missing),
            ("no row is in its index twice", found.doubled, found.some_doubled),
        ):
            yield finding(
                f"index of {self.name}",
                claim,
                Scope.ALL,
                looked_at=self.rows,
                wrong=wrong,
                rows=self.rows,
                examples=_named(pinned, self.index.table, some),
                harm=_NOT_FOUND,
            )


def _segments_of(
    pinned: PinnedTables, dataset: lance.LanceDataset, index: VectorIndex
) -> Iterator[_Segments]:
    """The work of comparing ids: segment by segment, and last the fragments that are in none."""
    rest = {piece.fragment_id for piece in dataset.get_fragments()}
    segments = index_segments(dataset, index.name)
    together = frozenset[int]().union(*(own for _, own in segments))
    apart = sum(len(own) for _, own in segments) == len(together)
    groups = (
        [((name,), own) for name, own in segments]
        if apart
        else [(tuple(name for name, _ in segments), together)]
    )
    for names, own in [*groups, ((), rest - together)]:
        fragments = sorted(own & rest)
        (part,) = column_parts(pinned, index.table, index.column, fragments, 1)
        yield _Segments(part, names)


def _compare_ids(work: _Segments) -> _Ids:
    """Ids of living rows of some fragments beside those that segments hold."""
    dataset, part = work.part.dataset, work.part
    if not part.fragments:
        return _Ids()
    alive = (
        dataset.scanner(
            columns=[],
            filter=f"{part.column} IS NOT NULL",
            with_row_id=True,
            fragments=part.fragments_of(dataset),
        )
        .to_table()["_rowid"]
        .to_numpy()
    )
    options = part.store.connection.storage_options
    held = [indexed_ids(dataset, segment, options) for segment in work.segments]
    ids, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *held]), return_counts=True)
    missing = np.setdiff1d(alive, ids)
    doubled = np.intersect1d(ids[counts > 1], alive)
    return _Ids(
        len(missing), len(doubled), tuple(missing[:_SHOWN].tolist()),
        tuple(doubled[:_SHOWN].tolist()),
    )  # fmt: skip


def _named(pinned: PinnedTables, table: str, ids: Sequence[int]) -> list[str]:
    if not ids:
        return []
    key = TABLE_KEYS[table]
    rows = pinned.dataset(table).to_table(
        columns=[key], filter=f"_rowid IN ({', '.join(map(str, ids))})", with_row_id=True
    )
    return [str(found) for found in rows[key].to_pylist()]


def _wrong(
    pinned: PinnedTables, dataset: lance.LanceDataset, index: VectorIndex, facts: IndexFacts | None
) -> list[str]:
    """What an index is that it should not be."""
    name = f"{index.table}.{index.column}"
    if facts is None:
        return [f"{name}: there is no index {index.name}"]
    found = {
        "kind": (facts.kind, "IVF_PQ"),
        "metric": (facts.metric, index.metric),
        "partitions": (len(facts.partitions), index.partitions),
        "sub-vectors": (facts.sub_vectors, index.sub_vectors),
    }
    wrong = [
        f"{name}: {what} is {is_}, not {should}"
        for what, (is_, should) in found.items()
        if is_ != should
    ]
    quantizer = read_quantizer(pinned.store, index.quantizer_sha256)
    if quantizer is None:
        return [*wrong, f"{name}: its quantizer is not kept"]
    if wrong or facts.unindexed:
        # Beside rows that it has to look through, Lance gives exact distances.
        return wrong
    agreed = agreement(dataset, index, quantizer)
    if agreed < _LEAST_AGREEMENT:
        wrong.append(f"{name}: only {agreed:.0%} of its codes are its quantizer's")
    return wrong


def inspect_answers(
    pinned: PinnedTables,
    served: PinnedTables | None,
    indexes: Sequence[VectorIndex],
    kind: AnalyzerKind,
    seed: int,
) -> Iterator[Finding]:
    """Rows of each scope, asked for by their own vectors and words: they have to be found."""
    for index in indexes:
        if index.kind == "flat" or not index.rows:
            continue
        looked = looked_at(index.table, pinned, served, seed, _ASKED)
        yield from _finding_themselves(pinned, looked, index)
    looked = looked_at("segments", pinned, served, seed, _ASKED)
    yield from _finding_their_words(pinned, looked, full_text_column(kind), seed)


def _finding_themselves(
    pinned: PinnedTables, looked: Looked, index: VectorIndex
) -> Iterator[Finding]:
    dataset = pinned.dataset(index.table)
    rows, new = _thinned(looked, pc.is_valid(looked.rows[index.column]))
    key = TABLE_KEYS[index.table]
    lost = np.zeros(len(new), np.bool_)
    vectors = vector_matrix(rows[index.column])
    for place, vector in enumerate(vectors):
        if not np.isfinite(vector).all():
            lost[place] = True
            continue
        distances, ids = search(dataset, index, vector, _MOST_COPIES)
        # A row with more copies than were asked for need not be among them.
        near = distances <= _SAME
        lost[place] = not near.any() or len(np.unique(ids)) < len(ids)
        if near.any() and not near.all():
            found = dataset.to_table(
                columns=[key], filter=f"_rowid IN ({', '.join(map(str, ids[near].tolist()))})"
            )
            lost[place] |= rows[key][place].as_py() not in found[key].to_pylist()
    name = f"index of {index.table}.{index.column}"
    yield from _asked(looked, rows, new, lost, name, "each row finds itself, once")


def _finding_their_words(
    pinned: PinnedTables, looked: Looked, column: str, seed: int
) -> Iterator[Finding]:
    dataset = pinned.dataset("segments")
    if not dataset.count_rows():
        return
    there = index_names(dataset, column)
    name = f"index of segments.{column}"
    yield finding(
        name, "there is a full-text index", Scope.ALL, looked_at=1,
        wrong=not there, rows=1, harm="searches by words find nothing",
    )  # fmt: skip
    if not there:
        return
    text = looked.rows[column]
    rows, new = _thinned(looked, pc.and_(pc.is_valid(text), pc.not_equal(text, "")))
    rng = np.random.default_rng(seed)
    lost = np.zeros(len(new), np.bool_)
    cells = zip(rows["video_key"].to_pylist(), rows["segment_key"].to_pylist(),
                rows[column].to_pylist(), strict=True)  # fmt: skip
    for place, (video, segment, said) in enumerate(cells):
        own = _askable(said)
        if not own or not is_key(video):
            continue
        word = own[int(rng.integers(len(own)))]
        found = dataset.to_table(
            columns=["segment_key", "_score"],
            full_text_query=MatchQuery(word, column),
            filter=f"video_key = '{video}'",
            prefilter=True,
        )
        lost[place] = segment not in found["segment_key"].to_pylist()
    claim = "each row is found by a word of its own"
    yield from _asked(looked, rows, new, lost, name, claim)


def _askable(said: str) -> list[str]:
    """Words as they are written: what is asked is cut as the index cuts it, and not as we do."""
    return sorted(
        {
            word
            for word in said.split()
            if len(word) >= _LONG
            and len(word.encode(errors="replace")) < _LONGEST_BYTES
            and any(map(str.isalnum, word))
        }
    )


def _thinned(
    looked: Looked, there: pa.ChunkedArray | pa.Array
) -> tuple[pa.Table, npt.NDArray[np.bool_]]:
    """At most so many rows of each scope, of those that have something to ask with."""
    mask = np.asarray(there.to_numpy(zero_copy_only=False), np.bool_)
    places = np.concatenate(
        [_spread(np.flatnonzero(mask & own)) for own in (looked.new, ~looked.new)]
    )
    return looked.rows.take(pa.array(places)), looked.new[places]


def _spread(places: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """At most so many, evenly."""
    return places[:: max(1, -(-len(places) // _ASKED))]


def _asked(
    looked: Looked,
    rows: pa.Table,
    new: npt.NDArray[np.bool_],
    lost: npt.NDArray[np.bool_],
    name: str,
    claim: str,
) -> Iterator[Finding]:
    for scope, own in ((Scope.NEW, new), (Scope.OLD, ~new)):
        if not own.any():
            continue
        wrong = np.flatnonzero(lost & own)
        yield finding(
            name,
            claim,
            scope,
            looked_at=int(own.sum()),
            wrong=len(wrong),
            written=looked.written[scope],
            rows=looked.total[scope],
            allowed=_ALLOWED,
            examples=[str(rows[TABLE_KEYS[looked.name]][int(i)].as_py()) for i in wrong[:3]],
            harm=_NOT_FOUND,
        )
