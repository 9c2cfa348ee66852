"""What a search gives back."""

from dataclasses import dataclass

from reelshelf.indexer.search.query import Query
from reelshelf.schemas.links import Evidence


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
class SearchHit:
    """One found video, its best moment, what it sells, and why it was found.

    `copies` are the other videos of its duplicate cluster, likeliest first; they are no results of
    their own. `retrievers` holds what each retriever that found the video, and each feature, adds
    to `score`.
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query found, best first.

    Where nothing in the shop comes near the query, `hits` is empty and `closest` holds what came
    closest all the same; `outside_filters`: something does, but not within the price or the
    category that was asked for. `query` is how a text was understood; a picture has none.
    """

    hits: tuple[SearchHit, ...]
    closest: tuple[SearchHit, ...] = ()
    query: Query | None = None
    outside_filters: bool = False

    @property
    def answered(self) -> bool:
        """Whether anything in the shop comes near the query."""
        return bool(self.hits)

    @property
    def ranked(self) -> tuple[SearchHit, ...]:
        """All that is shown, in order: for measuring how it is ordered."""
        return self.hits or self.closest
