"""Where the work of one run is carried out: one contract, two engines.

`local` runs everything in this process, one video after the other: for tests and debugging, with
no protection from a decoder that hangs or crashes. `ray` spreads it over worker processes that can
be killed. The rows that come out are the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias, TypeVar

from models.protocols import ModelSet
from schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
)
from schemas.config import Config
from schemas.errors import FailureKind, MediaError
from schemas.media import DecodedVideo
from schemas.outcomes import Failed, Outcome, VideoJob
from schemas.release import ModelRefs
from schemas.run import Spent, Stage

Item = TypeVar("Item")
Answer = TypeVar("Answer")

ModelLoader: TypeAlias = Callable[[Config], ModelSet]
Decode: TypeAlias = Callable[[VideoJob, Config], DecodedVideo | Failed]


class Engine(Protocol):
    """Runs the models of one run. Entering it loads them, or says what is missing."""

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        ...

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Seconds by stage since the engine was entered."""
        ...

    @property
    def index_workers(self) -> int:
        """In how many pieces an index is best encoded."""
        ...

    def spread(self, function: Callable[[Item], Answer], items: Sequence[Item]) -> Iterator[Answer]:
        """Call a function that needs no model on items, in any order, wherever there is room."""
        ...

    def encode_texts(self, products: Sequence[Product]) -> Iterator[dict[str, ProductVectors]]:
        """Encode what products' rows say, by SKU, in batches, in any order."""
        ...

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Encode pictures, in any order. Every job gets exactly one answer."""
        ...

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode and understand videos, in any order. Every job gets exactly one outcome."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def failure(job: VideoJob, stage: str, error: BaseException, attempt: int = 1) -> Failed:
    """An exception as the outcome of a video."""
    if isinstance(error, MediaError):
        kind, message = error.kind, str(error)
    elif isinstance(error, MemoryError):
        kind, message = FailureKind.OUT_OF_MEMORY, "needs more memory than a worker may take"
    else:
        kind, message = FailureKind.INTERNAL, f"{type(error).__name__}: {error}"
    return failed(job, stage, kind, message, attempt)


def failed(job: VideoJob, stage: str, kind: FailureKind, message: str, attempt: int = 1) -> Failed:
    """The outcome of a video that has no rows."""
    source = job.source
    text = message[:2000]
    return Failed(source.video_id, source.path, stage, kind, text, attempt, job.stamp)
