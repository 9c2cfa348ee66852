"""What workers have been asked on Ray, and what has come of it.

Ray calls back when an answer is there. To ask it for those of all that are waited for takes longer
the more these are.
"""

import itertools
import math
import queue
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayError, RayTaskError

from reelshelf.jobs.engines.scheduling import Break, Ticket
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import VideoJob

# Waiting is looked up from so often: workers that never come up are told of then.
_POLL_S = 0.5

PixelsRef: TypeAlias = "ray.ObjectRef[DecodedVideo]"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer."""

    ticket: Ticket
    value: Any


@dataclass(frozen=True, slots=True)
class Broke:
    """A call without an answer: how it ended, and why in words."""

    ticket: Ticket
    how: Break
    why: str
    error: BaseException


class Calls:
    """Calls that wait for their answers, by ticket."""

    def __init__(self) -> None:
        self._tickets = itertools.count()
        self._come: queue.SimpleQueue[tuple[Ticket, Future[object]]] = queue.SimpleQueue()

    def expect(self, ref: "ray.ObjectRef[object]") -> Ticket:
        """Have it told when an answer is there."""
        ticket = Ticket(next(self._tickets))
        ref.future().add_done_callback(partial(self._put, ticket))
        return ticket

    def _put(self, ticket: Ticket, future: "Future[object]") -> None:
        self._come.put((ticket, future))

    def completed(self, until: float = math.inf) -> Iterator[Answered | Broke]:
        """All that has come; where nothing has, the first that does by a time or a moment on."""
        waits = max(0.0, min(_POLL_S, until - time.monotonic()))
        with suppress(queue.Empty):
            yield _came(*self._come.get(timeout=waits))
            while True:
                yield _came(*self._come.get_nowait())

    def decode(self, worker: ActorHandle, job: VideoJob) -> tuple[Ticket, PixelsRef]:
        """Have a video decoded, into the object store."""
        status, pixels = worker.decode.options(num_returns=2).remote(job)
        return self.expect(status), pixels

    def run_models(
        self, worker: ActorHandle, jobs: Sequence[VideoJob], pixels: Sequence[PixelsRef]
    ) -> Ticket:
        """Have the models run over decoded videos, which Ray brings to the worker."""
        return self.expect(worker.run_models.remote(jobs, *pixels))


def end_worker(worker: ActorHandle) -> None:
    """End a worker at once, whatever it is doing."""
    # One that is gone already, or whose cluster is, has ended.
    with suppress(RayError, ValueError):
        ray.kill(worker)


def _came(ticket: Ticket, future: "Future[object]") -> Answered | Broke:
    error = future.exception()
    if error is None:
        return Answered(ticket, future.result())
    if not isinstance(error, RayTaskError):
        return Broke(ticket, Break.DIED, str(error), error)
    cause = error.cause
    if isinstance(cause, RayError):
        return Broke(ticket, Break.INPUT_LOST, str(cause), cause)
    return Broke(ticket, Break.RAISED, f"{type(cause).__name__}: {cause}", cause or error)
