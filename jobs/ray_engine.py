"""The engine on Ray: decoding and models in worker processes of their own.

A decode worker holds one video at a time. If it is still busy at the deadline it is killed; if
native code crashes, its process dies. Either way one video is lost and a fresh worker takes the
place of the old one. Model workers load every model once and take batches of decoded videos, which
travel through Ray's object store and never through the driver. Little is in flight at any moment:
decoding stops while model workers have enough to do, so memory does not grow with the input.

Ray starts its workers from a clean process; nothing is forked with models or decoders inside.
Ray Data was not taken: a task inside its pools cannot be killed alone (docs/adr/0004).
"""

import os
import time
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from indexer.products import ProductsEncoded, encode_products
from jobs import work
from jobs.engine import Decode, ModelLoader, failed
from models.protocols import ModelSet
from schemas.catalog import Product
from schemas.config import Config
from schemas.errors import ConfigError, FailureKind, ModelUnavailable, ReelshelfError
from schemas.media import DecodedVideo
from schemas.outcomes import Failed, Outcome, VideoJob
from schemas.release import ModelRefs

_PRODUCTS_PER_TASK = 8
_POLL_S = 1.0
_START_S = 120.0
# Small enough that one model worker for each core and their decoders fit on one or two cores.
_MODEL_CPUS, _DECODE_CPUS = 0.6, 0.4


class _DecodeWorker:
    def __init__(self, config: Config, decode: Decode) -> None:
        work.use_one_thread()
        self._config = config
        self._decode = decode

    def decode(self, job: VideoJob) -> tuple[Failed | None, DecodedVideo | None]:
        """Two objects: a small one for the driver, a large one that only a model worker reads."""
        result = self._decode(job, self._config)
        return (result, None) if isinstance(result, Failed) else (None, result)


class _ModelWorker:
    def __init__(self, config: Config, loader: ModelLoader) -> None:
        work.use_one_thread()
        self._config = config
        self._loader = loader
        self._models: ModelSet | None = None

    def load(self) -> ModelRefs | ReelshelfError:
        """Load the models. Our own errors come back as values, so their text stays readable."""
        try:
            self._models = self._loader(self._config)
        except ReelshelfError as error:
            return error
        return self._models.refs

    def understand(self, jobs: Sequence[VideoJob], *videos: DecodedVideo) -> list[Outcome]:
        if self._models is None:
            raise RuntimeError("load() comes first")
        return work.understand(list(zip(jobs, videos, strict=True)), self._models, self._config)

    def encode_products(self, products: Sequence[Product], root: Path) -> ProductsEncoded:
        if self._models is None:
            raise RuntimeError("load() comes first")
        return encode_products(products, root, self._models, self._config.reading)


@dataclass(slots=True)
class _Decoded:
    """A decoded video in the object store, waiting for a model worker."""

    job: VideoJob
    pixels: "ray.ObjectRef[DecodedVideo]"
    attempt: int = 1


@dataclass(slots=True)
class _Decoding:
    worker: ActorHandle
    job: VideoJob
    pixels: "ray.ObjectRef[DecodedVideo]"
    attempt: int
    deadline: float


@dataclass(slots=True)
class _Understanding:
    worker: ActorHandle
    batch: list[_Decoded]
    deadline: float


@dataclass(slots=True)
class _InFlight:
    """Everything a run has given to workers and not got back."""

    retries: deque[tuple[VideoJob, int]] = field(default_factory=deque)
    decoding: dict["ray.ObjectRef[Failed | None]", _Decoding] = field(default_factory=dict)
    ready: deque[_Decoded] = field(default_factory=deque)
    alone: deque[_Decoded] = field(default_factory=deque)
    understanding: dict["ray.ObjectRef[list[Outcome]]", _Understanding] = field(
        default_factory=dict
    )

    @property
    def anything(self) -> bool:
        return bool(self.retries or self.decoding or self.ready or self.alone or self.understanding)


