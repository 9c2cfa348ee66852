"""The links of a release as rows of a mapped file: as many as there are, of which a few are read.

Evidence is most of a link, and is looked at only where a link is shown.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import pyarrow as pa

from reelshelf.indexer.store.rows import evidence_from, links_from
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import read_columns
from reelshelf.schemas.links import Evidence, ProductLink


class LinkRows(Sequence[ProductLink]):
    """Rows of the table of links, each a record when it is asked for.

    They are those of a file, if there is one: then it is what is pickled.
    """

    def __init__(self, table: pa.Table, path: Path | None = None) -> None:
        self._table = table
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (LinkRows, (self._table,)) if self._path is None else (opened_links, (self._path,))

    @property
    def table(self) -> pa.Table:
        """The rows as they are stored."""
        return self._table

    def evidence(self, place: int) -> tuple[Evidence, ...]:
        """That of one link, without the rest of its row."""
        return evidence_from(self._table["evidence"][place].as_py())

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, place: int) -> ProductLink: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ProductLink]: ...
    def __getitem__(self, place: int | slice) -> ProductLink | Sequence[ProductLink]:
        if isinstance(place, slice):
            return links_from(self._table.take(list(range(len(self))[place])))
        return links_from(self._table.slice(range(len(self))[place], 1))[0]


def write_links(pinned: PinnedTables, columns: list[str], path: Path) -> LinkRows:
    """Columns of the links of a release, written into a file piece by piece, and opened."""
    dataset = pinned.dataset("links")
    schema = read_columns("links", dataset, columns, "false").schema
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        there = [name for name in columns if name in dataset.schema.names]
        for batch in dataset.to_batches(columns=there):
            table = pa.Table.from_batches([batch])
            for field in schema:
                # A column that this version of the table does not have is null.
                if field.name not in there:
                    table = table.append_column(field, pa.nulls(table.num_rows, field.type))
            writer.write_table(table.select(columns))
    return opened_links(path)


def opened_links(path: Path) -> LinkRows:
    """The links of a file, mapped."""
    return LinkRows(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), path)
