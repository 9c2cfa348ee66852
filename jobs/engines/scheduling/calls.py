"""Items given to model workers part by part; of a part that fails, one by one."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from reelshelf.jobs.engines.scheduling.faults import (
    CRASHED,
    FIRST_WAIT_S,
    Break,
    Later,
    Suspects,
    failed_elsewhere,
    first_that_can,
    is_given_up,
    wait_of,
)
from reelshelf.jobs.engines.scheduling.pool import Pool, Worker
from reelshelf.jobs.engines.scheduling.running import Running, Task, Ticket
from reelshelf.schemas.config import EngineConfig

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_ITEMS_PER_CALL = 8


@dataclass(frozen=True, slots=True)
class _Part(Generic[Item]):
    """Some items for one call of a model worker; all else as of a video."""

    items: tuple[Item, ...]
    attempt: int = 1
    failed_in: frozenset[int] = frozenset()
    deaths: tuple[str, ...] = ()


class CallScheduler(Generic[Worker, Item, Answer]):
    """Has a method of model workers called on items; each gets an answer.

    `call` gives a worker some items, `lost` is the answer of one that is given up, and why, and
    `living` names the nodes that live.
    """

    def __init__(
        self,
        items: Sequence[Item],
        models: Pool[Worker],
        suspects: Suspects[Worker],
        engine: EngineConfig,
        call: Callable[[Worker, Sequence[Item]], Ticket],
        lost: Callable[[Item, str], Answer],
        living: Callable[[], Collection[str]],
        clock: Callable[[], float],
    ) -> None:
        self._models, self._suspects, self._engine = models, suspects, engine
        self._call, self._lost, self._living, self._clock = call, lost, living, clock
        parts = (items[i : i + _ITEMS_PER_CALL] for i in range(0, len(items), _ITEMS_PER_CALL))
        self._waiting = deque(_Part(tuple(part)) for part in parts)
        self._later: Later[_Part[Item]] = Later()
        self._running: Running[Worker, _Part[Item]] = Running(clock)
        self._answers: list[Answer] = []

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done or waited for."""
        return not (self._waiting or self._later or self._running)

    @property
    def wakes_at(self) -> float:
        """When there will be something to do, whatever comes."""
        return min(self._running.next_deadline, self._later.next_time)

    def take(self) -> list[Answer]:
        """The answers that have come."""
        answers, self._answers = self._answers, []
        return answers

    def advance(self) -> None:
        """Give up what takes too long, and give workers what there is."""
        for _, task in self._running.pop_late():
            self._suspects.ended(task.worker)
            self._models.replace(task.worker)
            late = f"took longer than {self._engine.model_deadline_s:g} s"
            self._again(task.work, replace(task.work, attempt=task.work.attempt + 1), 0.0, late)
        self._waiting.extend(self._later.pop_due(self._clock()))
        while (found := first_that_can(self._waiting, self._models)) is not None:
            part, worker = found
            ticket = self._call(worker, part.items)
            self._running.add(ticket, worker, part, self._engine.model_deadline_s)

    def answered(self, ticket: Ticket, answer: Answer) -> None:
        """A worker has given an answer."""
        if (task := self._running.pop(ticket)) is not None:
            self._models.give_back(task.worker, proven=True)
            self._answers.append(answer)

    def broke(self, ticket: Ticket, how: Break, why: str) -> None:
        """A call ended without an answer."""
        if (task := self._running.pop(ticket)) is not None:
            again, wait = self._after(task, how)
            self._again(task.work, again, wait, CRASHED if how is Break.DIED else why)

    def _again(self, part: _Part[Item], again: _Part[Item], wait: float, why: str) -> None:
        """Try items again after some seconds, each alone, or give up the one that there is."""
        if len(part.items) == 1 and (
            again.attempt > self._engine.attempts or is_given_up(again.deaths, self._living)
        ):
            self._answers.append(self._lost(part.items[0], why))
            return
        for item in part.items:
            self._later.add(replace(again, items=(item,)), self._clock() + wait)

    def _after(self, task: Task[Worker, _Part[Item]], how: Break) -> tuple[_Part[Item], float]:
        """Part with a worker that is dead or may be sick.

        Its items as they are tried again, and after how many seconds.
        """
        worker, part = task.worker, task.work
        if how is Break.DIED:
            node = self._models.node_of(worker)
            self._models.replace(worker)
            others = self._running.deadlines_of(worker)
            if not self._suspects.was_at_work_on(worker, task.deadline, others):
                return part, 0.0
            deaths = (*part.deaths, node) if len(part.items) == 1 else part.deaths
            return replace(part, deaths=deaths), wait_of(deaths)
        if how is Break.INPUT_LOST:
            # Neither has anything to do with it.
            self._models.give_back(worker)
            return part, FIRST_WAIT_S
        place = self._models.place_of(worker)
        believed = self._suspects.part_with(worker, [part.failed_in])
        counted = believed or failed_elsewhere(part.failed_in, place)
        places = part.failed_in | {place}
        return replace(part, attempt=part.attempt + counted, failed_in=places), 0.0
