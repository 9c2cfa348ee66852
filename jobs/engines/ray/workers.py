"""Worker processes on Ray: what each does, and pools that replace those that die.

A decode worker holds one video at a time, and has a child decode it; a model worker loads every
model once and takes batches. Both can be killed: native code cannot be interrupted in any other
way. A replacement starts while the others go on working. A worker is proven once something has come
of its work: what failed in one that may be sick is tried in a proven one.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ray
from ray import cloudpickle
from ray.actor import ActorHandle
from ray.exceptions import RayError

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.child import DecodeProcess
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.products import encode_picture, encode_product_texts
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
)
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.errors import ConfigError, ReelshelfError
from reelshelf.schemas.logs import LogLine, keep_records, log_context
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

if TYPE_CHECKING:
    from reelshelf.indexer.pipeline.engine import Decode, DetectorLoader, ModelLoader

_LOG = logging.getLogger(__name__)

# Loading included: the first time, weights may have to be fetched.
_START_S = 600.0
_DEATHS_AT_START = 5
# Workers that are sick one after the other in the same place, after the first.
_SICK_IN_A_ROW = 3
# A worker that starts for longer may never come up: nothing waits for it any more.
_HOPEFUL_S = 120.0


@dataclass(frozen=True, slots=True)
class WorkReport:
    """What a worker measured and logged since it was last asked."""

    spent: dict[Stage, Spent]
    logs: tuple[LogLine, ...]


@dataclass(frozen=True, slots=True)
class DecodeStatus:
    """What the driver learns of a decoded video, whose pixels it never sees.

    `ended` is what became of a video that has none.
    """

    ended: Failed | Divided | None
    size: int
    report: WorkReport


@dataclass(frozen=True, slots=True)
class Up:
    """A worker that has come up: on which node, and what loading returned."""

    node: str
    loaded: object = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models of a worker: which they are, and what they run on."""

    refs: ModelRefs
    devices: ModelDevices


def _this_node() -> str:
    return str(ray.get_runtime_context().get_node_id())


class DecodeWorker:
    """Has one video at a time decoded by a child of its own, with a deadline."""

    def __init__(
        self,
        config: Config,
        decode: "Decode",
        about: Mapping[str, str],
        detector: "DetectorLoader",
    ) -> None:
        setup = cloudpickle.dumps((decode, config, dict(about), detector))
        self._child = DecodeProcess(setup, config.engine.decode_deadline_s)

    def load(self) -> Up:
        """Return once the child is up."""
        self._child.wait()
        return Up(_this_node())

    def decode(self, job: VideoJob) -> tuple[DecodeStatus, DecodedVideo | None]:
        """Two objects: a small one for the driver, a large one that only a model worker reads."""
        done = self._child.decode(job)
        result, report = done.result, WorkReport(done.spent, done.logs)
        if isinstance(result, Failed | Divided):
            return DecodeStatus(result, 0, report), None
        return DecodeStatus(None, result.nbytes, report), result


