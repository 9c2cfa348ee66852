"""What a search gives back."""

import decimal
from dataclasses import dataclass
from typing import ClassVar

from reelshelf.indexer.search.query import Query
from reelshelf.schemas.links import Evidence
from reelshelf.schemas.rules import ResultKind


@dataclass(frozen=True, slots=True)
class SoldProduct:
    """A product that a found video sells.

    `variants` are the SKUs it may be where it is not known which of its group the video shows;
    `is_corrected`: a person says so.
    """

    sku: str
    title: str
    score: float
    group_id: str | None = None
    variants: tuple[str, ...] = ()
    is_corrected: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a found video, and the retriever that found it."""

    start_ms: int
    end_ms: int
    text: str
    retriever: str


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One found video, its best moment, what it sells, and why it was found.

    `moments` are up to three that were found, best first; `start_ms`, `end_ms` and `text` are those
    of the first. `copies` are the other videos of its duplicate cluster, likeliest first; they are
    no results of their own. `retrievers` holds what each retriever that found the video, and each
    other feature, adds to `score`. `probability` is how likely a shopper wants it, in 0..1, in a
    mixed row. `title` is empty where the shop gave none; `product` is the SKU that led to it.
    """

    video_id: str
    copies: tuple[str, ...]
    score: float
    start_ms: int
    end_ms: int
    products: tuple[SoldProduct, ...]
    retrievers: tuple[tuple[str, float], ...]
    evidence: tuple[Evidence, ...]
    text: str
    moments: tuple[Moment, ...] = ()
    kind: ResultKind = "video"
    probability: float | None = None
    title: str = ""
    product: str | None = None


@dataclass(frozen=True, slots=True)
class ProductHit:
    """One found product: the likeliest variant of its group, with the others by their SKUs.

    `videos` are ids of videos that surely sell it or another of its group, likeliest first;
    `video_count` is how many do. `parts` is what `score` is made of, where a text was asked.
    `probability` is how likely a shopper wants it, in 0..1, in a mixed row.
    """

    kind: ClassVar[ResultKind] = "product"

    sku: str
    title: str
    score: float
    price: decimal.Decimal | None
    currency: str | None
    variants: tuple[str, ...]
    videos: tuple[str, ...]
    video_count: int
    parts: tuple[tuple[str, float], ...] = ()
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A name and how many results have it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Facet:
    """The names that results have of a field, the most frequent first, and how many have none."""

    field: str
    values: tuple[FacetValue, ...]
    without: int


Result = SearchHit | ProductHit


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found, best first: videos, products, or both.

    Where nothing in the shop comes near the query, there are no `results`, and `closest` holds what
    came closest all the same; `outside_filters`: something does, but not within the price or the
    filter that was asked for. `query` is how a text was understood; a picture has none. `total` is
    how many results there are on all pages, `offset` how many of them stand on the pages before
    this one, and `next_cursor` asks for the next page, if there is one. `rules` are those that hold
    for the query, and `redirect` is where one of them leads.
    """

    results: tuple[Result, ...]
    closest: tuple[Result, ...] = ()
    query: Query | None = None
    outside_filters: bool = False
    facets: tuple[Facet, ...] = ()
    total: int = 0
    offset: int = 0
    next_cursor: str | None = None
    rules: tuple[str, ...] = ()
    redirect: str | None = None

    @property
    def answered(self) -> bool:
        """Whether anything in the shop comes near the query."""
        return bool(self.results)

    @property
    def hits(self) -> tuple[SearchHit, ...]:
        """The videos among the results."""
        return tuple(one for one in self.results if isinstance(one, SearchHit))

    @property
    def products(self) -> tuple[ProductHit, ...]:
        """The products among the results."""
        return tuple(one for one in self.results if isinstance(one, ProductHit))

    @property
    def ranked(self) -> tuple[SearchHit, ...]:
        """All videos that are shown, in order: for measuring how they are ordered."""
        shown = self.results or self.closest
        return tuple(one for one in shown if isinstance(one, SearchHit))
