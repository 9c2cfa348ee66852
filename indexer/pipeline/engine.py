"""Where the work of one run is carried out: one contract, two engines.

`local` runs everything in this process, one video after the other: for tests and debugging, with
no protection from a decoder that hangs or crashes. `ray` spreads it over worker processes that can
be killed. The rows that come out are the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias, TypeVar

from reelshelf.models.protocols import ModelSet, TextDetector
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

ModelLoader: TypeAlias = Callable[[Config], ModelSet]
DetectorLoader: TypeAlias = Callable[[Config], TextDetector]
Decode: TypeAlias = Callable[
    [VideoJob, Config, TextDetector | None], DecodedVideo | Divided | Failed
]

EncodeTexts: TypeAlias = Callable[
    [Sequence[Product]], Iterator[dict[str, ProductVectors | RejectedText]]
]


# Of decoded videos that a model worker is given at once, beyond the first.
MOST_BATCH_BYTES = 256 * 1024**2


class TaskRunner(Protocol):
    """Runs functions that need no model."""

    @property
    def index_workers(self) -> int:
        """In how many pieces an index is best encoded."""
        ...

    def map_tasks(
        self,
        function: Callable[[Item], Answer],
        items: Sequence[Item],
        cores: int | None = None,
    ) -> Iterator[Answer]:
        """Call a function on items, in any order, wherever there is room.

        Each call keeps so many cores busy; None: all those of a node.
        """
        ...


class ThisProcess:
    """Runs them here, one after the other: Lance and FAISS use all cores by themselves."""

    index_workers = 1

    def map_tasks(
        self,
        function: Callable[[Item], Answer],
        items: Sequence[Item],
        cores: int | None = None,
    ) -> Iterator[Answer]:
        """Call a function on items, in their order."""
        del cores
        return map(function, items)


class Engine(TaskRunner, Protocol):
    """Runs the models of one run. Entering it loads them, or says what is missing."""

    @property
    def refs(self) -> ModelRefs:
        """The models in use."""
        ...

    @property
    def devices(self) -> ModelDevices:
        """What the models run on, as they say themselves."""
        ...

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Seconds by stage since the engine was entered."""
        ...

    def encode_texts(
        self, products: Sequence[Product]
    ) -> Iterator[dict[str, ProductVectors | RejectedText]]:
        """Encode what products' rows say, by SKU, in batches, in any order. Each has one answer."""
        ...

    def encode_pictures(
        self, jobs: Sequence[PictureJob]
    ) -> Iterator[EncodedPicture | RejectedPicture]:
        """Encode pictures, in any order. Every job gets exactly one answer."""
        ...

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """Encode texts and pictures to check what an encoder does, in any order, each once."""
        ...

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Decode videos and run the models, in any order. Every job gets exactly one outcome."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
