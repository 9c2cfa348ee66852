"""Workers and the queue before them: real processes, which are stopped and killed."""

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess

import pytest
import uvloop

from reelshelf.searcher import jobs
from reelshelf.searcher.framing import Channel
from reelshelf.searcher.pool import Busy, Pool, WorkerDied
from reelshelf.searcher.settings import ServerSettings

pytestmark = pytest.mark.integration
_SPAWN = multiprocessing.get_context("spawn")


def reply_to(own: socket.socket) -> None:
    """A worker that does what the text of a job says: "sleep 0.1", "die", or its own process id."""
    channel, opened = Channel(own), set[str]()
    while True:
        try:
            view, job = channel.receive()
        except (EOFError, OSError):
            return
        reply: jobs.Reply = None
        match job:
            case jobs.OpenView():
                opened.add(job.view)
                reply = jobs.Opened(job.view, f"release of {job.run_id}")
            case jobs.CloseView():
                opened.discard(job.view)
            case jobs.Suggest():
                words = job.text.split()
                if words[0] == "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                if words[0] == "large":
                    channel.send(jobs.Done(b"x" * int(words[1]), 1.0))
                    continue
                if words[0] == "sleep":
                    time.sleep(float(words[1]))
                is_open = b"open" if view in opened else b"closed"
                reply = jobs.Done(is_open + b" %d" % os.getpid(), 1.0)
        with suppress(OSError):
            channel.send(reply)


def start(own: socket.socket) -> BaseProcess:
    process = _SPAWN.Process(target=reply_to, args=(own,), daemon=True)
    process.start()
    return process


def run(
    act: Callable[[Pool], Awaitable[None]], count: int = 2, server: ServerSettings | None = None
) -> None:
    """Do something with a pool whose workers have opened release r1."""

    async def acted() -> None:
        pool = Pool(start, count, server or ServerSettings(deadline_ms=60_000))
        await pool.start()
        try:
            await pool.open(jobs.OpenView("r1", "r1"))
            await act(pool)
        finally:
            await pool.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(acted())


async def said(pool: Pool, text: str, view: str = "r1") -> str:
    reply = await pool.ask(view, jobs.Suggest(text, 1))
    assert isinstance(reply, jobs.Done)
    return reply.body.decode()


def test_a_worker_that_dies_takes_its_own_job_with_it_and_no_other() -> None:
    async def act(pool: Pool) -> None:
        results = await asyncio.gather(
            *(said(pool, text) for text in ("die", "sleep 0.3", "x", "y")), return_exceptions=True
        )
        assert isinstance(results[0], WorkerDied)
        assert all(isinstance(one, str) and one.startswith("open") for one in results[1:])
        # The one in its place has the release before it gets a job.
        while pool.ready < 2:
            await asyncio.sleep(0.01)
        both = await asyncio.gather(said(pool, "sleep 0.3"), said(pool, "sleep 0.3"))
        assert len(set(both)) == 2
        assert all(one.startswith("open") for one in both)
        assert pool.deaths == 1

    run(act)


def test_what_would_wait_too_long_is_refused_at_once() -> None:
    async def act(pool: Pool) -> None:
        # A mean of 20 ms is taken for granted until jobs have been done.
        accepted, refused = [], 0
        for _ in range(20):
            try:
                accepted.append(asyncio.ensure_future(said(pool, "sleep 0.05")))
                await asyncio.sleep(0)
                if accepted[-1].done() and accepted[-1].exception():
                    refused += isinstance(accepted.pop().exception(), Busy)
            except Busy:
                refused += 1
        assert 2 <= len(accepted) <= 8
        assert refused == 20 - len(accepted)
        assert all(one.startswith("open") for one in await asyncio.gather(*accepted))
        assert pool.wait_ms == 0
        await said(pool, "x")

    run(act, server=ServerSettings(wait_ms=50, deadline_ms=60_000))


def test_less_is_searched_the_longer_the_queue_is() -> None:
    async def act(pool: Pool) -> None:
        seen = [pool.without()]
        waiting = []
        for _ in range(5):
            waiting.append(asyncio.ensure_future(said(pool, "sleep 0.2")))
            await asyncio.sleep(0)
            seen.append(pool.without())
        await asyncio.gather(*waiting)
        assert seen[0] == frozenset()
        assert seen[-1] == {"image", "vectors"}
        sizes = [len(one) for one in seen]
        assert sizes == sorted(sizes)

    run(act, count=1, server=ServerSettings(wait_ms=100, deadline_ms=60_000))


def test_a_job_that_takes_too_long_is_given_up_and_the_next_one_is_done() -> None:
    async def act(pool: Pool) -> None:
        with pytest.raises(TimeoutError):
            await said(pool, "sleep 1")
        # Nobody is given the answer to another's question.
        assert (await pool.open(jobs.OpenView("r2", "r2")))[0] == jobs.Opened("r2", "release of r2")

    run(act, count=1, server=ServerSettings(deadline_ms=100))


def test_a_reply_may_be_larger_than_what_a_socket_holds() -> None:
    async def act(pool: Pool) -> None:
        for size in (10, 300_000, 5_000_000):
            assert len(await said(pool, f"large {size}")) == size
        assert pool.deaths == 0

    run(act)


def test_a_release_is_opened_before_what_waits_and_closed_after_what_is_done() -> None:
    async def act(pool: Pool) -> None:
        waiting = [asyncio.ensure_future(said(pool, "sleep 0.1")) for _ in range(3)]
        await asyncio.sleep(0)
        await pool.open(jobs.OpenView("r2", "r2"))
        assert not all(one.done() for one in waiting)
        assert (await said(pool, "x", "r2")).startswith("open")
        assert all(one.startswith("open") for one in await asyncio.gather(*waiting))
        await pool.close_view("r1")
        assert (await said(pool, "x", "r1")).startswith("closed")

    run(act, count=1, server=ServerSettings(wait_ms=1000, deadline_ms=60_000))
