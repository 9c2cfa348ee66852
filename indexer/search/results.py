"""What a search gives back."""

from dataclasses import dataclass

from schemas.links import Evidence


@dataclass(frozen=True, slots=True)
class SoldProduct:
    """A product that a found video sells."""

    sku: str
    title: str
    score: float


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One found video, its best moment, what it sells, and why it was found.

    `copies` are the other videos of its duplicate cluster, likeliest first; they are no results of
    their own. `routes` holds what each route that found the video, and each feature, adds to
    `score`.
    """

    video_id: str
    copies: tuple[str, ...]
    score: float
    start_ms: int
    end_ms: int
    products: tuple[SoldProduct, ...]
    routes: tuple[tuple[str, float], ...]
    evidence: tuple[Evidence, ...]
    text: str
