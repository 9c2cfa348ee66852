"""What is asked of a searcher, and the cursors that ask for its next page."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from reelshelf.indexer.search.filters import NO_FILTER, Filter
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Pixels

Rows = Literal["videos", "products"]
Sort = Literal["relevance", "price", "-price", "newest"]
ROWS: tuple[Rows, ...] = ("videos", "products")
SORTS: tuple[Sort, ...] = ("relevance", "price", "-price", "newest")
_MOST = 1000
# No list is longer, and no instant later, in milliseconds.
_LAST = 2**53


@dataclass(frozen=True)
class SearchRequest:
    """A text, a picture, or both, and how its results are wanted.

    `image` is `(H, W, 3)` uint8. `rows` says what is looked for. `facets` are fields of filters of
    which values are counted. `sort` orders what is relevant by something else. `page_size` results
    come at once; `cursor`, which an answer gives, asks for the ones after it. Unless `correct`, the
    words of the text are taken as they are.
    """

    text: str | None = None
    image: Pixels | None = field(default=None, repr=False)
    rows: Rows = "videos"
    filter: Filter = NO_FILTER
    facets: tuple[str, ...] = ()
    sort: Sort = "relevance"
    page_size: int = 10
    cursor: str | None = None
    correct: bool = True

    def __post_init__(self) -> None:
        if self.text is None and self.image is None:
            raise InputError("the request has neither a text nor a picture")
        if not 1 <= self.page_size <= _MOST:
            raise InputError(f"page_size: got {self.page_size}; it must be from 1 to {_MOST}")
        if self.sort not in SORTS:
            raise InputError(f"sort: got {self.sort!r}; it must be one of {', '.join(SORTS)}")
        if self.rows == "videos" and self.sort in ("price", "-price"):
            raise InputError("sort: videos have no price; list products by it")
        if self.rows == "products" and self.filter.kind is not None:
            raise InputError("filter kind: it is of videos, and products are looked for")
        if self.rows not in ROWS:
            raise InputError(f"rows: got {self.rows!r}; it must be one of {', '.join(ROWS)}")

    @property
    def digest(self) -> str:
        """The same for all pages of one list."""
        image = "" if self.image is None else hashlib.sha256(self.image.tobytes()).hexdigest()
        asked = (self.text, self.rows, self.filter, self.sort, self.correct, self.page_size)
        return fingerprint([repr(asked), image])[:16]


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page begins in the list of a release, and the instant that its list is of."""

    offset: int
    now_ms: int


def read_cursor(request: SearchRequest, release: str, now_ms: int) -> Page:
    """The page that a request asks for. Raises InputError where its cursor is of something else."""
    if request.cursor is None:
        return Page(0, now_ms)
    try:
        given = json.loads(base64.urlsafe_b64decode(request.cursor.encode()))
        of_release, digest, offset, now = (given[key] for key in ("r", "q", "o", "t"))
        page = Page(int(offset), int(now))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError("the cursor is none that a search has given") from error
    if of_release != release:
        raise InputError(
            f"the cursor is of release {of_release}, which is not searched any more: ask again "
            "without it"
        )
    is_sane = 0 <= page.offset <= _LAST and 0 <= page.now_ms <= _LAST
    if digest != request.digest or not is_sane:
        raise InputError("the cursor is of another request: ask again without it")
    return page


def next_cursor(request: SearchRequest, release: str, page: Page, total: int) -> str | None:
    """The cursor of the page after one; None where that is the last."""
    offset = page.offset + request.page_size
    if offset >= total:
        return None
    asked = {"r": release, "q": request.digest, "o": offset, "t": page.now_ms}
    return base64.urlsafe_b64encode(json.dumps(asked).encode()).decode()
