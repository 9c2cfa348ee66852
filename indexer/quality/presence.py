"""Whether what should be in a release is: inputs that the source lists, rows that a run left.

A run that has read the source knows what there is to be: each listed input has its row, or a
failure that says why not. Who publishes what a run left has only the number of rows that it left.
"""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.quality.inspection import ALLOWED
from reelshelf.indexer.quality.sampling import finding
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import TABLE_KEYS
from reelshelf.schemas.gate import Finding, Scope

_HARM = "searchers do not find what the shop has"


def listed_inputs(pinned: PinnedTables, listed: Mapping[str, pa.Array]) -> Iterator[Finding]:
    """Keys that the source lists, by table: each is there, or among the failures."""
    failed = pinned.scan("failures", ["failure_key"])["failure_key"]
    for name, wanted in listed.items():
        column = TABLE_KEYS[name]
        there = pinned.scan(name, [column])[column]
        lost = wanted.filter(pc.invert(pc.is_in(wanted, value_set=there)))
        lost = lost.filter(pc.invert(pc.is_in(lost, value_set=failed)))
        yield finding(
            f"{name}.{column}",
            "every input that the source lists is there, or has failed",
            Scope.ALL,
            looked_at=len(wanted),
            wrong=len(lost),
            rows=len(wanted),
            allowed=ALLOWED,
            examples=[f"{key} is listed" for key in lost[:3].to_pylist()],
            harm=_HARM,
        )


def rows_still_there(pinned: PinnedTables, left: Mapping[str, int]) -> Iterator[Finding]:
    """How many rows the last run left in each table: they are still there."""
    for name, rows in left.items():
        if name not in pinned.versions:
            continue
        there = pinned.count(name)
        yield finding(
            f"{name}.{TABLE_KEYS[name]}",
            "the rows that the last run left are there",
            Scope.ALL,
            looked_at=rows,
            wrong=abs(rows - there),
            rows=rows,
            allowed=ALLOWED,
            examples=[f"it left {rows}, there are {there}"],
            harm=_HARM,
        )
