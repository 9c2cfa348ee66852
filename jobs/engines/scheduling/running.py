"""What workers have been given and have not given back."""

import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NewType, TypeVar

from reelshelf.jobs.engines.scheduling.pool import Worker

Work = TypeVar("Work")
# So many deadlines of tasks that are over are kept in any case.
_FEW = 1024
# Names a piece of work that a worker was given.
Ticket = NewType("Ticket", int)


@dataclass(frozen=True, slots=True)
class Task(Generic[Worker, Work]):
    """A piece of work, who has it since when, and until when it has to be done."""

    worker: Worker
    work: Work
    began: float
    deadline: float


class Running(Generic[Worker, Work]):
    """Tasks by ticket, with their deadlines in order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tasks: dict[Ticket, Task[Worker, Work]] = {}
        self._of_worker: defaultdict[Worker, dict[Ticket, float]] = defaultdict(dict)
        # With those of tasks that are over, until they are met.
        self._deadlines: list[tuple[float, Ticket]] = []

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, ticket: Ticket, worker: Worker, work: Work, seconds: float) -> None:
        """A worker has been given work.

        It has so many seconds, which begin when those of what the worker has already are over.
        """
        now = self._clock()
        deadline = max([now, *self._of_worker[worker].values()]) + seconds
        self._tasks[ticket] = Task(worker, work, now, deadline)
        self._of_worker[worker][ticket] = deadline
        heapq.heappush(self._deadlines, (deadline, ticket))
        if len(self._deadlines) > 2 * len(self._tasks) + _FEW:
            self._deadlines = [(task.deadline, own) for own, task in self._tasks.items()]
            heapq.heapify(self._deadlines)

    def pop(self, ticket: Ticket) -> Task[Worker, Work] | None:
        """Take a task out, if it is there."""
        task = self._tasks.pop(ticket, None)
        if task is not None:
            own = self._of_worker[task.worker]
            del own[ticket]
            if not own:
                del self._of_worker[task.worker]
        return task

    def get(self, ticket: Ticket) -> Task[Worker, Work]:
        """A task that is there."""
        return self._tasks[ticket]

    def deadlines_of(self, worker: Worker) -> list[float]:
        """Those of all that a worker has."""
        return list(self._of_worker[worker].values()) if worker in self._of_worker else []

    def pop_late(self) -> Iterator[tuple[Ticket, Task[Worker, Work]]]:
        """Take out those whose time is over."""
        while self.next_deadline < self._clock():
            _, ticket = heapq.heappop(self._deadlines)
            if (task := self.pop(ticket)) is not None:
                yield ticket, task

    @property
    def next_deadline(self) -> float:
        """The first deadline; infinity without any."""
        while self._deadlines and self._deadlines[0][1] not in self._tasks:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf
