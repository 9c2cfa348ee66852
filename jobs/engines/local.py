"""The engine that does everything in this process."""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.pipeline.engine import (
    MOST_BATCH_BYTES,
    Decode,
    ModelLoader,
    ThisProcess,
)
from reelshelf.models.protocols import ModelSet
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
    RejectedText,
)
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class LocalEngine(ThisProcess):
    """One process, one video at a time. Deadlines are not kept: nothing here can be killed."""

    def __init__(self, config: Config, loader: ModelLoader, decode: Decode = work.decode) -> None:
        self._config = config
        self._decode = decode
        self._loader = loader
        self._models: ModelSet | None = None
        self._meter = Meter()

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        return self._loaded.refs

    @property
    def devices(self) -> ModelDevices:
        """What the models run on."""
        return self._loaded.devices

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Seconds by stage since the engine was entered."""
        return dict(self._meter.spent)

    def encode_texts(
        self, products: Sequence[Product]
    ) -> Iterator[dict[str, ProductVectors | RejectedText]]:
        """Encode products one by one, so that progress can be seen."""
        for product in products:
            yield work.encode_or_reject_texts([product], self._loaded.text, self._meter)

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Encode pictures in the order they come."""
        for job in jobs:
            yield work.encode_or_reject(job, self._loaded, self._config, self._meter)

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """Encode them in one batch."""
        yield from work.encode_or_lose_probes(probes, self._loaded, self._meter)

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode videos in the order they come, and run the models over a few at a time."""
        batch: list[tuple[VideoJob, DecodedVideo]] = []
        size = 0
        for job in jobs:
            with self._meter.stage(Stage.DECODE):
                decoded = self._decode(job, self._config, self._loaded.ocr)
            if isinstance(decoded, Failed | Divided):
                yield decoded
                continue
            batch.append((job, decoded))
            size += decoded.nbytes
            if len(batch) >= self._config.engine.videos_per_batch or size >= MOST_BATCH_BYTES:
                yield from self._run_models(batch)
                batch, size = [], 0
        yield from self._run_models(batch)

    def _run_models(self, batch: Sequence[tuple[VideoJob, DecodedVideo]]) -> list[Outcome]:
        return work.run_models(batch, self._loaded, self._config, self._meter) if batch else []

    @property
    def _loaded(self) -> ModelSet:
        if self._models is None:
            raise RuntimeError("the engine is used outside its `with` block")
        return self._models

    def __enter__(self) -> Self:
        work.use_one_thread()
        self._models = self._loader(self._config)
        self._meter = Meter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._models = None
        work.files_of(self._config.storage).let_go()
