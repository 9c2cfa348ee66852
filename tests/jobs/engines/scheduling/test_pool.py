"""Which worker gets what has failed in one that may be sick. Workers are stand-ins here."""

import itertools
from collections.abc import Callable

import pytest

from reelshelf.jobs.engines.scheduling import Pool, Suspects
from reelshelf.jobs.engines.scheduling import pool as pools
from reelshelf.schemas.errors import ConfigError
from tests.support.simulated import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pool_of(
    count: int, clock: Clock, *, up: int, slots: Callable[[int], int] = lambda _: 1
) -> Pool[int]:
    numbers = itertools.count(1)
    pool: Pool[int] = Pool(lambda _: next(numbers), lambda _: None, clock, slots)
    for _ in range(count):
        pool.grow()
    come_up(pool, up)
    return pool


def come_up(pool: Pool[int], count: int | None = None) -> None:
    for worker in sorted(pool._starting)[:count]:
        pool.came_up(worker, "node")


def test_a_proven_worker_is_preferred_and_waited_for(clock: Clock) -> None:
    pool = pool_of(2, clock, up=2)
    well = pool.take()
    pool.give_back(well, proven=True)
    other = pool.take_trusted(frozenset([7]))
    assert other is well
    assert pool.take_trusted(frozenset([7])) is None
    pool.give_back(other)
    assert pool.take_trusted(frozenset([7])) is well


def test_another_place_is_waited_for_while_it_is_at_work(clock: Clock) -> None:
    pool = pool_of(2, clock, up=2)
    first = pool.take()
    second = pool.take()
    failed_in = frozenset([pool.place_of(first)])
    pool.replace_sick(first, evident=True)
    come_up(pool)
    assert pool.take_trusted(failed_in) is None
    pool.give_back(second)
    assert pool.take_trusted(failed_in) is second


def test_a_worker_that_never_starts_is_not_waited_for_for_ever(clock: Clock) -> None:
    pool = pool_of(2, clock, up=1)
    only = pool.take()
    failed_in = frozenset([pool.place_of(only)])
    pool.give_back(only)
    assert pool.take_trusted(failed_in) is None
    clock.now += pools._HOPEFUL_S + 1
    assert pool.take_trusted(failed_in) is only


def test_a_place_that_is_sick_again_and_again_is_given_up_and_the_last_is_kept(
    clock: Clock,
) -> None:
    pool = pool_of(2, clock, up=2)
    started = 0
    for _ in range(pools._SICK_IN_A_ROW + 1):
        sick = next(w for w in pool._alive if pool.place_of(w) == 1)
        pool._set_free(sick, 0)
        assert pool.replace_sick(sick, evident=True)
        started += len(pool._starting)
        come_up(pool)
    assert started == pools._SICK_IN_A_ROW
    assert [pool.place_of(w) for w in pool._alive] == [2]
    for _ in range(pools._SICK_IN_A_ROW):
        assert pool.replace_sick(pool.take(), evident=True)
        come_up(pool)
    assert not pool.replace_sick(pool.take(), evident=True)
    assert pool.idle


def test_what_came_of_a_worker_clears_its_place(clock: Clock) -> None:
    pool = pool_of(1, clock, up=1)
    for _ in range(3 * pools._SICK_IN_A_ROW):
        one = pool.take()
        pool.prove(one)
        assert pool.replace_sick(one, evident=True)
        come_up(pool)


def test_an_input_that_failed_elsewhere_costs_no_worker(clock: Clock) -> None:
    pool = pool_of(2, clock, up=2)
    one = pool.take()
    assert pool.replace_sick(one, evident=False)
    assert not pool._starting
    assert pool.idle


def test_a_worker_with_nothing_to_do_gets_work_before_one_that_has_some(clock: Clock) -> None:
    pool = pool_of(3, clock, up=3, slots=lambda _: 2)
    taken = [pool.take() for _ in range(6)]
    assert sorted(taken[:3]) == sorted(taken[3:]) == [1, 2, 3]
    assert pool.take() is None


def test_another_node_is_preferred_to_one_on_which_a_worker_died(clock: Clock) -> None:
    pool = pool_of(2, clock, up=0, slots=lambda _: 2)
    pool.came_up(1, "here")
    pool.came_up(2, "there")
    assert [pool.take(["there"]) for _ in range(3)] == [1, 1, 2]


def test_one_loss_is_put_down_to_what_the_worker_was_at_work_on(clock: Clock) -> None:
    suspects = Suspects(pool_of(2, clock, up=2))
    first, second = 1, 2
    # Two pieces of work of one worker, in whichever order their losses come to be known.
    assert not suspects.was_at_work_on(first, 20.0, [10.0])
    assert suspects.was_at_work_on(first, 10.0, [])
    assert suspects.was_at_work_on(second, 10.0, [20.0])
    assert not suspects.was_at_work_on(second, 20.0, [])


def test_workers_that_die_while_they_start_are_told_of(clock: Clock) -> None:
    pool = pool_of(1, clock, up=0)
    for _ in range(pools._DEATHS_AT_START):
        pool.died_at_start(max(pool._starting), "no such library")
    with pytest.raises(ConfigError, match="no such library"):
        pool.died_at_start(max(pool._starting), "no such library")


def test_a_pool_of_which_none_comes_up_is_stuck_after_a_while(clock: Clock) -> None:
    pool = pool_of(1, clock, up=0)
    assert not pool.is_stuck
    clock.now += pools.START_S + 1
    assert pool.is_stuck
    come_up(pool)
    assert not pool.is_stuck
