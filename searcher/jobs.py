"""What the service asks of its workers, and what they reply. All of it is pickled."""

from dataclasses import dataclass, field

from reelshelf.indexer.search import Effort
from reelshelf.schemas.rules import NO_RULES, Rules
from reelshelf.searcher.messages import SearchMessage


@dataclass(frozen=True, slots=True)
class OpenView:
    """Open the release of a run under rules, as the view of a name. The reply is an `Opened`."""

    view: str
    run_id: str
    rules: Rules = NO_RULES


@dataclass(frozen=True, slots=True)
class CloseView:
    """Forget a view."""

    view: str


@dataclass(frozen=True, slots=True)
class Search:
    """A page of results. `picture` is the file that a shopper sent; `forced` are filters."""

    message: SearchMessage
    forced: tuple[str, ...] = ()
    picture: bytes | None = field(default=None, repr=False)
    without: frozenset[Effort] = frozenset()


@dataclass(frozen=True, slots=True)
class Explain:
    """Where "video:ID" or "product:SKU" stands in an answer, or why it is not there."""

    message: SearchMessage
    of: str
    forced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggest:
    """What a shopper may be about to type."""

    text: str
    count: int


@dataclass(frozen=True, slots=True)
class ShowVideo:
    """All that is known of a video."""

    video_id: str


@dataclass(frozen=True, slots=True)
class ShowProduct:
    """All that is known of a product."""

    sku: str


@dataclass(frozen=True, slots=True)
class FindMedia:
    """The file of a video."""

    video_id: str


@dataclass(frozen=True, slots=True)
class FindPoster:
    """The poster of a video."""

    video_id: str


@dataclass(frozen=True, slots=True)
class FindPicture:
    """The file of a picture of a product, by its number from 0."""

    sku: str
    number: int


@dataclass(frozen=True, slots=True)
class CheckLink:
    """Whether the release has a link: of whatever score."""

    video_id: str
    sku: str


@dataclass(frozen=True, slots=True)
class ListDoubtful:
    """Links that are most worth a look, without those that were `decided`: (video id, SKU)."""

    offset: int
    count: int
    decided: frozenset[tuple[str, str]]


Question = (
    Search
    | Explain
    | Suggest
    | ShowVideo
    | ShowProduct
    | FindMedia
    | FindPoster
    | FindPicture
    | CheckLink
    | ListDoubtful
)
Job = OpenView | CloseView | Question


@dataclass(frozen=True, slots=True)
class Opened:
    """A view that a worker has opened, its release, and what is to be said of the rules there."""

    view: str
    release_id: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """An answer as JSON, and the milliseconds that a worker took for it.

    `degraded` is the effort that the answer lacks: what was left out and would have counted.
    """

    body: bytes
    took_ms: float
    answered: bool = True
    degraded: tuple[Effort, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """A file that may be handed out as long as its bytes have this SHA-256.

    None for a file of reelshelf's own, which is named by what it was made of.
    """

    path: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer.

    `kind` is "input" (the request cannot be understood), "stale" (its cursor is of a release that
    is gone), "absent" (the release does not have it),
    "service" (it cannot be done now) or "bug".
    """

    kind: str
    message: str


Reply = Opened | Done | Located | Refused | None
