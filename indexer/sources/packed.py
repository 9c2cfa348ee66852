"""Records that are kept as bytes: as objects, a million products take half a gigabyte."""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby, islice
from operator import attrgetter
from typing import Generic, TypeVar, overload

Record = TypeVar("Record")

_PER_BLOCK = 128


class Packed(Sequence[Record], Generic[Record]):
    """Records of one dataclass, in order. They are made anew, a block of them, when asked for."""

    def __init__(self, kind: type[Record], records: Iterable[Record]) -> None:
        self._kind = kind
        cells = attrgetter(*(field.name for field in fields(kind)))  # type: ignore[arg-type]
        rest = map(cells, records)
        self._blocks: list[bytes] = []
        self._count = 0
        while block := list(islice(rest, _PER_BLOCK)):
            self._blocks.append(pickle.dumps(block, pickle.HIGHEST_PROTOCOL))
            self._count += len(block)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        for number in range(len(self._blocks)):
            yield from self._block(number)

    @overload
    def __getitem__(self, place: int) -> Record: ...

    @overload
    def __getitem__(self, place: slice) -> list[Record]: ...

    def __getitem__(self, place: int | slice) -> Record | list[Record]:
        places = range(self._count)[place]
        if isinstance(places, int):
            return self.some([places])[0]
        return self.some(places)

    def some(self, places: Iterable[int]) -> list[Record]:
        """The records at these places, from 0. Those of a block side by side are least work."""
        found: list[Record] = []
        for number, own in groupby(places, lambda place: place // _PER_BLOCK):
            block = self._block(number)
            found += [block[place % _PER_BLOCK] for place in own]
        return found

    def _block(self, number: int) -> list[Record]:
        # These bytes are our own, and never leave the process.
        return [self._kind(*cells) for cells in pickle.loads(self._blocks[number])]  # noqa: S301
