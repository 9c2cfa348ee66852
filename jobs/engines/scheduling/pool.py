"""Workers of one kind: idle, starting, or lent out; those that are lost are replaced.

A replacement starts while the others go on working. A worker is proven once something has come of
its work: what failed in one that may be sick is tried in a proven one.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from reelshelf.schemas.errors import ConfigError

Worker = TypeVar("Worker", bound=Hashable)

# Loading included: the first time, weights may have to be fetched.
START_S = 600.0
_DEATHS_AT_START = 5
# Workers that are sick one after the other in the same place, after the first.
_SICK_IN_A_ROW = 3
# A worker that starts for longer may never come up: nothing waits for it any more.
_HOPEFUL_S = 120.0


@dataclass(frozen=True, slots=True)
class _Place:
    """What a worker has in common with those that it replaced: where they ran, more or less.

    `sick` counts those in a row that were sick from their first work on; `began` is when the one
    that is there now was started.
    """

    number: int
    sick: int = 0
    began: float = 0.0


class Pool(Generic[Worker]):
    """Workers by what they are doing.

    `start` begins to start one for a place, whose number it gets; `end` ends one at once. A worker
    may be lent out `slots` times at once, where that is more than once: it has its next work at
    hand while it is busy. When it is lost, all that it had is.
    """

    def __init__(
        self,
        start: Callable[[int], Worker],
        end: Callable[[Worker], None],
        clock: Callable[[], float],
        slots: Callable[[int], int] = lambda _: 1,
    ) -> None:
        self._start = start
        self._end = end
        self._clock = clock
        self._slots = slots
        # How much more each may be given, and those that may be given so much, in the order of
        # their return.
        self._free: dict[Worker, int] = {}
        self._with_free: defaultdict[int, dict[Worker, None]] = defaultdict(dict)
        self._alive: dict[Worker, _Place] = {}
        self._starting: set[Worker] = set()
        self._places = 0
        self._proven: set[Worker] = set()
        # Of those that are gone too: work that they had is still to be told.
        self._nodes: dict[Worker, str] = {}
        self._numbers: dict[Worker, int] = {}
        self._deaths = 0

    @property
    def is_up(self) -> bool:
        """Whether at least one worker is up."""
        return len(self._alive) > len(self._starting)

    @property
    def count(self) -> int:
        """How many workers there are, with those that are starting."""
        return len(self._alive)

    @property
    def idle(self) -> int:
        """How many workers are free."""
        return len(self._free)

    @property
    def starting(self) -> int:
        """How many workers have been started and are not up yet."""
        return len(self._starting)

    @property
    def is_stuck(self) -> bool:
        """Whether none is up, and the one that was started last should have been long ago."""
        if self.is_up or not self._starting:
            return False
        youngest = max(self._alive[worker].began for worker in self._starting)
        return self._clock() - youngest > START_S

    def grow(self) -> None:
        """Start one more worker in a place of its own, and do not wait for it."""
        self._places += 1
        self._begin(_Place(self._places))

    def _begin(self, place: _Place) -> None:
        worker = self._start(place.number)
        self._alive[worker] = replace(place, began=self._clock())
        self._numbers[worker] = place.number
        self._starting.add(worker)

    def came_up(self, worker: Worker, node: str) -> None:
        """A worker that was starting is up, on a node."""
        if worker not in self._alive:
            return
        self._starting.discard(worker)
        self._nodes[worker] = node
        self._deaths = 0
        self._set_free(worker, self._slots(self._numbers[worker]))

    def died_at_start(self, worker: Worker, why: str) -> None:
        """A worker has died before it was up. Raises ConfigError where one after the other does."""
        if worker not in self._alive:
            return
        self._deaths += 1
        if self._deaths > _DEATHS_AT_START:
            self._remove(worker)
            raise ConfigError(f"engine: workers die while they start: {why}")
        self.replace(worker)

    def take(self, avoid: Collection[str] = ()) -> Worker | None:
        """An idle worker, if there is one; rather on another node than those to avoid."""
        # One that has nothing to do before one that has a piece of work already.
        for slots in sorted(self._with_free, reverse=True):
            for worker in reversed(self._with_free[slots]):
                if self._nodes[worker] not in avoid:
                    return self._taken(worker)
        return self.take() if avoid and self._free else None

    def take_trusted(self, avoid: frozenset[int]) -> Worker | None:
        """An idle worker for what has failed in workers that may be sick, in the places `avoid`.

        A proven one. While there is none, one in another place; nothing as long as another such
        place has one at work or coming up, for it may turn out to be well; then any.
        """
        for worker in self._free:
            if worker in self._proven:
                return self._taken(worker)
        if self._proven:
            return None
        others = [w for w, place in self._alive.items() if place.number not in avoid]
        for worker in others:
            if worker in self._free:
                return self._taken(worker)
        if any(self._may_turn_up(worker) for worker in others):
            return None
        return self.take()

    def _may_turn_up(self, worker: Worker) -> bool:
        """Whether a worker that is not idle is at work, or has begun to start a short while ago.

        A cluster may have no room for a worker, and then it starts for ever.
        """
        if worker not in self._starting:
            return True
        return self._clock() - self._alive[worker].began < _HOPEFUL_S

    def _taken(self, worker: Worker) -> Worker:
        self._set_free(worker, self._free[worker] - 1)
        return worker

    def _set_free(self, worker: Worker, slots: int) -> None:
        had = self._free.pop(worker, 0)
        if had:
            del self._with_free[had][worker]
            if not self._with_free[had]:
                del self._with_free[had]
        if slots:
            self._free[worker] = slots
            self._with_free[slots][worker] = None

    def give_back(self, worker: Worker, *, proven: bool = False) -> None:
        """A lent worker is free again; `proven`: something came of its work."""
        if worker not in self._alive:
            return  # lost over other work meanwhile
        if proven:
            self.prove(worker)
        self._set_free(worker, self._free.get(worker, 0) + 1)

    def prove(self, worker: Worker) -> None:
        """Something came of a worker's work: its place is a good one."""
        if worker in self._alive:
            self._proven.add(worker)
            if self._alive[worker].sick:
                self._alive[worker] = replace(self._alive[worker], sick=0)

    def is_proven(self, worker: Worker) -> bool:
        """Whether something came of a worker's work."""
        return worker in self._proven

    def is_there(self, worker: Worker) -> bool:
        """Whether a worker has not been ended or lost."""
        return worker in self._alive

    def place_of(self, worker: Worker) -> int:
        """The place that a worker has in common with those that it replaced."""
        return self._numbers[worker]

    def node_of(self, worker: Worker) -> str:
        """The node that a worker runs on."""
        return self._nodes[worker]

    def replace(self, worker: Worker) -> None:
        """End a worker that is dead, stuck or suspect, and start another in its place.

        Nothing where that was done already, over other work of its.
        """
        if worker not in self._alive:
            return
        place = self._alive[worker]
        self._remove(worker)
        self._begin(place)

    def replace_sick(self, worker: Worker, *, evident: bool) -> bool:
        """End a worker after an error that nobody expects of an input, and start another.

        `evident`: the error speaks against the worker's place, and not against an input that has
        failed elsewhere too; without it, one from which nothing has come yet stays. Where one after
        the other is sick in a place, from its first work on, others go on without it. False where
        there are no others: then the worker is as good as any, and is free again.
        """
        if worker not in self._alive:
            return True
        if not evident and worker not in self._proven:
            self.give_back(worker)
            return True
        place = self._alive[worker]
        sick = place.sick + evident
        if sick <= _SICK_IN_A_ROW:
            self._remove(worker)
            self._begin(replace(place, sick=sick))
        elif len(self._alive) > 1:
            self._remove(worker)
        else:
            self.give_back(worker)
            return False
        return True

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._alive):
            self._remove(worker)

    def _remove(self, worker: Worker) -> None:
        self._set_free(worker, 0)
        self._alive.pop(worker, None)
        self._starting.discard(worker)
        self._proven.discard(worker)
        self._end(worker)
