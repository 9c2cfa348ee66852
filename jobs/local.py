"""The engine that does everything in this process."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from indexer.products import ProductsEncoded, encode_products
from jobs import work
from jobs.engine import Decode, ModelLoader
from models.protocols import ModelSet
from schemas.catalog import Product
from schemas.config import Config
from schemas.outcomes import Failed, Outcome, VideoJob
from schemas.release import ModelRefs


class LocalEngine:
    """One process, one video at a time. Deadlines are not kept: nothing here can be killed."""

    def __init__(self, config: Config, loader: ModelLoader, decode: Decode = work.decode) -> None:
        self._config = config
        self._decode = decode
        self._loader = loader
        self._models: ModelSet | None = None

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        return self._loaded.refs

    def encode_products(self, products: Sequence[Product], root: Path) -> Iterator[ProductsEncoded]:
        """Encode products one by one, so that progress can be seen."""
        models = self._loaded
        for product in products:
            yield encode_products([product], root, models, self._config.reading)

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode and understand videos in the order they come."""
        for job in jobs:
            decoded = self._decode(job, self._config)
            if isinstance(decoded, Failed):
                yield decoded
            else:
                yield from work.understand([(job, decoded)], self._loaded, self._config)

    @property
    def _loaded(self) -> ModelSet:
        if self._models is None:
            raise RuntimeError("the engine is used outside its `with` block")
        return self._models

    def __enter__(self) -> Self:
        work.use_one_thread()
        self._models = self._loader(self._config)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._models = None
