"""The engine on Ray: videos flow from decode workers to model workers, both in processes of theirs.

Each decode worker has a child that decodes: where that hangs, crashes or takes too much memory, the
worker says so, and one video has failed. There are never more of them than the setting says, and
each asks Ray for its memory. Decoded videos travel through Ray's object store and never through the
driver. Which worker gets what, and what is tried again, says `reelshelf.jobs.engines.scheduling`.

Ray starts its workers from a clean process; nothing is forked with models or decoders inside.
Ray Data was not taken: a task inside its pools cannot be killed alone (docs/adr/0004).
"""

import itertools
import logging
import math
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

import ray
from ray.actor import ActorHandle
from ray.exceptions import GetTimeoutError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.pipeline.engine import Decode, DetectorLoader, ModelLoader
from reelshelf.jobs.engines.ray.calls import Answered, Broke, Calls, PixelsRef, end_worker
from reelshelf.jobs.engines.ray.placing import Node, Place, living_nodes, model_places
from reelshelf.jobs.engines.ray.workers import (
    DecodeStatus,
    DecodeWorker,
    Loaded,
    ModelWorker,
    Up,
    WorkReport,
)
from reelshelf.jobs.engines.scheduling import (
    START_S,
    CallScheduler,
    Pool,
    Scheduler,
    Suspects,
    Ticket,
    VideoScheduler,
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
from reelshelf.schemas.errors import ConfigError, InfrastructureError, ReelshelfError
from reelshelf.schemas.logs import context_fields, replay
from reelshelf.schemas.outcomes import Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Ended = TypeVar("Ended")

_LOG = logging.getLogger(__name__)

_PROBE_S = 120.0
# Of the object store, for decoded videos; Ray spills to disk long after this.
_STORE_SHARE = 0.4
# Batches that a worker on a GPU has: the one that it works on, and the next.
_GPU_QUEUE = 2


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
        self._calls = Calls()
        self._decoders: Pool[ActorHandle] = Pool(self._start_decoder, end_worker, time.monotonic)
        self._models: Pool[ActorHandle] = Pool(
            self._start_model, end_worker, time.monotonic, self._queue_of
        )
        self._suspects = Suspects(self._models)
        self._starting: dict[Ticket, ActorHandle] = {}
        self._decoder_count = 0
        self._decode_bytes = 0.0
        self._most_bytes = 0.0
        self._refs: ModelRefs | None = None
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
        waiting = iter(items)
        most = self.index_workers
        if cores is not None:
            most = max(1, int(ray.cluster_resources().get("CPU", 1)) // cores)
        calls = Calls()

        def begin(count: int) -> int:
            begun = [calls.expect(task.remote(item)) for item in itertools.islice(waiting, count)]
            return len(begun)

        running = begin(most)
        while running:
            for came in calls.completed():
                # Before the answer is used: nobody waits for whoever asked.
                running += begin(1) - 1
                if isinstance(came, Broke):
                    raise came.error
                yield came.value

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

        def call(worker: ActorHandle, part: Sequence[Item]) -> Ticket:
            return self._calls.expect(getattr(worker, method).remote(part))

        scheduler: CallScheduler[ActorHandle, Item, Answer] = CallScheduler(
            items,
            self._models,
            self._suspects,
            self._config.engine,
            call,
            lost,
            _living,
            time.monotonic,
        )

        def tell(ticket: Ticket, value: tuple[Answer, WorkReport]) -> None:
            answer, report = value
            self._take(report)
            scheduler.answered(ticket, answer)

        yield from self._drive(scheduler, tell)

    def _drive(
        self, scheduler: Scheduler[Ended], tell: Callable[[Ticket, Any], None]
    ) -> Iterator[Ended]:
        """Have a scheduler do all it has; `tell` tells it what a worker has answered."""
        while True:
            scheduler.advance()
            yield from scheduler.take()
            if scheduler.is_done:
                return
            for came in self._wait(scheduler.wakes_at):
                if isinstance(came, Broke):
                    scheduler.broke(came.ticket, came.how, came.why)
                else:
                    tell(came.ticket, came.value)

    def _take(self, report: WorkReport) -> None:
        """Count what a worker has spent, and log here what it has logged there."""
        self._meter.add(report.spent)
        replay(report.logs)

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode videos and run the models over them, as workers become free.

        A GPU is faster than its decoders, and would get videos one by one: there a batch waits for
        a moment until it is whole.
        """
        engine = self._config.engine
        scheduler: VideoScheduler[ActorHandle, PixelsRef] = VideoScheduler(
            jobs,
            self._decoders,
            self._models,
            self._suspects,
            self._calls,
            engine,
            self._most_bytes,
            engine.fill_batches_s if self._places[0].gpu_share else 0.0,
            _living,
            time.monotonic,
        )

        def tell(ticket: Ticket, value: DecodeStatus | tuple[list[Outcome], WorkReport]) -> None:
            if isinstance(value, DecodeStatus):
                self._take(value.report)
                scheduler.decoded(ticket, value.ended, value.size)
            else:
                outcomes, report = value
                self._take(report)
                scheduler.modeled(ticket, outcomes)

        yield from self._drive(scheduler, tell)

    def _wait(self, until: float = math.inf) -> list[Answered | Broke]:
        """What has come, of what workers were given, by a time or a moment from now.

        Workers that have come up join their pools on the way.
        """
        for pool, setting in (
            (self._decoders, "engine.decode_workers"),
            (self._models, "engine.model_workers"),
        ):
            if pool.is_stuck:
                raise ConfigError(
                    f"engine: Ray could not start a worker within {START_S:g} s; it has "
                    f"{ray.available_resources()} left: lower {setting}"
                )
        return [came for came in self._calls.completed(until) if not self._started(came)]

    def _started(self, came: Answered | Broke) -> bool:
        """Whether this is of a worker that was starting: it is up, or has died on the way."""
        worker = self._starting.pop(came.ticket, None)
        if worker is None:
            return False
        pool = self._models if self._models.is_there(worker) else self._decoders
        if isinstance(came, Broke):
            pool.died_at_start(worker, came.why)
        else:
            assert isinstance(came.value, Up)
            if came.value.loaded is not None:
                self._models_loaded(came.value.loaded)
            pool.came_up(worker, came.value.node)
        return True

    def _start_decoder(self, _: int) -> ActorHandle:
        decoder = ray.remote(DecodeWorker).options(
            num_cpus=self._config.engine.decode_cpus,
            memory=int(self._decode_bytes),
            max_restarts=0,
        )
        return self._begun(decoder.remote(self._config, self._decode, _about(), self._detector))

    def _begun(self, worker: ActorHandle) -> ActorHandle:
        """A worker that has begun to start; what comes of that is waited for with all else."""
        self._starting[self._calls.expect(worker.load.remote())] = worker
        return worker

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
        return self._begun(model.remote(config, self._loader, place.gpu_share, _about()))

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
                self._wait()
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


def _living() -> frozenset[str]:
    """The nodes that live."""
    return frozenset(str(node["NodeID"]) for node in ray.nodes() if node["Alive"])


def _about() -> dict[str, str]:
    """What a worker's log is about, whichever stage it is started in: the run."""
    return {name: value for name, value in context_fields().items() if name == "run_id"}