class ModelWorker:
    """Runs all models. What it measures and logs is kept until a result takes it along.

    `about` is what the driver's log is about (its run): the same goes for what is logged here.
    """

    def __init__(
        self, config: Config, loader: "ModelLoader", gpu_share: float, about: Mapping[str, str]
    ) -> None:
        work.use_one_thread()
        self._about = about
        self._gpu_share = gpu_share
        self._meter = Meter(gpu_share)
        self._kept = keep_records()
        self._config = config
        self._loader = loader
        self._models: ModelSet | None = None

    def load(self) -> Up:
        """Load the models. Our own errors come back as values, so their text stays readable."""
        try:
            self._models = self._loader(self._config)
        except ReelshelfError as error:
            return Up(_this_node(), error)
        devices = self._models.devices
        if self._gpu_share and not devices.any_gpu:
            _LOG.warning(
                "a worker has a share of a GPU and no model uses it (%s): models.device = 'cuda' "
                "says what is missing",
                devices.told,
            )
        return Up(_this_node(), Loaded(self._models.refs, devices))

    def _report(self) -> WorkReport:
        return WorkReport(self._meter.take(), self._kept.take())

    @property
    def _loaded(self) -> ModelSet:
        if self._models is None:
            raise RuntimeError("load() comes first")
        return self._models

    def run_models(
        self, jobs: Sequence[VideoJob], *videos: DecodedVideo
    ) -> tuple[list[Outcome], WorkReport]:
        """Run the models over a batch of decoded videos."""
        batch = list(zip(jobs, videos, strict=True))
        with log_context(**self._about):
            outcomes = work.run_models(batch, self._loaded, self._config, self._meter)
        work.return_memory()
        return outcomes, self._report()

    def encode_texts(
        self, products: Sequence[Product]
    ) -> tuple[dict[str, ProductVectors], WorkReport]:
        """Encode what products' rows say."""
        with self._meter.stage(Stage.PRODUCTS):
            encoded = encode_product_texts(products, self._loaded.text)
        return encoded, self._report()

    def encode_probes(self, probes: Sequence[Probe]) -> tuple[list[Probed], WorkReport]:
        """Encode texts and pictures to check what the encoders do."""
        return work.encode_probes(probes, self._loaded, self._meter), self._report()

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> tuple[list[EncodedPicture | RejectedPicture], WorkReport]:
        """Encode pictures."""
        files = work.files_of(self._config.storage)
        with self._meter.stage(Stage.PRODUCTS):
            # An unexpected error goes to the engine, which cannot tell a sick worker otherwise.
            encoded = [encode_picture(job, files, self._loaded, self._config.ocr) for job in jobs]
        return encoded, self._report()


@dataclass(frozen=True, slots=True)
class _Place:
    """What a worker has in common with those that it replaced: where they ran, more or less.

    `sick` counts those in a row that were sick from their first work on; `began` is when the one
    that is there now was started.
    """

    number: int
    sick: int = 0
    began: float = 0.0


