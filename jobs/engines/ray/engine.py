"""The engine on Ray: videos flow from decode workers to model workers, both in processes of theirs.

Each decode worker has a child that decodes: where that hangs, crashes or takes too much memory, the
worker says so, and one video has failed. There are never more of them than the setting says, and
each asks Ray for its memory. A video that takes long is put off while others wait for its decoder.
Decoded videos travel through Ray's object store and never through the driver. Decoding stops while
the store is as full as it may be, so memory does not grow with the input.

A worker that dies, and decoded videos that are lost with a node, are nobody's fault but the
infrastructure's: what it had in hand is tried again after a while, as often as it takes. Only a
video over which workers died on two living nodes, or three times where one lives, is given up.

An error that nobody expects of an input may be the worker's: it is replaced, and what failed in it
is tried in one from which something has come. Only there does it count as the input's own.

Ray starts its workers from a clean process; nothing is forked with models or decoders inside.
Ray Data was not taken: a task inside its pools cannot be killed alone (docs/adr/0004).
"""

import logging
import os
import signal
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.work import failed
from reelshelf.indexer.pipeline.engine import (
    MOST_BATCH_BYTES,
    Decode,
    DetectorLoader,
    ModelLoader,
)
from reelshelf.jobs.engines.ray.placing import Node, Place, living_nodes, model_places
from reelshelf.jobs.engines.ray.workers import (
    DecodeStatus,
    DecodeWorker,
    Loaded,
    ModelWorker,
    Pool,
    WorkReport,
)
from reelshelf.models.registry import load_text_detector
from reelshelf.models.runtime import sees_gpu
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
    RejectedText,
)
from reelshelf.schemas.config import Config, on_device
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.errors import (
    ConfigError,
    FailureKind,
    InfrastructureError,
    ReelshelfError,
)
from reelshelf.schemas.logs import context_fields, log_context, replay
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Failed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_LOG = logging.getLogger(__name__)

_ITEMS_PER_TASK = 8
_POLL_S, _IDLE_S = 0.5, 0.05
_PROBE_S = 120.0
# Of the object store, for decoded videos; Ray spills to disk long after this.
_STORE_SHARE = 0.4
_CRASHED = "crashed and took the worker process with it"
# How long an input waits whose worker died, at first and at most: a node that goes down takes its
# time to be known as gone.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 8.0
# Deaths after which it is given up: on so many living nodes, on the only one, on living ones in
# all, and with whatever nodes: it may be what takes them down.
_NODES_TO_DIE_ON, _DEATHS_ALONE, _MOST_DEATHS, _MOST_LOSSES = 2, 3, 6, 10
# A decode worker keeps the deadline itself. One that has not answered by so much later is stuck.
_ANSWERS_WITHIN_S = 15.0
# Errors that may be the worker's and not the input's.
_UNEXPECTED = (FailureKind.INTERNAL, FailureKind.OUT_OF_MEMORY)
# Batches that a worker on a GPU has: the one that it works on, and the next.
_GPU_QUEUE = 2
# So many times as long as others took on average is long.
_LONG = 4.0


@dataclass(frozen=True, slots=True)
class _Try:
    """A video on its way. `alone`: its last batch failed, so it gets one of its own.

    `deferred`: it took long and was put off; now it may take its time. `failed_in`: the places of
    workers in which it failed, and which may be sick. `deaths`: the nodes on which a worker died
    that had it alone, in `died_in`; it is not tried again before `not_before`.
    """

    job: VideoJob
    attempt: int = 1
    alone: bool = False
    deferred: bool = False
    failed_in: frozenset[int] = frozenset()
    deaths: tuple[str, ...] = ()
    died_in: str = ""
    not_before: float = 0.0

    def again(self, *, counted: bool, place: int | None = None) -> "_Try":
        places = self.failed_in if place is None else self.failed_in | {place}
        return replace(self, attempt=self.attempt + counted, alone=True, failed_in=places)

    def after_death(self, node: str, stage: str) -> "_Try":
        deaths = (*self.deaths, node)
        until = time.monotonic() + _wait_of(deaths)
        return replace(self, alone=True, deaths=deaths, died_in=stage, not_before=until)


