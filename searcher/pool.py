"""Worker processes, and the queue before them.

Each worker has one job at a time. What waits is bounded by the time that it would wait: the mean
time of a job times the jobs ahead. What would wait longer is refused at once, so that those that
are accepted are answered soon, however many come. A worker that dies takes its own job with it and
nothing else: another is started in its place.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from reelshelf.indexer.search import Effort
from reelshelf.searcher import jobs
from reelshelf.searcher.framing import framed, read_message
from reelshelf.searcher.settings import ServerSettings

_LOG = logging.getLogger(__name__)
# Starts a process that reads (view, job) from its end of a pair and writes a reply to each.
Start: TypeAlias = Callable[[socket.socket], BaseProcess]
# The share of the newest job in the mean time of a job.
_NEWEST = 0.1
_FIRST_MS = 20.0
# What waits may be left out of when a job would wait for so large a share of the longest wait.
_WITHOUT_IMAGE, _WITHOUT_VECTORS = 0.3, 0.6
# A worker that is not done by then hangs, and is killed.
_HANGS_SECONDS = 30.0
# A worker that dies while it starts is started again after so long.
_RESTART_SECONDS = 1.0
# What is read of a reply at once.
_BUFFER = 2**20


class Busy(Exception):
    """The queue is full: the request is refused, and may be sent again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"the service is busy: try again in {seconds} s")
        self.seconds = seconds


class WorkerDied(Exception):
    """The process that worked on a job ended."""


@dataclass(slots=True, eq=False)
class _Task:
    """A job in the queue; `view` is what it is to be done in."""

    view: str
    job: jobs.Job
    reply: asyncio.Future[jobs.Reply]