class Pool:
    """Workers of one kind: idle, starting, or lent out.

    `start` makes an actor for a place, whose number it gets; `loaded` gets what its `load`
    returned, and may raise. A worker may be lent out `queue` times at once, where that is more than
    once: it has its next work at hand while it is busy. When it is lost, all that it had is.
    """

    def __init__(
        self,
        start: Callable[[int], ActorHandle],
        loaded: Callable[[object], None],
        setting: str,
        queue: Callable[[int], int] = lambda _: 1,
    ) -> None:
        self._start = start
        self._queue = queue
        self._loaded = loaded
        self._setting = setting
        self._idle: list[ActorHandle] = []
        self._alive: dict[ActorHandle, _Place] = {}
        self._places = 0
        self._proven: set[ActorHandle] = set()
        # Of those that are gone too: work that they had is still to be told.
        self._nodes: dict[ActorHandle, str] = {}
        self._numbers: dict[ActorHandle, int] = {}
        self.starting: dict[ray.ObjectRef[object], ActorHandle] = {}
        self._deaths = 0

    @property
    def is_up(self) -> bool:
        """Whether at least one worker is up."""
        return len(self._alive) > len(self.starting)

    @property
    def any_idle(self) -> bool:
        """Whether a worker is free."""
        return bool(self._idle)

    def grow(self) -> None:
        """Start one more worker in a place of its own, and do not wait for it."""
        self._places += 1
        self._begin(_Place(self._places))

    def _begin(self, place: "_Place") -> None:
        worker = self._start(place.number)
        self._alive[worker] = replace(place, began=time.monotonic())
        self._numbers[worker] = place.number
        self.starting[worker.load.remote()] = worker

    def started(self, ref: "ray.ObjectRef[object]") -> None:
        """A worker that was starting is up, or has died on the way and is replaced."""
        worker = self.starting.pop(ref)
        try:
            up = ray.get(ref)
            assert isinstance(up, Up)
            self._nodes[worker] = up.node
            self._loaded(up.loaded)
        except RayError as error:
            self._deaths += 1
            if self._deaths > _DEATHS_AT_START:
                self._kill(worker)
                raise ConfigError(f"engine: workers die while they start: {error}") from error
            self.replace(worker)
            return
        self._deaths = 0
        self._idle += [worker] * self._queue(self._alive[worker].number)

    def take(self, avoid: Collection[str] = ()) -> ActorHandle | None:
        """An idle worker, if there is one; rather on another node than those to avoid."""
        if not self._idle:
            return None
        free = [worker for worker in reversed(self._idle) if self._nodes[worker] not in avoid]
        # One that has nothing to do before one that has a piece of work already.
        worker = max(free or reversed(self._idle), key=self._idle.count)
        self._idle.remove(worker)
        return worker

    def take_trusted(self, avoid: frozenset[int]) -> ActorHandle | None:
        """An idle worker for what has failed in workers that may be sick, in the places `avoid`.

        A proven one. While there is none, one in another place; nothing as long as another such
        place has one at work or coming up, for it may turn out to be well; then any.
        """
        for worker in self._idle:
            if worker in self._proven:
                self._idle.remove(worker)
                return worker
        if self._proven:
            return None
        others = [w for w, place in self._alive.items() if place.number not in avoid]
        for worker in others:
            if worker in self._idle:
                self._idle.remove(worker)
                return worker
        if any(self._may_turn_up(worker) for worker in others):
            return None
        return self.take()

    def _may_turn_up(self, worker: ActorHandle) -> bool:
        """Whether a worker that is not idle is at work, or has begun to start a short while ago.

        A cluster may have no room for a worker, and then it starts for ever.
        """
        if worker not in self.starting.values():
            return True
        return time.monotonic() - self._alive[worker].began < _HOPEFUL_S

    def give_back(self, worker: ActorHandle, *, proven: bool = False) -> None:
        """A lent worker is free again; `proven`: something came of its work."""
        if worker not in self._alive:
            return  # lost over other work meanwhile
        if proven:
            self.prove(worker)
        self._idle.append(worker)

    def prove(self, worker: ActorHandle) -> None:
        """Something came of a worker's work: its place is a good one."""
        if worker in self._alive:
            self._proven.add(worker)
            self._alive[worker] = replace(self._alive[worker], sick=0)

    def is_proven(self, worker: ActorHandle) -> bool:
        """Whether something came of a worker's work."""
        return worker in self._proven

    def is_there(self, worker: ActorHandle) -> bool:
        """Whether a worker has not been ended or lost."""
        return worker in self._alive

    def place_of(self, worker: ActorHandle) -> int:
        """The place that a worker has in common with those that it replaced."""
        return self._numbers[worker]

    def node_of(self, worker: ActorHandle) -> str:
        """The node that a worker runs on."""
        return self._nodes[worker]

    def replace(self, worker: ActorHandle) -> None:
        """End a worker that is dead, stuck or suspect, and start another in its place.

        Nothing where that was done already, over other work of its.
        """
        if worker not in self._alive:
            return
        place = self._alive[worker]
        self._kill(worker)
        self._begin(place)

    def replace_sick(self, worker: ActorHandle, *, evident: bool) -> bool:
        """End a worker after an error that nobody expects of an input, and start another.

        `evident`: the error speaks against the worker's place, and not against an input that has
        failed elsewhere too; without it, one from which nothing has come yet stays. Where one after
        the other is sick in a place, from its first work on, others go on without it. False where
        there are no others: then the worker is as good as any, and is free again.
        """
        if worker not in self._alive:
            return True
        if not evident and worker not in self._proven:
            self.give_back(worker)
            return True
        place = self._alive[worker]
        sick = place.sick + evident
        if sick <= _SICK_IN_A_ROW:
            self._kill(worker)
            self._begin(replace(place, sick=sick))
        elif len(self._alive) > 1:
            self._kill(worker)
        else:
            self.give_back(worker)
            return False
        return True

    def check(self) -> None:
        """Raise ConfigError where no worker comes up, because Ray has no room for one."""
        if self.is_up or not self.starting:
            return
        youngest = max(self._alive[worker].began for worker in self.starting.values())
        if time.monotonic() - youngest > _START_S:
            raise ConfigError(
                f"engine: Ray could not start a worker within {_START_S:g} s; it has "
                f"{ray.available_resources()} left: lower {self._setting}"
            )

    def close(self) -> None:
        """End all workers."""
        for worker in list(self._alive):
            with suppress(RayError, ValueError):
                self._kill(worker)

    def _kill(self, worker: ActorHandle) -> None:
        self._alive.pop(worker, None)
        self._proven.discard(worker)
        self._idle = [idle for idle in self._idle if idle is not worker]
        ray.kill(worker)
