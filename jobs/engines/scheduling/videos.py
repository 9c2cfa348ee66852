"""Videos on their way from decoders to models, and what becomes of each.

Decoding stops while what is decoded takes as many bytes as it may, so memory does not grow with
the input. A video that takes long is put off while others wait for its decoder.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from reelshelf.indexer.extract.work import failed
from reelshelf.indexer.pipeline.engine import MOST_BATCH_BYTES
from reelshelf.jobs.engines.scheduling.faults import (
    CRASHED,
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
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.outcomes import Divided, Failed, Outcome, VideoJob

Pixels = TypeVar("Pixels")
Given = TypeVar("Given", contravariant=True)

_LOG = logging.getLogger(__name__)

# A decode worker keeps the deadline itself. One that has not answered by so much later is stuck.
_ANSWERS_WITHIN_S = 15.0
# Errors that may be the worker's and not the input's.
_UNEXPECTED = (FailureKind.INTERNAL, FailureKind.OUT_OF_MEMORY)
# So many times as long as others took on average is long.
_LONG = 4.0


class VideoCalls(Protocol[Given, Pixels]):
    """Gives workers what they are to do. What has come of it is told to the scheduler later."""

    def decode(self, worker: Given, job: VideoJob) -> tuple[Ticket, Pixels]:
        """Have a video decoded; its pixels are there when that is done, wherever they lie."""
        ...

    def run_models(
        self, worker: Given, jobs: Sequence[VideoJob], pixels: Sequence[Pixels]
    ) -> Ticket:
        """Have the models run over decoded videos."""
        ...


@dataclass(frozen=True, slots=True)
class _Try:
    """A video on its way. `alone`: its last batch failed, so it gets one of its own.

    `deferred`: it took long and was put off; now it may take its time. `failed_in`: the places of
    workers in which it failed, and which may be sick. `deaths`: the nodes on which a worker died
    that had it alone, in `died_in`.
    """

    job: VideoJob
    attempt: int = 1
    alone: bool = False
    deferred: bool = False
    failed_in: frozenset[int] = frozenset()
    deaths: tuple[str, ...] = ()
    died_in: str = ""

    def again(self, *, counted: bool, place: int | None = None) -> "_Try":
        places = self.failed_in if place is None else self.failed_in | {place}
        return replace(self, attempt=self.attempt + counted, alone=True, failed_in=places)

    def after_death(self, node: str, stage: str) -> "_Try":
        return replace(self, alone=True, deaths=(*self.deaths, node), died_in=stage)


@dataclass(frozen=True, slots=True)
class _Decoded(Generic[Pixels]):
    """A decoded video, of so many bytes."""

    video: _Try
    pixels: Pixels
    size: int

    @property
    def failed_in(self) -> frozenset[int]:
        return self.video.failed_in

    @property
    def deaths(self) -> tuple[str, ...]:
        return self.video.deaths


class VideoScheduler(Generic[Worker, Pixels]):
    """Gets every video decoded and its models run, and has one outcome for each.

    `calls` give workers what it says. `most_bytes` is what decoded videos may take; `fill_s` is how
    long they wait for others, to go through the models with them. `living` names the nodes that
    live.
    """

    def __init__(
        self,
        jobs: Iterable[VideoJob],
        decoders: Pool[Worker],
        models: Pool[Worker],
        suspects: Suspects[Worker],
        calls: VideoCalls[Worker, Pixels],
        engine: EngineConfig,
        most_bytes: float,
        fill_s: float,
        living: Callable[[], Collection[str]],
        clock: Callable[[], float],
    ) -> None:
        self._remaining = iter(jobs)
        self._decoders, self._models, self._suspects = decoders, models, suspects
        self._calls, self._engine = calls, engine
        self._most_bytes, self._fill_s = most_bytes, fill_s
        self._living, self._clock = living, clock
        self._retries: deque[_Try] = deque()
        # Those whose worker died.
        self._orphaned: Later[_Try] = Later()
        self._deferred: deque[_Try] = deque()
        self._decoding: Running[Worker, tuple[_Try, Pixels]] = Running(clock)
        # Of those, the ones that may be put off, in the order in which they began.
        self._undeferred: dict[Ticket, None] = {}
        self._ready: deque[_Decoded[Pixels]] = deque()
        self._modeling: Running[Worker, list[_Decoded[Pixels]]] = Running(clock)
        # Decoded videos that are ready or being modeled.
        self._stored, self._stored_bytes = 0, 0
        self._waits_since: float | None = None
        self._decoded_count, self._decode_s, self._put_off_in_vain = 0, 0.0, 0
        self._outcomes: list[Outcome] = []

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done or waited for, once `advance` was called."""
        waiting = self._retries or self._orphaned or self._deferred or self._ready
        return not (waiting or self._decoding or self._modeling)

    @property
    def wakes_at(self) -> float:
        """When there will be something to do, whatever comes."""
        deadlines = (self._decoding.next_deadline, self._modeling.next_deadline)
        soft = []
        if self._waits_since is not None:
            soft.append(self._waits_since + self._fill_s)
        if self._undeferred:
            soft.append(self._decoding.get(next(iter(self._undeferred))).began + self._long)
        # What is past waits for a worker.
        now = self._clock()
        return min(*deadlines, self._orphaned.next_time, *(at for at in soft if at > now))

    def take(self) -> list[Outcome]:
        """The outcomes that have come."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def advance(self) -> None:
        """Give up what takes too long, and give workers what there is."""
        self._end_late()
        self._adopt()
        while self._wants_more and self._decoders.idle and (video := self._next()) is not None:
            worker = self._decoders.take(video.deaths)
            assert worker is not None
            ticket, pixels = self._calls.decode(worker, video.job)
            latest = self._engine.decode_deadline_s + _ANSWERS_WITHIN_S
            self._decoding.add(ticket, worker, (video, pixels), latest)
            if not video.deferred:
                self._undeferred[ticket] = None
        if self._wants_more and not self._decoders.idle:
            self._put_off()
        self._start_models()
        if self.is_done and (video := self._next()) is not None:
            self._retries.append(video)  # no decoder is free yet

    def decoded(self, ticket: Ticket, ended: Failed | Divided | None, size: int) -> None:
        """A video has been decoded, into so many bytes, or has `ended`."""
        if (task := self._pop_decoding(ticket)) is None:
            return
        self._decoders.give_back(task.worker)
        self._decoded_count += 1
        self._decode_s += self._clock() - task.began
        self._put_off_in_vain = 0
        video, pixels = task.work
        if ended is None:
            self._ready.append(_Decoded(video, pixels, size))
            self._stored += 1
            self._stored_bytes += size
        elif (
            isinstance(ended, Failed)
            and ended.kind is FailureKind.CRASHED
            and video.attempt < self._engine.attempts
        ):
            self._retries.append(video.again(counted=True))
        else:
            self._outcomes.append(ended)

    def modeled(self, ticket: Ticket, outcomes: Sequence[Outcome]) -> None:
        """The models have been run over a batch."""
        if (task := self._pop_modeling(ticket)) is None:
            return
        unexpected = [isinstance(o, Failed) and o.kind in _UNEXPECTED for o in outcomes]
        if not any(unexpected):
            self._models.give_back(task.worker, proven=True)
            self._outcomes.extend(outcomes)
            return
        if not all(unexpected):
            self._models.prove(task.worker)
        place = self._models.place_of(task.worker)
        tried = [item.video for item, is_it in zip(task.work, unexpected, strict=True) if is_it]
        believed = self._suspects.part_with(task.worker, [video.failed_in for video in tried])
        for item, outcome, is_it in zip(task.work, outcomes, unexpected, strict=True):
            counted = believed or failed_elsewhere(item.failed_in, place)
            tries = item.video.attempt + counted
            # Where every place is sick, trying again tells nothing, and waiting costs the night.
            if is_it and not self._suspects.all_are_sick and tries <= self._engine.attempts:
                # After all that is new: that shows which workers are well.
                self._deferred.append(item.video.again(counted=counted, place=place))
            else:
                self._outcomes.append(outcome)

    def broke(self, ticket: Ticket, how: Break, why: str) -> None:
        """A worker has given no answer, but has died or raised an error, or lost what it had."""
        if (decoding := self._pop_decoding(ticket)) is not None:
            # The worker itself, and not the child that decodes.
            self._lose_decoder(decoding)
        elif (modeling := self._pop_modeling(ticket)) is not None:
            self._lose_models(modeling, how, why)

    @property
    def _wants_more(self) -> bool:
        """Whether more may be decoded: with what is about to be, as large as others on average."""
        mean = self._stored_bytes / self._stored if self._stored else 0.0
        size = self._stored_bytes + mean * len(self._decoding)
        # The first is decoded however large it may be.
        return size < self._most_bytes or not (self._decoding or self._ready)

    def _next(self) -> _Try | None:
        """The video to decode: one whose worker died, a new one, and last what was put off."""
        if self._retries:
            return self._retries.popleft()
        if (job := next(self._remaining, None)) is not None:
            return _Try(job)
        return self._deferred.popleft() if self._deferred else None

    def _adopt(self) -> None:
        """Try videos again whose worker died, once they have waited, or do not."""
        for video in self._orphaned.pop_due(self._clock()):
            if not is_given_up(video.deaths, self._living):
                self._retries.append(video)
                continue
            what = "models" if video.died_in == "models" else "decoder"
            message = f"its {what} {CRASHED}, each of {len(video.deaths)} times"
            self._outcomes.append(failed(video.job, video.died_in, FailureKind.CRASHED, message))

    def _orphan(self, video: _Try, node: str, stage: str) -> None:
        orphan = video.after_death(node, stage)
        self._orphaned.add(orphan, self._clock() + wait_of(orphan.deaths))

    def _pop_decoding(self, ticket: Ticket) -> Task[Worker, tuple[_Try, Pixels]] | None:
        self._undeferred.pop(ticket, None)
        return self._decoding.pop(ticket)

    def _pop_modeling(self, ticket: Ticket) -> Task[Worker, list[_Decoded[Pixels]]] | None:
        task = self._modeling.pop(ticket)
        if task is not None:
            self._forget(task.work)
        return task

    def _forget(self, batch: Sequence[_Decoded[Pixels]]) -> None:
        self._stored -= len(batch)
        self._stored_bytes -= sum(item.size for item in batch)

    def _end_late(self) -> None:
        """Part with workers that are stuck."""
        for ticket, decoding in self._decoding.pop_late():
            self._undeferred.pop(ticket, None)
            self._lose_decoder(decoding)
        for _, modeling in self._modeling.pop_late():
            self._forget(modeling.work)
            self._suspects.ended(modeling.worker)
            self._models.replace(modeling.worker)
            if len(modeling.work) > 1:
                self._each_alone(modeling.work)
                continue
            message = f"its models took longer than {self._engine.model_deadline_s:g} s"
            job = modeling.work[0].video.job
            self._outcomes.append(failed(job, "models", FailureKind.DEADLINE, message))

    @property
    def _long(self) -> float:
        """Seconds of decoding that are long for this shop: in one of replays all take as long."""
        usual = self._decode_s / max(self._decoded_count, 1)
        return max(self._engine.slow_after_s, _LONG * usual)

    def _put_off(self) -> None:
        """Put off the video that takes longest, if that is long, for others that wait.

        Before anything has been decoded nobody can tell: then each decoder may put off one.
        """
        if not self._undeferred or self._put_off_in_vain >= self._decoders.count:
            return
        ticket = next(iter(self._undeferred))
        if self._clock() - self._decoding.get(ticket).began <= self._long:
            return
        if (waiting := self._next()) is None:
            return
        self._retries.appendleft(waiting)
        task = self._pop_decoding(ticket)
        assert task is not None
        self._decoders.replace(task.worker)
        self._deferred.append(replace(task.work[0], deferred=True))
        self._put_off_in_vain += 1

    def _start_models(self) -> None:
        if self._waits_for_more():
            return
        while (found := first_that_can(self._ready, self._models)) is not None:
            first, worker = found
            batch, size = [first], first.size
            while (
                self._ready
                and len(batch) < self._engine.videos_per_batch
                and size < MOST_BATCH_BYTES
                and not (first.video.alone or self._ready[0].video.alone)
            ):
                batch.append(self._ready.popleft())
                size += batch[-1].size
            self._waits_since = None
            jobs = [item.video.job for item in batch]
            ticket = self._calls.run_models(worker, jobs, [item.pixels for item in batch])
            self._modeling.add(ticket, worker, batch, self._engine.model_deadline_s * len(batch))

    def _waits_for_more(self) -> bool:
        """Whether what is decoded is to wait for others, to go through a GPU with them."""
        most = self._engine.videos_per_batch
        whole = len(self._ready) >= most or (
            sum(item.size for item in self._ready) >= MOST_BATCH_BYTES
        )
        if not self._fill_s or not self._ready or whole or not self._decoding:
            self._waits_since = None
            return False
        now = self._clock()
        if self._waits_since is None:
            self._waits_since = now
        return now - self._waits_since < self._fill_s

    def _lose_decoder(self, task: Task[Worker, tuple[_Try, Pixels]]) -> None:
        """A decode worker is gone, or is to go: its video is tried elsewhere."""
        video = task.work[0]
        with log_context(video_id=video.job.source.video_id, stage="decode"):
            _LOG.warning("its decode worker died; another takes its place")
        self._orphan(video, self._decoders.node_of(task.worker), "decode")
        self._decoders.replace(task.worker)

    def _lose_models(
        self, task: Task[Worker, list[_Decoded[Pixels]]], how: Break, why: str
    ) -> None:
        """A dead model worker, or decoded videos lost with a node: from the start, each alone."""
        if how is not Break.DIED:
            self._models.give_back(task.worker)
            for item in task.work:
                if how is Break.INPUT_LOST:
                    self._orphan(item.video, "", "models")
                elif item.video.attempt < self._engine.attempts:
                    self._retries.append(item.video.again(counted=True))
                else:
                    job = item.video.job
                    self._outcomes.append(failed(job, "models", FailureKind.CRASHED, why))
            return
        _LOG.warning("a model worker died over %d videos; another starts", len(task.work))
        node = self._models.node_of(task.worker)
        self._models.replace(task.worker)
        others = self._modeling.deadlines_of(task.worker)
        at_work = self._suspects.was_at_work_on(task.worker, task.deadline, others)
        if len(task.work) == 1 and at_work:
            self._orphan(task.work[0].video, node, "models")
            return
        # Who of them did it, if any did, shows when each is alone.
        self._each_alone(task.work)

    def _each_alone(self, batch: Sequence[_Decoded[Pixels]]) -> None:
        self._retries.extend(item.video.again(counted=False) for item in batch)
