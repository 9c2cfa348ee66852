"""Work on a column in tasks: which part of it a task is to look at, and how tasks are called."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import lance
import numpy as np

from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import StorageConfig

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class TaskMapper(Protocol):
    """Calls a function on items, wherever there is room, in any order."""

    def __call__(
        self, function: Callable[[Item], Answer], items: Sequence[Item]
    ) -> Iterable[Answer]:
        """The answers."""
        ...


def in_turn(function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterable[Answer]:
    """Work in this process, one item after the other."""
    return map(function, items)


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """Some fragments of one version of a table, for a task to find, and the column it is about."""

    uri: str
    storage: StorageConfig | None
    generation: int
    table: str
    version: int
    column: str
    fragments: tuple[int, ...]

    @property
    def store(self) -> Store:
        """The store, opened by the task."""
        return Store(self.uri, self.storage, self.generation)

    @property
    def dataset(self) -> lance.LanceDataset:
        """The version of the table."""
        return self.store.dataset(self.table, self.version)

    def fragments_of(self, dataset: lance.LanceDataset) -> list[lance.LanceFragment]:
        """Its fragments, of the dataset that was opened."""
        return [dataset.get_fragment(number) for number in self.fragments]


def column_parts(
    pinned: PinnedTables, table: str, column: str, fragments: Sequence[int], workers: int
) -> Iterator[ColumnPart]:
    """The fragments of a column in as many parts as there are workers; at least one, if empty."""
    store, version = pinned.store, pinned.versions[table]
    shares = max(1, min(workers, len(fragments)))
    for share in np.array_split(np.array(fragments, np.int64), shares):
        place = (store.uri, store.storage, store.generation, table, version)
        yield ColumnPart(*place, column, tuple(share.tolist()))
