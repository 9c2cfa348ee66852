"""Whose fault it is: the input's, its worker's, or that of what they run on.

A worker that dies, and decoded videos that are lost with a node, are nobody's fault but the
infrastructure's: what it had in hand is tried again after a while, as often as it takes. Only an
input over which workers died on two living nodes, or three times where one lives, is given up.

An error that nobody expects of an input may be the worker's: it is replaced, and what failed in it
is tried in one from which something has come. Only there does it count as the input's own.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from enum import Enum, auto
from typing import Generic, Protocol, TypeVar

from reelshelf.jobs.engines.scheduling.pool import Pool, Worker

Item = TypeVar("Item")

CRASHED = "crashed and took the worker process with it"
# How long an input waits whose worker died, at first and at most: a node that goes down takes its
# time to be known as gone.
FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0
# Deaths after which it is given up: on so many living nodes, on the only one, on living ones in
# all, and with whatever nodes: it may be what takes them down.
_NODES_TO_DIE_ON, _DEATHS_ALONE, _MOST_DEATHS, _MOST_LOSSES = 2, 3, 6, 10


class Break(Enum):
    """How a piece of work ended without an answer."""

    DIED = auto()  # its worker has
    RAISED = auto()  # its worker raised an error, and is there
    INPUT_LOST = auto()  # what it was to work on has gone with a node


class Tried(Protocol):
    """What may have failed in sick workers."""

    @property
    def failed_in(self) -> frozenset[int]:
        """The places of workers in which it failed."""
        ...

    @property
    def deaths(self) -> tuple[str, ...]:
        """The nodes on which a worker died over it."""
        ...


Waiting = TypeVar("Waiting", bound=Tried)


def first_that_can(waiting: deque[Waiting], pool: Pool[Worker]) -> tuple[Waiting, Worker] | None:
    """The first of those that wait for which there is a worker, and that worker."""
    for place, item in enumerate(waiting):
        if not pool.idle:
            break
        worker = pool.take_trusted(item.failed_in) if item.failed_in else pool.take(item.deaths)
        if worker is not None:
            del waiting[place]
            return item, worker
    return None


def wait_of(deaths: Sequence[str]) -> float:
    """Seconds until an input is tried again over which workers have died."""
    return float(min(FIRST_WAIT_S * 2 ** max(0, len(deaths) - 1), _LONGEST_WAIT_S))


class Later(Generic[Item]):
    """What is tried again after a while, by when."""

    def __init__(self) -> None:
        # Numbered, since times may be equal.
        self._items: list[tuple[float, int, Item]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item, at: float) -> None:
        """Something is to be tried again at a time."""
        heapq.heappush(self._items, (at, next(self._numbers), item))

    def pop_due(self, now: float) -> Iterator[Item]:
        """Take out all whose time has come, in its order."""
        while self.next_time <= now:
            yield heapq.heappop(self._items)[-1]

    @property
    def next_time(self) -> float:
        """The first time; infinity without any."""
        return self._items[0][0] if self._items else math.inf


def is_given_up(deaths: Sequence[str], living: Callable[[], Collection[str]]) -> bool:
    """Whether an input is taken for what kills its workers, and not the nodes that they were on.

    Deaths on nodes that do not live any more count only where there were very many. `living` names
    those that do; it is asked only where that may decide.
    """
    if len(deaths) < _NODES_TO_DIE_ON:
        return False
    if len(deaths) >= _MOST_LOSSES:
        return True
    nodes = living()
    own = [node for node in deaths if node in nodes]
    if len(nodes) == 1:
        return len(own) >= _DEATHS_ALONE
    return len(set(own)) >= _NODES_TO_DIE_ON or len(own) >= _MOST_DEATHS


def failed_elsewhere(failed_in: frozenset[int], place: int) -> bool:
    """Whether an input has failed in other places than this."""
    return bool(failed_in - {place})


class Suspects(Generic[Worker]):
    """What is known of the model workers that failed, whatever they were doing."""

    def __init__(self, pool: Pool[Worker]) -> None:
        self._pool = pool
        # Workers that are lost, and whose loss needs no more explanation.
        self._accounted: set[Worker] = set()
        self.all_are_sick = False

    def ended(self, worker: Worker) -> None:
        """A worker was ended on purpose: what else it had is not to blame."""
        self._accounted.add(worker)

    def was_at_work_on(self, worker: Worker, deadline: float, others: Collection[float]) -> bool:
        """Whether a worker that is lost was at work on this, and not on what it had before it.

        `others` are the deadlines of what else it had. One loss is put down to one piece of work,
        and to none where the worker was ended on purpose.
        """
        if worker in self._accounted or any(other < deadline for other in others):
            return False
        self._accounted.add(worker)
        return True

    def part_with(self, worker: Worker, failed_in: Sequence[frozenset[int]]) -> bool:
        """Replace a worker that failed unexpectedly; whether its word is believed all the same.

        It is where something has come of its work, or where every other is as sick as this one.
        `failed_in` are the places in which each of its inputs failed before: what failed in others
        says nothing of this one.
        """
        proven, place = self._pool.is_proven(worker), self._pool.place_of(worker)
        evident = not all(failed_elsewhere(places, place) for places in failed_in)
        if not self._pool.replace_sick(worker, evident=evident):
            self.all_are_sick = True
        if not self._pool.is_there(worker):
            self._accounted.add(worker)
        return self.all_are_sick or proven
