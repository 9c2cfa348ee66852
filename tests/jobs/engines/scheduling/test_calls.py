"""Items given to model workers: each has one answer, whatever breaks."""

import math
from collections.abc import Sequence

from reelshelf.jobs.engines.scheduling import Break, CallScheduler, Pool, Suspects, Ticket
from reelshelf.schemas.config import EngineConfig
from tests.support.simulated import Clock

ENGINE = EngineConfig(attempts=2, model_deadline_s=10.0)


class Calls:
    """Workers that are asked one after the other, and what each answers."""

    def __init__(self, items: int, workers: int) -> None:
        self.clock = Clock()
        self.started = 0
        self.asked: list[tuple[int, Sequence[int]]] = []
        self.pool: Pool[int] = Pool(self._start, lambda _: None, self.clock)
        for _ in range(workers):
            self.pool.grow()
        self.come_up()
        self.scheduler: CallScheduler[int, int, list[int]] = CallScheduler(
            range(items),
            self.pool,
            Suspects(self.pool),
            ENGINE,
            self._call,
            lambda item, why: [-item],
            lambda: ["node"],
            self.clock,
        )

    def _start(self, place: int) -> int:
        self.started += 1
        return self.started

    def come_up(self) -> None:
        for worker in list(self.pool._starting):
            self.pool.came_up(worker, "node")

    def _call(self, worker: int, items: Sequence[int]) -> Ticket:
        self.asked.append((worker, items))
        return Ticket(len(self.asked) - 1)

    def run(self, bad: int, how: Break | None) -> list[int]:
        """All answers; calls with one item end as it says, None: with its time."""
        answers: list[int] = []
        told = 0
        while True:
            self.scheduler.advance()
            for answer in self.scheduler.take():
                answers += answer
            if self.scheduler.is_done:
                return sorted(answers, key=abs)
            self.come_up()
            if told == len(self.asked):
                assert self.scheduler.wakes_at < math.inf
                self.clock.now = self.scheduler.wakes_at + 0.01
            for ticket in range(told, len(self.asked)):
                items = self.asked[ticket][1]
                if bad not in items:
                    self.scheduler.answered(Ticket(ticket), list(items))
                elif how is not None:
                    self.scheduler.broke(Ticket(ticket), how, "broke")
                told = ticket + 1


def test_every_item_is_answered_once() -> None:
    assert Calls(30, 3).run(-1, None) == list(range(30))


def test_an_item_that_breaks_its_call_costs_no_other() -> None:
    for how in (Break.DIED, Break.RAISED, None):
        calls = Calls(30, 3)
        assert calls.run(11, how) == [*range(11), -11, *range(12, 30)]
        assert calls.pool.count == 3


def test_what_is_lost_on_the_way_is_asked_again_for_as_long_as_it_takes() -> None:
    calls = Calls(4, 1)
    calls.scheduler.advance()
    for _ in range(20):
        calls.scheduler.broke(Ticket(len(calls.asked) - 1), Break.INPUT_LOST, "lost")
        calls.clock.now += 10.0
        calls.scheduler.advance()
    assert calls.started == 1
    assert calls.scheduler.take() == []