class RayEngine:
    """Decode and model workers on a Ray node or cluster."""

    def __init__(self, config: Config, loader: ModelLoader, decode: Decode = work.decode) -> None:
        self._config = config
        self._loader = loader
        self._decode = decode
        self._started_ray = False
        # Workers with nothing to do. A busy one stands in _InFlight, a dead one nowhere.
        self._decoders: list[ActorHandle] = []
        self._models: list[ActorHandle] = []
        self._model_workers = 0
        self._alive: set[ActorHandle] = set()
        self._refs: ModelRefs | None = None

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        if self._refs is None:
            raise RuntimeError("the engine is used outside its `with` block")
        return self._refs

    def encode_products(self, products: Sequence[Product], root: Path) -> Iterator[ProductsEncoded]:
        """Encode products in small batches over all model workers."""
        pool = ray.util.ActorPool(self._models)
        parts = [
            list(products[i : i + _PRODUCTS_PER_TASK])
            for i in range(0, len(products), _PRODUCTS_PER_TASK)
        ]
        yield from pool.map(lambda worker, part: worker.encode_products.remote(part, root), parts)

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode and understand videos as workers become free."""
        remaining = iter(jobs)
        flight = _InFlight()
        exhausted = False
        while True:
            while self._decoders and self._wants_more(flight):
                item = flight.retries.popleft() if flight.retries else None
                if item is None and (job := next(remaining, None)) is not None:
                    item = (job, 1)
                if item is None:
                    exhausted = True
                    break
                self._start_decoding(flight, *item)
            self._start_understanding(flight)
            if exhausted and not flight.anything:
                return
            yield from self._collect(flight)

    def _wants_more(self, flight: _InFlight) -> bool:
        waiting = len(flight.ready) + len(flight.alone) + len(flight.decoding)
        return waiting < self._model_workers * self._config.engine.videos_per_batch * 2

    def _start_decoding(self, flight: _InFlight, job: VideoJob, attempt: int) -> None:
        worker = self._decoders.pop()
        status, pixels = worker.decode.options(num_returns=2).remote(job)
        deadline = time.monotonic() + self._config.engine.decode_deadline_s
        flight.decoding[status] = _Decoding(worker, job, pixels, attempt, deadline)

    def _start_understanding(self, flight: _InFlight) -> None:
        while self._models and (flight.ready or flight.alone):
            if flight.alone:
                batch = [flight.alone.popleft()]
            else:
                most = self._config.engine.videos_per_batch
                batch = [flight.ready.popleft() for _ in range(min(most, len(flight.ready)))]
            worker = self._models.pop()
            jobs = [item.job for item in batch]
            result = worker.understand.remote(jobs, *(item.pixels for item in batch))
            deadline = time.monotonic() + self._config.engine.model_deadline_s * len(batch)
            flight.understanding[result] = _Understanding(worker, batch, deadline)

    def _collect(self, flight: _InFlight) -> Iterator[Outcome]:
        pending = [*flight.decoding, *flight.understanding]
        ready, _ = ray.wait(pending, num_returns=1, timeout=_POLL_S) if pending else ([], [])
        for ref in ready:
            if ref in flight.decoding:
                yield from self._decoded(flight, ref)
            else:
                yield from self._understood(flight, ref)
        yield from self._kill_late(flight)

    def _decoded(self, flight: _InFlight, ref: "ray.ObjectRef[Failed | None]") -> Iterator[Outcome]:
        task = flight.decoding.pop(ref)
        try:
            bad = ray.get(ref)
        except RayError:
            # Died, or was killed by Ray for want of memory.
            self._kill(task.worker)
            self._decoders.append(self._new_decoder())
            yield from self._retry_or_fail(flight, task)
            return
        self._decoders.append(task.worker)
        if bad is not None:
            yield bad
        else:
            flight.ready.append(_Decoded(task.job, task.pixels))

    def _retry_or_fail(self, flight: _InFlight, task: _Decoding) -> Iterator[Outcome]:
        # A machine may have gone down with the worker: only a second death is the video's fault.
        if task.attempt < self._config.engine.attempts:
            flight.retries.append((task.job, task.attempt + 1))
            return
        message = "its decoder crashed and took the worker process with it"
        yield failed(task.job, "decode", FailureKind.CRASHED, message, task.attempt)

    def _understood(
        self, flight: _InFlight, ref: "ray.ObjectRef[list[Outcome]]"
    ) -> Iterator[Outcome]:
        task = flight.understanding.pop(ref)
        try:
            outcomes = ray.get(ref)
        except RayError as error:
            # A dead worker, or decoded frames lost with a node. Each video is tried by itself.
            if isinstance(error, RayTaskError):
                self._models.append(task.worker)
            else:
                self._kill(task.worker)
                self._models.append(self._new_model_worker())
            for item in task.batch:
                if item.attempt < self._config.engine.attempts:
                    flight.alone.append(_Decoded(item.job, item.pixels, item.attempt + 1))
                else:
                    message = "its models crashed and took the worker process with them"
                    yield failed(item.job, "models", FailureKind.CRASHED, message, item.attempt)
            return
        self._models.append(task.worker)
        yield from outcomes

    def _kill_late(self, flight: _InFlight) -> Iterator[Outcome]:
        now = time.monotonic()
        engine = self._config.engine
        for ref, task in list(flight.decoding.items()):
            if now > task.deadline and not _is_done(ref):
                del flight.decoding[ref]
                self._kill(task.worker)
                self._decoders.append(self._new_decoder())
                message = f"was not decoded within {engine.decode_deadline_s:g} s"
                yield failed(task.job, "decode", FailureKind.DEADLINE, message, task.attempt)
        for result, work_item in list(flight.understanding.items()):
            if now <= work_item.deadline or _is_done(result):
                continue
            del flight.understanding[result]
            self._kill(work_item.worker)
            self._models.append(self._new_model_worker())
            if len(work_item.batch) > 1:
                flight.alone.extend(work_item.batch)
                continue
            message = f"its models took longer than {engine.model_deadline_s:g} s"
            job = work_item.batch[0].job
            yield failed(job, "models", FailureKind.DEADLINE, message)

    def _new_decoder(self) -> ActorHandle:
        decoder = ray.remote(_DecodeWorker).options(num_cpus=_DECODE_CPUS, max_restarts=0)
        worker = decoder.remote(self._config, self._decode)
        self._alive.add(worker)
        # A deadline is for the video, not for starting the process that decodes it.
        _wait_until_up(worker)
        return worker

    def _new_model_worker(self) -> ActorHandle:
        """A replacement, with its models loaded: a deadline is not for that either."""
        worker = self._start_model_worker()
        _wait_until_up(worker)
        loaded = ray.get(worker.load.remote())
        if isinstance(loaded, ReelshelfError):
            raise loaded
        return worker

    def _start_model_worker(self) -> ActorHandle:
        gpus = 1 if self._config.models.device == "cuda" else 0
        model = ray.remote(_ModelWorker).options(
            num_cpus=_MODEL_CPUS, num_gpus=gpus, max_restarts=0
        )
        worker = model.remote(self._config, self._loader)
        self._alive.add(worker)
        return worker

    def _kill(self, worker: ActorHandle) -> None:
        self._alive.discard(worker)
        ray.kill(worker)

    def __enter__(self) -> Self:
        engine = self._config.engine
        self._connect()
        try:
            cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
            gpus = int(ray.cluster_resources().get("GPU", 0))
            on_gpu = self._config.models.device == "cuda"
            if on_gpu and not gpus:
                raise ModelUnavailable("models.device is 'cuda' but Ray knows of no GPU")
            self._model_workers = engine.model_workers or (gpus if on_gpu else cores)
            if on_gpu and self._model_workers > gpus:
                raise ConfigError(
                    f"engine.model_workers is {self._model_workers}, Ray has {gpus} GPUs"
                )
            decoders = engine.decode_workers or max(1, cores // 4)
            self._decoders = [self._new_decoder() for _ in range(decoders)]
            self._models = [self._start_model_worker() for _ in range(self._model_workers)]
            for worker in self._models:
                _wait_until_up(worker)
            for loaded in ray.get([worker.load.remote() for worker in self._models]):
                if isinstance(loaded, ReelshelfError):
                    raise loaded
                self._refs = loaded
        except BaseException:
            self._close()
            raise
        return self

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray would give every worker a GPU variable of its own; we ask for GPUs in the open.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        address = self._config.engine.address
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
        self._started_ray = True

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
        for worker in list(self._alive):
            with suppress(RayError, ValueError):
                self._kill(worker)


def _is_done(ref: "ray.ObjectRef[object]") -> bool:
    """Whether a result is there and only waits to be collected."""
    done, _ = ray.wait([ref], timeout=0)
    return bool(done)


def _wait_until_up(worker: ActorHandle) -> None:
    try:
        ray.get(worker.__ray_ready__.remote(), timeout=_START_S)
    except GetTimeoutError as error:
        raise ConfigError(
            f"engine: Ray could not start a worker within {_START_S:g} s; it has "
            f"{ray.available_resources()} left: lower engine.decode_workers or model_workers"
        ) from error