class _Worker:
    """One process, and the task that it works on."""

    def __init__(
        self, process: BaseProcess, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process, self.reader, self.writer = process, reader, writer
        self.listening: asyncio.Task[None] | None = None
        self.task: _Task | None = None
        self.sent = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.has_release = False
        # For this worker alone, and before all that waits.
        self.own: deque[_Task] = deque()

    @property
    def is_idle(self) -> bool:
        return self.task is None


class Pool:
    """Workers of one kind of job. It belongs to the event loop that `start` is called in."""

    def __init__(self, start: Start, count: int, server: ServerSettings) -> None:
        """`start` starts a process that replies to jobs; `count` of them run."""
        self._start, self._count, self._server = start, count, server
        self._workers: list[_Worker] = []
        self._waiting: deque[_Task] = deque()
        self._mean_ms = _FIRST_MS
        self._closing = False
        self._restarts: set[asyncio.Task[None]] = set()
        # What a new worker is to open before it gets its first job.
        self._views: dict[str, jobs.OpenView] = {}
        self.deaths = 0

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def ready(self) -> int:
        """How many workers answer: all that have a release."""
        return sum(worker.has_release for worker in self._workers)

    @property
    def wait_ms(self) -> float:
        """How long a new job would wait: none where a worker is idle."""
        idle = sum(worker.is_idle for worker in self._workers)
        if idle > len(self._waiting):
            return 0.0
        ahead = len(self._waiting) + 1
        return ahead * self._mean_ms / max(1, self.ready)

    def without(self) -> frozenset[Effort]:
        """What a search is to go without now."""
        share = self.wait_ms / self._server.wait_ms
        if share >= _WITHOUT_VECTORS:
            return frozenset({"image", "vectors"})
        return frozenset({"image"}) if share >= _WITHOUT_IMAGE else frozenset()

    async def start(self) -> None:
        """Start the workers."""
        for _ in range(self._count):
            await self._start_one()

    async def open(self, job: jobs.OpenView) -> list[jobs.Reply]:
        """Have all workers open a view.

        They do so one after the other, so that the others answer meanwhile; all at once where
        nothing is open yet that they could answer from.
        """
        is_first = not self._views
        self._views[job.view] = job
        if is_first:
            return await asyncio.gather(*(self._tell(one, job) for one in self._workers))
        return [await self._tell(one, job) for one in list(self._workers)]

    async def close_view(self, view: str) -> None:
        """Have all workers forget a view, each when it is done with what it works on.

        Nothing is done where they have not opened it.
        """
        if self._views.pop(view, None) is None:
            return
        for worker in list(self._workers):
            await self._tell(worker, jobs.CloseView(view))

    async def ask(self, view: str, job: jobs.Question) -> jobs.Reply:
        """Do a job. Raises Busy, WorkerDied, or TimeoutError after the deadline."""
        server = self._server
        if self.wait_ms > server.wait_ms:
            raise Busy(1 + int(self.wait_ms / 1000))
        return await asyncio.wait_for(self._put(view, job), server.deadline_ms / 1000)

    async def stop(self) -> None:
        """End the workers, which finish what they work on; what waits is refused."""
        self._closing = True
        for task in self._waiting:
            task.reply.cancel()
        self._waiting.clear()
        for worker in self._workers:
            worker.writer.close()
        for worker in self._workers:
            await asyncio.to_thread(worker.process.join, 5)
            worker.process.kill()
        self._workers.clear()

    def _put(self, view: str, job: jobs.Job) -> "asyncio.Future[jobs.Reply]":
        task = _Task(view, job, asyncio.get_running_loop().create_future())
        self._waiting.append(task)
        self._hand_out()
        return task.reply

    async def _tell(self, worker: _Worker, job: jobs.Job) -> jobs.Reply:
        """Have one worker do a job before all that waits; None where it dies."""
        task = _Task("", job, asyncio.get_running_loop().create_future())
        if worker not in self._workers:
            return None
        worker.own.append(task)
        self._hand_out()
        try:
            return await task.reply
        except WorkerDied:
            return None

    def _hand_out(self) -> None:
        """Give what waits to workers that are idle."""
        for worker in self._workers:
            while worker.is_idle and (worker.own or self._waiting):
                task = worker.own.popleft() if worker.own else self._waiting.popleft()
                # Nobody waits any more for what was given up.
                if not task.reply.done():
                    self._send(worker, task)

    def _send(self, worker: _Worker, task: _Task) -> None:
        worker.task, worker.sent = task, time.perf_counter()
        # What a worker that hangs does not read is kept here, and waits for nobody.
        worker.writer.write(framed((task.view, task.job)))
        if not isinstance(task.job, jobs.OpenView):
            loop = asyncio.get_running_loop()
            worker.timer = loop.call_later(_HANGS_SECONDS, self._kill, worker)

    def _kill(self, worker: _Worker) -> None:
        _LOG.error("worker %d does not answer: it is killed", worker.process.pid)
        worker.process.kill()

    async def _start_one(self) -> _Worker:
        own, far = socket.socketpair()
        process = self._start(far)
        far.close()
        worker = _Worker(process, *await asyncio.open_connection(sock=own, limit=_BUFFER))
        self._workers.append(worker)
        worker.listening = asyncio.create_task(self._listen(worker))
        return worker

    async def _listen(self, worker: _Worker) -> None:
        """Take the replies of a worker until it ends."""
        while True:
            try:
                reply: jobs.Reply = await read_message(worker.reader)
            except (asyncio.IncompleteReadError, OSError):
                self._bury(worker)
                return
            self._receive(worker, reply)

    def _receive(self, worker: _Worker, reply: jobs.Reply) -> None:
        """A worker has replied."""
        task, worker.task = worker.task, None
        if worker.timer is not None:
            worker.timer.cancel()
        if isinstance(reply, jobs.Opened):
            worker.has_release = True
        if task is not None:
            if isinstance(reply, jobs.Done):
                took = (time.perf_counter() - worker.sent) * 1000
                self._mean_ms += _NEWEST * (took - self._mean_ms)
            if not task.reply.done():
                task.reply.set_result(reply)
        self._hand_out()

    def _bury(self, worker: _Worker) -> None:
        """A worker is gone."""
        if worker in self._workers:
            self._workers.remove(worker)
        worker.writer.close()
        if worker.timer is not None:
            worker.timer.cancel()
        for lost in (worker.task, *worker.own):
            if lost is not None and not lost.reply.done():
                lost.reply.set_exception(WorkerDied("the process that worked on it ended"))
        if self._closing:
            return
        self.deaths += 1
        task = asyncio.get_running_loop().create_task(self._replace(worker))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _replace(self, gone: _Worker) -> None:
        """Start a worker in the place of one, and have it open what the others have open."""
        await asyncio.to_thread(gone.process.join, _RESTART_SECONDS)
        gone.process.kill()
        code = gone.process.exitcode
        _LOG.error("a worker ended (exit code %s): another is started", code)
        await asyncio.sleep(_RESTART_SECONDS if self.deaths > self._count else 0)
        worker = await self._start_one()
        # These come before all that waits: no job reaches it before it has the views.
        await asyncio.gather(*(self._tell(worker, job) for job in self._views.values()))
