"""The engine of work that asks no model: publishing what the tables hold."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar

from models.registry import load_text_encoder
from schemas.catalog import EncodedPicture, PictureJob, Product, ProductVectors, RejectedPicture
from schemas.config import Config
from schemas.errors import ReelshelfError
from schemas.media import Vectors
from schemas.outcomes import Outcome, VideoJob
from schemas.release import ModelRefs
from schemas.run import Spent, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class IdleEngine:
    """Has no models but for what shoppers typed; `refs` are those the tables were made with."""

    index_workers = 1

    def __init__(self, config: Config, refs: ModelRefs) -> None:
        self._config = config
        self.refs = refs
        self.spent: dict[Stage, Spent] = {}

    def spread(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """Call a function on items, one after the other."""
        return map(function, items)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what shoppers typed."""
        return load_text_encoder(self._config).encode_texts(texts)

    def encode_texts(self, products: Sequence[Product]) -> Iterator[dict[str, ProductVectors]]:
        """Never asked for."""
        raise ReelshelfError(f"no models are loaded to encode {len(products)} products")

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Never asked for."""
        raise ReelshelfError(f"no models are loaded to encode {len(jobs)} pictures")

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Never asked for."""
        raise ReelshelfError(f"no models are loaded to index {len(list(jobs))} videos")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """There is nothing to end."""