@dataclass(frozen=True, slots=True)
class _Part(Generic[Item]):
    """Some items for one call of a model worker; all else as of a video."""

    items: list[Item]
    attempt: int = 1
    failed_in: frozenset[int] = frozenset()
    deaths: tuple[str, ...] = ()
    not_before: float = 0.0


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A decoded video in the object store."""

    video: _Try
    pixels: "ray.ObjectRef[DecodedVideo]"
    size: int

    @property
    def failed_in(self) -> frozenset[int]:
        return self.video.failed_in

    @property
    def deaths(self) -> tuple[str, ...]:
        return self.video.deaths

    @property
    def not_before(self) -> float:
        return 0.0


@dataclass(slots=True)
class _Decoding:
    worker: ActorHandle
    video: _Try
    pixels: "ray.ObjectRef[DecodedVideo]"
    began: float


@dataclass(frozen=True, slots=True)
class _ModelRun:
    worker: ActorHandle
    batch: list[_Decoded]
    deadline: float


@dataclass(slots=True)
class _InFlight:
    """Everything a run has given to workers and not got back; `orphaned`: whose worker died."""

    retries: deque[_Try] = field(default_factory=deque)
    orphaned: list[_Try] = field(default_factory=list)
    deferred: deque[_Try] = field(default_factory=deque)
    decoding: dict["ray.ObjectRef[DecodeStatus]", _Decoding] = field(default_factory=dict)
    ready: deque[_Decoded] = field(default_factory=deque)
    modeling: dict["ray.ObjectRef[object]", _ModelRun] = field(default_factory=dict)
    waits_since: float | None = None

    @property
    def anything(self) -> bool:
        waiting = self.retries or self.orphaned or self.deferred
        return bool(waiting or self.decoding or self.ready or self.modeling)

    @property
    def size(self) -> float:
        """Bytes of decoded videos in the object store, and of those that are about to be."""
        stored = [item.size for task in self.modeling.values() for item in task.batch]
        stored += [item.size for item in self.ready]
        mean = sum(stored) / len(stored) if stored else 0.0
        return sum(stored) + mean * len(self.decoding)


class RayEngine:
    """Decode and model workers on a Ray node or cluster."""

    def __init__(
        self,
        config: Config,
        loader: ModelLoader,
        decode: Decode = work.decode,
        detector: DetectorLoader = load_text_detector,
        sees_gpu: Callable[[], bool] = sees_gpu,
    ) -> None:
        self._sees_gpu = sees_gpu
        self._config = config
        self._loader = loader
        self._decode = decode
        self._detector = detector
        self._started_ray = False
        self._places: list[Place] = []
        self._devices: ModelDevices | None = None
        self._decoders = Pool(self._start_decoder, lambda _: None, "engine.decode_workers")
        self._models = Pool(
            self._start_model, self._models_loaded, "engine.model_workers", self._queue_of
        )
        self._decoder_count = 0
        self._decode_bytes = 0.0
        self._most_bytes = 0.0
        self._refs: ModelRefs | None = None
        self._decoded_count = 0
        self._decode_s = 0.0
        self._put_off_in_vain = 0
        self._all_are_sick = False
        # Workers that are lost, and whose loss needs no more explanation.
        self._accounted: set[ActorHandle] = set()
        self._meter = Meter()

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        if self._refs is None:
            raise RuntimeError("the engine is used outside its `with` block")
        return self._refs

    @property
    def devices(self) -> ModelDevices:
        """What the models of all workers that have come up run on."""
        if self._devices is None:
            raise RuntimeError("the engine is used outside its `with` block")
        return self._devices

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Seconds by stage since the engine was entered. A worker that dies takes its own along."""
        return dict(self._meter.spent)

    @property
    def index_workers(self) -> int:
        """One piece for each node: Lance uses all cores of its node by itself."""
        return sum(bool(node["Alive"]) for node in ray.nodes())

    def map_tasks(
        self,
        function: Callable[[Item], Answer],
        items: Sequence[Item],
        cores: int | None = None,
    ) -> Iterator[Answer]:
        """Call a function on items as Ray tasks over all nodes.

        They ask for no core: decode and model workers hold those, and are idle meanwhile. No more
        run at once than there are nodes, or cores for them.
        """
        task = ray.remote(function).options(num_cpus=0, scheduling_strategy="SPREAD")
        waiting = deque(items)
        running: list[ray.ObjectRef[object]] = []
        most = self.index_workers
        if cores is not None:
            most = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        while waiting or running:
            while waiting and len(running) < most:
                running.append(task.remote(waiting.popleft()))
            done, running = ray.wait(running)
            for ref in done:
                try:
                    yield ray.get(ref)
                except RayTaskError as error:
                    raise error.cause or error from error

    def encode_texts(
        self, products: Sequence[Product]
    ) -> Iterator[dict[str, ProductVectors | RejectedText]]:
        """Encode products in small batches over all model workers."""
        yield from self._call_models("encode_texts", products, work.rejected_text)

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Encode pictures in small batches over all model workers."""

        def lost(job: PictureJob, why: str) -> list[EncodedPicture | RejectedPicture]:
            return [work.rejected(job, why)]

        for part in self._call_models("encode_pictures", jobs, lost):
            yield from part

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """Encode probes in small batches over all model workers."""
        for part in self._call_models("encode_probes", probes, work.lost_probe):
            yield from part

    def _call_models(
        self, method: str, items: Sequence[Item], lost: Callable[[Item, str], Answer]
    ) -> Iterator[Answer]:
        """Call a method of model workers on items, part by part; of those that fail, one by one."""
        engine = self._config.engine
        size = _ITEMS_PER_TASK
        waiting = deque(_Part(list(items[i : i + size])) for i in range(0, len(items), size))
        running: dict[ray.ObjectRef[object], tuple[ActorHandle, _Part[Item], float]] = {}
        expired: set[ray.ObjectRef[object]] = set()
        while waiting or running:
            while (found := _first_that_can(waiting, self._models)) is not None:
                part, worker = found
                ref = getattr(worker, method).remote(part.items)
                busy = [until for other, _, until in running.values() if other == worker]
                deadline = max([time.monotonic(), *busy]) + engine.model_deadline_s
                running[ref] = (worker, part, deadline)
            for ref in self._wait([*running]):
                worker, part, deadline = running.pop(ref)
                try:
                    answer, report = ray.get(ref)
                except RayError as error:
                    had = [until for other, _, until in running.values() if other == worker]
                    again = self._after_error(
                        worker, error, part, deadline, had, expired=ref in expired
                    )
                    if len(part.items) > 1:
                        waiting.extend(replace(again, items=[item]) for item in part.items)
                    elif again.attempt > engine.attempts or _given_up(again.deaths):
                        yield lost(part.items[0], _told(error))
                    else:
                        waiting.append(again)
                    continue
                self._models.give_back(worker, proven=True)
                self._take(report)
                yield answer
            for ref, (worker, *_, deadline) in running.items():
                if time.monotonic() > deadline and not _is_done(ref):
                    expired.add(ref)
                    self._accounted.add(worker)
                    ray.kill(worker)  # its call ends with an error

    def _take(self, report: WorkReport) -> None:
        """Count what a worker has spent, and log here what it has logged there."""
        self._meter.add(report.spent)
        replay(report.logs)

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode videos and run the models over them, as workers become free.

        A GPU is faster than its decoders, and would get videos one by one: there a batch waits for
        a moment until it is whole.
        """
        remaining = iter(jobs)
        flight = _InFlight()
        while True:
            held_up = False
            while self._wants_more(flight) and (video := _next(flight, remaining)) is not None:
                if not self._start_decoding(flight, video):
                    flight.retries.appendleft(video)
                    held_up = True
                    break
            self._start_models(flight)
            if not flight.anything:
                return
            yield from self._orphaned(flight)
            for ref in self._wait([*flight.decoding, *flight.modeling]):
                if ref in flight.decoding:
                    yield from self._decoded(flight, ref)
                else:
                    yield from self._models_done(flight, ref)
            self._end_late_decoders(flight, held_up=held_up)
            yield from self._end_late_models(flight)

    def _wait(self, pending: "list[ray.ObjectRef[object]]") -> "list[ray.ObjectRef[object]]":
        """Results that are there. Workers that have come up join their pools on the way."""
        starting = [*self._decoders.starting, *self._models.starting]
        self._decoders.check()
        self._models.check()
        everything = [*starting, *pending]
        if not everything:
            time.sleep(_IDLE_S)  # what is left waits for its time
            return []
        ready, _ = ray.wait(everything, num_returns=1, timeout=_POLL_S)
        for ref in ready:
            for pool in (self._decoders, self._models):
                if ref in pool.starting:
                    pool.started(ref)
        return [ref for ref in ready if ref not in starting]

    def _wants_more(self, flight: _InFlight) -> bool:
        # The first is decoded however large it may be.
        return flight.size < self._most_bytes or not (flight.decoding or flight.ready)

    def _start_decoding(self, flight: _InFlight, video: _Try) -> bool:
        worker = self._decoders.take(video.deaths)
        if worker is None:
            return False
        status, pixels = worker.decode.options(num_returns=2).remote(video.job)
        flight.decoding[status] = _Decoding(worker, video, pixels, time.monotonic())
        return True

    def _start_models(self, flight: _InFlight) -> None:
        engine = self._config.engine
        if self._waits_for_more(flight):
            return
        while (found := _first_that_can(flight.ready, self._models)) is not None:
            first, worker = found
            batch = [first]
            while (
                flight.ready
                and len(batch) < engine.videos_per_batch
                and sum(item.size for item in batch) < MOST_BATCH_BYTES
                and not (first.video.alone or flight.ready[0].video.alone)
            ):
                batch.append(flight.ready.popleft())
            jobs = [item.video.job for item in batch]
            flight.waits_since = None
            result = worker.run_models.remote(jobs, *(item.pixels for item in batch))
            # Its time begins when that of what the worker has already is over.
            busy = [task.deadline for task in flight.modeling.values() if task.worker == worker]
            deadline = max([time.monotonic(), *busy]) + engine.model_deadline_s * len(batch)
            flight.modeling[result] = _ModelRun(worker, batch, deadline)

    def _waits_for_more(self, flight: _InFlight) -> bool:
        """Whether what is decoded is to wait for others, to go through a GPU with them."""
        ready, engine = flight.ready, self._config.engine
        whole = (
            len(ready) >= engine.videos_per_batch
            or sum(item.size for item in ready) >= MOST_BATCH_BYTES
        )
        if not self._places[0].gpu_share or not ready or whole or not flight.decoding:
            flight.waits_since = None
            return False
        now = time.monotonic()
        if flight.waits_since is None:
            flight.waits_since = now
        return now - flight.waits_since < engine.fill_batches_s

    def _decoded(self, flight: _InFlight, ref: "ray.ObjectRef[object]") -> Iterator[Outcome]:
        task = flight.decoding.pop(ref)
        try:
            status = ray.get(ref)
        except RayError:
            # The worker itself, and not the child that decodes.
            self._lose_decoder(flight, task)
            return
        self._decoders.give_back(task.worker)
        self._take(status.report)
        self._decoded_count += 1
        self._decode_s += time.monotonic() - task.began
        self._put_off_in_vain = 0
        if status.ended is None:
            flight.ready.append(_Decoded(task.video, task.pixels, status.size))
        elif (
            isinstance(status.ended, Failed)
            and status.ended.kind is FailureKind.CRASHED
            and task.video.attempt < self._config.engine.attempts
        ):
            flight.retries.append(task.video.again(counted=True))
        else:
            yield status.ended

    def _lose_decoder(self, flight: _InFlight, task: _Decoding) -> None:
        """A decode worker is gone, or is to go: its video is tried elsewhere."""
        with log_context(video_id=task.video.job.source.video_id, stage="decode"):
            _LOG.warning("its decode worker died; another takes its place")
        flight.orphaned.append(
            task.video.after_death(self._decoders.node_of(task.worker), "decode")
        )
        self._decoders.replace(task.worker)

    def _orphaned(self, flight: _InFlight) -> Iterator[Outcome]:
        """What to do with videos whose worker died, once they have waited: try again, or not."""
        now = time.monotonic()
        for video in [video for video in flight.orphaned if video.not_before <= now]:
            flight.orphaned.remove(video)
            if not _given_up(video.deaths):
                flight.retries.append(video)
                continue
            what = "models" if video.died_in == "models" else "decoder"
            message = f"its {what} {_CRASHED}, each of {len(video.deaths)} times"
            yield failed(video.job, video.died_in, FailureKind.CRASHED, message)

    def _again(self, flight: _InFlight, video: _Try, stage: str, message: str) -> Iterator[Outcome]:
        if video.attempt < self._config.engine.attempts:
            flight.retries.append(video.again(counted=True))
            return
        yield failed(video.job, stage, FailureKind.CRASHED, message)

    def _models_done(self, flight: _InFlight, ref: "ray.ObjectRef[object]") -> Iterator[Outcome]:
        task = flight.modeling.pop(ref)
        try:
            outcomes, report = ray.get(ref)
        except RayError as error:
            self._lose_models(flight, task, error)
            if isinstance(error, RayTaskError) and not isinstance(error.cause, RayError):
                for item in task.batch:
                    yield from self._again(flight, item.video, "models", _told(error))
            return
        self._take(report)
        unexpected = [isinstance(o, Failed) and o.kind in _UNEXPECTED for o in outcomes]
        if not any(unexpected):
            self._models.give_back(task.worker, proven=True)
            yield from outcomes
            return
        if not all(unexpected):
            self._models.prove(task.worker)
        place = self._models.place_of(task.worker)
        tried = [item.video for item, is_it in zip(task.batch, unexpected, strict=True) if is_it]
        believed = self._part_with(task.worker, [video.failed_in for video in tried])
        for item, outcome, is_it in zip(task.batch, outcomes, unexpected, strict=True):
            counted = believed or _failed_elsewhere(item.failed_in, place)
            tries = item.video.attempt + counted
            # Where every place is sick, trying again tells nothing, and waiting costs the night.
            if is_it and not self._all_are_sick and tries <= self._config.engine.attempts:
                # After all that is new: that shows which workers are well.
                flight.deferred.append(item.video.again(counted=counted, place=place))
            else:
                yield outcome

    def _lose_models(self, flight: _InFlight, task: _ModelRun, error: RayError) -> None:
        """A dead model worker, or decoded videos lost with a node: from the start, each alone."""
        if isinstance(error, RayTaskError):
            self._models.give_back(task.worker)
            if isinstance(error.cause, RayError):
                lost = [item.video.after_death("", "models") for item in task.batch]
                flight.orphaned.extend(lost)
            return
        _LOG.warning("a model worker died over %d videos; another starts", len(task.batch))
        node = self._models.node_of(task.worker)
        self._models.replace(task.worker)
        had = [o.deadline for o in flight.modeling.values() if o.worker == task.worker]
        at_work = self._was_at_work_on(task.worker, task.deadline, had)
        if len(task.batch) == 1 and at_work:
            flight.orphaned.append(task.batch[0].video.after_death(node, "models"))
            return
        # Who of them did it, if any did, shows when each is alone.
        flight.retries.extend(item.video.again(counted=False) for item in task.batch)

    def _was_at_work_on(self, worker: ActorHandle, deadline: float, others: list[float]) -> bool:
        """Whether a worker that is lost was at work on this, and not on what it had before it.

        `others` are the deadlines of what else it had. One loss is put down to one piece of work,
        and to none where the worker was ended on purpose.
        """
        if worker in self._accounted or any(other < deadline for other in others):
            return False
        self._accounted.add(worker)
        return True

    def _after_error(
        self,
        worker: ActorHandle,
        error: RayError,
        part: "_Part[Item]",
        deadline: float,
        others: list[float],
        *,
        expired: bool,
    ) -> "_Part[Item]":
        """Part with a worker that is dead or may be sick; its items as they are tried again.

        `expired`: it was killed because they took too long, which counts as an attempt of theirs.
        `deadline` is theirs, `others` those of what else the worker had.
        """
        if not isinstance(error, RayTaskError):
            node = self._models.node_of(worker)
            self._models.replace(worker)
            if expired:
                return replace(part, attempt=part.attempt + 1)
            if not self._was_at_work_on(worker, deadline, others):
                return part
            deaths = (*part.deaths, node) if len(part.items) == 1 else part.deaths
            return replace(part, deaths=deaths, not_before=time.monotonic() + _wait_of(deaths))
        if isinstance(error.cause, RayError):
            # Its input was lost on the way, and neither has anything to do with it.
            self._models.give_back(worker)
            return replace(part, not_before=time.monotonic() + _FIRST_WAIT_S)
        place = self._models.place_of(worker)
        believed = self._part_with(worker, [part.failed_in])
        counted = believed or _failed_elsewhere(part.failed_in, place)
        places = part.failed_in | {place}
        return replace(part, attempt=part.attempt + counted, failed_in=places)

    def _part_with(self, worker: ActorHandle, failed_in: Sequence[frozenset[int]]) -> bool:
        """Replace a worker that failed unexpectedly; whether its word is believed all the same.

        It is where something has come of its work, or where every other is as sick as this one.
        `failed_in` are the places in which each of its inputs failed before: what failed in others
        says nothing of this one.
        """
        proven, place = self._models.is_proven(worker), self._models.place_of(worker)
        evident = not all(_failed_elsewhere(places, place) for places in failed_in)
        if not self._models.replace_sick(worker, evident=evident):
            self._all_are_sick = True
        if not self._models.is_there(worker):
            self._accounted.add(worker)
        return self._all_are_sick or proven

    def _end_late_decoders(self, flight: _InFlight, *, held_up: bool) -> None:
        """Part with workers that are stuck, and put off what takes long while others wait."""
        now, engine = time.monotonic(), self._config.engine
        latest = engine.decode_deadline_s + _ANSWERS_WITHIN_S
        for ref, task in list(flight.decoding.items()):
            taken = now - task.began
            puts_off = held_up and not task.video.deferred and self._is_long(taken)
            # The clock first: asking Ray costs more than a thousand looks at it.
            if not (puts_off or taken > latest) or _is_done(ref):
                continue
            del flight.decoding[ref]
            if taken > latest:
                self._lose_decoder(flight, task)
                continue
            self._decoders.replace(task.worker)
            flight.deferred.append(replace(task.video, deferred=True))
            self._put_off_in_vain += 1
            held_up = False

    def _is_long(self, taken: float) -> bool:
        """Whether a video takes long for this shop: in one of replays all do, and none is put off.

        Before anything has been decoded nobody can tell: then each decoder may put off one.
        """
        if self._put_off_in_vain >= self._decoder_count:
            return False
        usual = self._decode_s / max(self._decoded_count, 1)
        return taken > max(self._config.engine.slow_after_s, _LONG * usual)

    def _end_late_models(self, flight: _InFlight) -> Iterator[Outcome]:
        for ref, task in list(flight.modeling.items()):
            if time.monotonic() <= task.deadline or _is_done(ref):
                continue
            del flight.modeling[ref]
            self._accounted.add(task.worker)
            self._models.replace(task.worker)
            if len(task.batch) > 1:
                flight.retries.extend(item.video.again(counted=False) for item in task.batch)
                continue
            message = f"its models took longer than {self._config.engine.model_deadline_s:g} s"
            yield failed(task.batch[0].video.job, "models", FailureKind.DEADLINE, message)

    def _start_decoder(self, _: int) -> ActorHandle:
        decoder = ray.remote(DecodeWorker).options(
            num_cpus=self._config.engine.decode_cpus,
            memory=int(self._decode_bytes),
            max_restarts=0,
        )
        return decoder.remote(self._config, self._decode, _about(), self._detector)

    def _queue_of(self, number: int) -> int:
        """How many batches a model worker has at once: on a GPU the next one is at hand."""
        return _GPU_QUEUE if self._places[number - 1].gpu_share else 1

    def _start_model(self, number: int) -> ActorHandle:
        engine, place = self._config.engine, self._places[number - 1]
        near = place.node_id and NodeAffinitySchedulingStrategy(place.node_id, soft=True)
        model = ray.remote(ModelWorker).options(
            num_cpus=engine.model_cpus,
            num_gpus=place.gpu_share,
            memory=int(engine.model_memory_gb * 1e9) or None,
            max_restarts=0,
            scheduling_strategy=near,
        )
        config = self._config if place.gpu_share else on_device(self._config, "cpu")
        return model.remote(config, self._loader, place.gpu_share, _about())

    def _models_loaded(self, loaded: object) -> None:
        if isinstance(loaded, ReelshelfError):
            raise loaded
        assert isinstance(loaded, Loaded)
        self._devices = loaded.devices.beside(self._devices)
        if self._refs not in (None, loaded.refs):
            raise ConfigError(
                "engine: nodes of the cluster hold different weights for the same models: install "
                "the same version of everything on each"
            )
        self._refs = loaded.refs

    def __enter__(self) -> Self:
        engine = self._config.engine
        self._connect()
        try:
            resources = ray.cluster_resources()
            cores = max(1, int(resources.get("CPU", 1)))
            self._most_bytes = _STORE_SHARE * resources.get("object_store_memory", 1e9)
            # Never one alone: while it hangs or is replaced, nothing would be decoded.
            self._decoder_count = engine.decode_workers or max(min(2, cores), cores // 4)
            self._places = model_places(self._usable_nodes(), self._config)
            self._fit_decoders()
            for _ in range(self._decoder_count):
                self._decoders.grow()
            for _ in self._places:
                self._models.grow()
            # The others join when they are up, or when the cluster has room for them.
            while not (self._models.is_up and self._decoders.is_up):
                self._wait([])
        except BaseException:
            self._close()
            raise
        return self

    def _usable_nodes(self) -> list[Node]:
        """The nodes, with GPUs only where they are of use.

        With "auto" that is asked on one of them: with CPU builds of the models, a worker for each
        GPU would leave the cores idle.
        """
        nodes = living_nodes()
        if self._config.models.device != "auto" or not any(node.gpus for node in nodes):
            return nodes
        asked = ray.remote(self._sees_gpu).options(num_cpus=0, num_gpus=1e-3).remote()
        try:
            if ray.get(asked, timeout=_PROBE_S):
                return nodes
        except GetTimeoutError:
            return nodes  # all are taken; who waits for one is told by the pool
        _LOG.warning(
            "Ray knows of GPUs and torch sees none of them: models run on cores; "
            "models.device = 'cuda' says what is missing"
        )
        return [replace(node, gpus=0.0) for node in nodes]

    def _fit_decoders(self) -> None:
        """Have as many decoders as nodes have memory for, and one in any case."""
        wanted = self._config.engine.decode_memory_gb * 1e9
        usable = [n["Resources"] for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        rooms = [float(resources.get("memory", 0.0)) for resources in usable] or [0.0]
        fit = sum(int(room // wanted) for room in rooms)
        self._decode_bytes = wanted if fit else max(rooms)
        if max(1, fit) < self._decoder_count or not fit:
            self._decoder_count = min(self._decoder_count, max(1, fit))
            _LOG.warning(
                "Ray's nodes have %s GB of memory: %d decoders that ask for %.1f GB each "
                "(engine.decode_memory_gb is %g)",
                ", ".join(f"{room / 1e9:.1f}" for room in rooms),
                self._decoder_count,
                self._decode_bytes / 1e9,
                wanted / 1e9,
            )

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray would give every worker a GPU variable of its own; we ask for GPUs in the open.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = self._config.engine.address
        at_end = signal.getsignal(signal.SIGTERM)
        try:
            with warnings.catch_warnings():
                # Lance warns of any fork. Ray's processes exec at once and share nothing.
                warnings.filterwarnings("ignore", message=".*fork", category=Warning)
                ray.init(
                    address=address,
                    include_dashboard=False if address is None else None,
                    logging_level="ERROR",
                    log_to_driver=False,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(f"engine: Ray cannot be started or reached: {error}") from error
        except OSError as error:
            # Its sockets lie below TMPDIR, and their names may have about a hundred characters.
            raise InfrastructureError(
                f"engine: Ray cannot be started below {tempfile.gettempdir()}: {error}. Name a "
                "shorter folder that can be written to as TMPDIR"
            ) from error
        self._started_ray = True
        # Ray ends the process at once on SIGTERM; whoever started us wants to end in order.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, at_end)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def _close(self) -> None:
        if self._started_ray:
            ray.shutdown()
            self._started_ray = False
            return
        # Ray was here before us (a test, a notebook): take only our workers away.
        self._decoders.close()
        self._models.close()


def _next(flight: _InFlight, remaining: Iterator[VideoJob]) -> _Try | None:
    """The video to decode next: one whose worker died, a new one, and last what was put off."""
    if flight.retries:
        return flight.retries.popleft()
    if (job := next(remaining, None)) is not None:
        return _Try(job)
    return flight.deferred.popleft() if flight.deferred else None


def _failed_elsewhere(failed_in: frozenset[int], place: int) -> bool:
    """Whether an input has failed in other places than this."""
    return bool(failed_in - {place})


class _Tried(Protocol):
    """What may have failed in sick workers."""

    @property
    def failed_in(self) -> frozenset[int]: ...

    @property
    def deaths(self) -> tuple[str, ...]: ...

    @property
    def not_before(self) -> float: ...


Waiting = TypeVar("Waiting", bound=_Tried)


def _first_that_can(waiting: "deque[Waiting]", pool: Pool) -> tuple[Waiting, ActorHandle] | None:
    """The first of those that wait for which there is a worker, and that worker."""
    for place, item in enumerate(waiting):
        if not pool.any_idle:
            break
        if item.not_before > time.monotonic():
            continue
        worker = pool.take_trusted(item.failed_in) if item.failed_in else pool.take(item.deaths)
        if worker is not None:
            del waiting[place]
            return item, worker
    return None


def _wait_of(deaths: Sequence[str]) -> float:
    """Seconds until an input is tried again over which workers have died."""
    return float(min(_FIRST_WAIT_S * 2 ** max(0, len(deaths) - 1), _LONGEST_WAIT_S))


def _given_up(deaths: Sequence[str]) -> bool:
    """Whether an input is taken for what kills its workers, and not the nodes that they were on.

    Deaths on nodes that do not live any more count only where there were very many.
    """
    if len(deaths) < _NODES_TO_DIE_ON:
        return False
    if len(deaths) >= _MOST_LOSSES:
        return True
    living = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    own = [node for node in deaths if node in living]
    if len(living) == 1:
        return len(own) >= _DEATHS_ALONE
    return len(set(own)) >= _NODES_TO_DIE_ON or len(own) >= _MOST_DEATHS


def _told(error: RayError) -> str:
    """What to say of an error in a worker, or of the worker's death."""
    cause = error.cause if isinstance(error, RayTaskError) else None
    return f"{type(cause).__name__}: {cause}" if cause is not None else _CRASHED


def _is_done(ref: "ray.ObjectRef[object]") -> bool:
    """Whether a result is there and only waits to be collected."""
    done, _ = ray.wait([ref], timeout=0)
    return bool(done)


def _about() -> dict[str, str]:
    """What a worker's log is about, whichever stage it is started in: the run."""
    return {name: value for name, value in context_fields().items() if name == "run_id"}
