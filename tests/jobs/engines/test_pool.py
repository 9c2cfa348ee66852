"""Which worker gets what has failed in one that may be sick. Workers are stand-ins here."""

from types import SimpleNamespace

import pytest

from reelshelf.jobs.engines.ray import workers as ray_workers
from reelshelf.jobs.engines.ray.workers import Pool, Up


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ray_workers, "time", clock)
    monkeypatch.setattr(ray_workers.ray, "kill", lambda worker: None)
    monkeypatch.setattr(ray_workers.ray, "get", lambda ref: Up("node", ref))
    return clock


def worker(place: int = 0) -> SimpleNamespace:
    return SimpleNamespaceWithHash(load=SimpleNamespace(remote=object))


class SimpleNamespaceWithHash(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other


def pool_of(count: int, *, up: int) -> Pool:
    pool = Pool(worker, lambda loaded: None, "engine.model_workers")
    for _ in range(count):
        pool.grow()
    come_up(pool, up)
    return pool


def come_up(pool: Pool, count: int | None = None) -> None:
    for ref in list(pool.starting)[:count]:
        pool.started(ref)


def test_a_proven_worker_is_preferred_and_waited_for(clock: Clock) -> None:
    pool = pool_of(2, up=2)
    well = pool.take()
    pool.give_back(well, proven=True)
    other = pool.take_trusted(frozenset([7]))
    assert other is well
    assert pool.take_trusted(frozenset([7])) is None
    pool.give_back(other)
    assert pool.take_trusted(frozenset([7])) is well


def test_another_place_is_waited_for_while_it_is_at_work(clock: Clock) -> None:
    pool = pool_of(2, up=2)
    first = pool.take()
    second = pool.take()
    failed_in = frozenset([pool.place_of(first)])
    pool.replace_sick(first, evident=True)
    come_up(pool)
    assert pool.take_trusted(failed_in) is None
    pool.give_back(second)
    assert pool.take_trusted(failed_in) is second


def test_a_worker_that_never_starts_is_not_waited_for_for_ever(clock: Clock) -> None:
    pool = pool_of(2, up=1)
    only = pool.take()
    failed_in = frozenset([pool.place_of(only)])
    pool.give_back(only)
    assert pool.take_trusted(failed_in) is None
    clock.now += ray_workers._HOPEFUL_S + 1
    assert pool.take_trusted(failed_in) is only


def test_a_place_that_is_sick_again_and_again_is_given_up_and_the_last_is_kept(
    clock: Clock,
) -> None:
    pool = pool_of(2, up=2)
    started = 0
    for _ in range(ray_workers._SICK_IN_A_ROW + 1):
        sick = next(w for w in pool._alive if pool.place_of(w) == 1)
        pool._idle.remove(sick)
        assert pool.replace_sick(sick, evident=True)
        started += len(pool.starting)
        come_up(pool)
    assert started == ray_workers._SICK_IN_A_ROW
    assert [pool.place_of(w) for w in pool._alive] == [2]
    for _ in range(ray_workers._SICK_IN_A_ROW):
        assert pool.replace_sick(pool.take(), evident=True)
        come_up(pool)
    assert not pool.replace_sick(pool.take(), evident=True)
    assert pool.any_idle


def test_what_came_of_a_worker_clears_its_place(clock: Clock) -> None:
    pool = pool_of(1, up=1)
    for _ in range(3 * ray_workers._SICK_IN_A_ROW):
        one = pool.take()
        pool.prove(one)
        assert pool.replace_sick(one, evident=True)
        come_up(pool)


def test_an_input_that_failed_elsewhere_costs_no_worker(clock: Clock) -> None:
    pool = pool_of(2, up=2)
    one = pool.take()
    assert pool.replace_sick(one, evident=False)
    assert not pool.starting
    assert pool.any_idle
