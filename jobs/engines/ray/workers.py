"""Worker processes on Ray, and what each does.

A decode worker holds one video at a time, and has a child decode it; a model worker loads every
model once and takes batches. Both can be killed: native code cannot be interrupted in any other
way.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ray
from ray import cloudpickle

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
from reelshelf.schemas.errors import ReelshelfError
from reelshelf.schemas.logs import LogLine, keep_records, log_context
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

if TYPE_CHECKING:
    from reelshelf.indexer.pipeline.engine import Decode, DetectorLoader, ModelLoader

_LOG = logging.getLogger(__name__)


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
