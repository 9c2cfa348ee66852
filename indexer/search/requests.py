"""What is asked of a searcher, and the cursors that ask for its next page."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Literal

from reelshelf.indexer.search.filters import NO_FILTER, Filter
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Pixels


class UnknownThing(InputError):
    """More is looked for of something that the release does not have."""


class StaleCursor(InputError):
    """A cursor is of a release that is not searched any more."""


Rows = Literal["videos", "products", "mixed"]
Sort = Literal["relevance", "price", "-price", "newest"]
# What a search can leave out when time is short, in this order: comparing frames, and comparing any
# vectors. Words and products are always searched.
Effort = Literal["image", "vectors"]
ROWS: tuple[Rows, ...] = ("videos", "products", "mixed")
SORTS: tuple[Sort, ...] = ("relevance", "price", "-price", "newest")
EFFORTS: tuple[Effort, ...] = ("image", "vectors")
_MOST = 1000
# No list is longer, and no instant later, in milliseconds.
_LAST = 2**53
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,3})?")


@dataclass(frozen=True, slots=True)
class Like:
    """A video, a moment of one, or a product, of which more is looked for.

    `name` is the id of the video or the SKU; `at_ms` is the moment, None for a whole video.
    """

    kind: Literal["video", "product"]
    name: str
    at_ms: int | None = None


def read_like(given: str) -> Like:
    """What "video:ID", "video:ID@12.5" (seconds) or "product:SKU" names. Raises InputError."""
    kind, colon, name = given.partition(":")
    if kind not in ("video", "product") or not colon or not name:
        raise InputError(
            f"like {given!r}: write video:ID, video:ID@SECONDS for a moment, or product:SKU"
        )
    if kind == "product":
        return Like("product", name)
    whole, at, moment = name.rpartition("@")
    if at and whole and _SECONDS.fullmatch(moment):
        return Like("video", whole, round(float(moment) * 1000))
    return Like("video", name)


@dataclass(frozen=True)
class SearchRequest:
    """A text, a picture, or both; or more like something; and how its results are wanted.

    `image` is `(H, W, 3)` uint8. `rows` says what is looked for: videos, products, or both in one
    mixed row. `facets` are fields of filters of which values are counted. `sort` orders what is
    relevant by something else. `page_size` results come at once; `cursor`, which an answer gives,
    asks for the ones after it. Unless `correct`, the words of the text are taken as they are.
    `language` is that of the shopper, where it is known, for rules that are of one. A searcher that
    is short of time goes `without` some effort; the pages after one are made as that was.
    """

    text: str | None = None
    image: Pixels | None = field(default=None, repr=False)
    like: Like | None = None
    rows: Rows = "videos"
    filter: Filter = NO_FILTER
    facets: tuple[str, ...] = ()
    sort: Sort = "relevance"
    page_size: int = 10
    cursor: str | None = None
    correct: bool = True
    language: str | None = None
    without: frozenset[Effort] = frozenset()

    def __post_init__(self) -> None:
        if self.text is None and self.image is None and self.like is None:
            raise InputError("the request has neither a text nor a picture, and is like nothing")
        if self.like is not None and (self.text is not None or self.image is not None):
            raise InputError("like: it stands alone, without a text or a picture")
        if not 1 <= self.page_size <= _MOST:
            raise InputError(f"page_size: got {self.page_size}; it must be from 1 to {_MOST}")
        if self.sort not in SORTS:
            raise InputError(f"sort: got {self.sort!r}; it must be one of {', '.join(SORTS)}")
        if self.rows not in ROWS:
            raise InputError(f"rows: got {self.rows!r}; it must be one of {', '.join(ROWS)}")
        if self.rows == "videos" and self.sort in ("price", "-price"):
            raise InputError("sort: videos have no price; list products by it")
        if self.rows == "mixed" and self.sort != "relevance":
            raise InputError("sort: a mixed row is by relevance; list videos or products")
        if self.rows == "products" and self.filter.kind is not None:
            raise InputError("filter kind: it is of videos, and products are looked for")

    def eased(self, without: frozenset[Effort]) -> "SearchRequest":
        """The same request without some effort: of a text with a picture, the text is asked."""
        image = None if without and self.text is not None else self.image
        return replace(self, without=without, image=image)

    @property
    def digest(self) -> str:
        """The same for all pages of one list."""
        image = "" if self.image is None else hashlib.sha256(self.image.tobytes()).hexdigest()
        list_of = (self.text, self.like, self.rows, self.filter, self.sort)
        asked = (*list_of, self.correct, self.page_size, self.language)
        return fingerprint([repr(asked), image])[:16]


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins in the list of a release, and how that list is made.

    It is of a request by its digest, of an instant, and `without` some effort.
    """

    of: str
    offset: int
    now_ms: int
    without: frozenset[Effort]


def read_cursor(request: SearchRequest, release: str, now_ms: int) -> Page:
    """The page that a request asks for. Raises InputError where its cursor is of something else."""
    if request.cursor is None:
        return Page(request.digest, 0, now_ms, request.without)
    try:
        given = dict(json.loads(base64.urlsafe_b64decode(request.cursor.encode())))
        of_release, digest, offset, now = (given[key] for key in ("r", "q", "o", "t"))
        without = frozenset(effort for effort in EFFORTS if effort in given.get("w", ()))
        page = Page(str(digest), int(offset), int(now), without)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError("the cursor is none that a search has given") from error
    if of_release != release:
        raise StaleCursor(
            f"the cursor is of release {of_release}, which is not searched any more: ask again "
            "without it"
        )
    is_sane = 0 <= page.offset <= _LAST and 0 <= page.now_ms <= _LAST
    if page.of != request.digest or not is_sane:
        raise InputError("the cursor is of another request: ask again without it")
    return page


def next_cursor(request: SearchRequest, release: str, page: Page, total: int) -> str | None:
    """The cursor of the page after one; None where that is the last."""
    offset = page.offset + request.page_size
    if offset >= total:
        return None
    asked: dict[str, object] = {"r": release, "q": page.of, "o": offset, "t": page.now_ms}
    if page.without:
        asked["w"] = sorted(page.without)
    return base64.urlsafe_b64encode(json.dumps(asked).encode()).decode()
