"""What the service takes and gives, as JSON: the models of its OpenAPI description.

Answers of a worker are made of these, so what is described is what is sent.
"""

import decimal
from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from reelshelf.indexer.search import (
    Answer,
    Effort,
    Facet,
    ProductHit,
    Query,
    Result,
    SearchHit,
    SearchRequest,
    Why,
    read_filter,
    read_like,
)
from reelshelf.indexer.text import wording
from reelshelf.schemas.errors import InputError
from reelshelf.schemas.links import Evidence
from reelshelf.schemas.media import Pixels
from reelshelf.searcher.addresses import moment_link


def told_price(price: decimal.Decimal) -> str:
    """A price without trailing zeros, but for cents: "79", "0.79", "12.50"."""
    whole, _, part = f"{price:f}".partition(".")
    part = part.rstrip("0")
    return f"{whole}.{part:0<2}" if part else whole


Price: TypeAlias = Annotated[decimal.Decimal, PlainSerializer(told_price, return_type=str)]
Rows = Literal["mixed", "videos", "products"]
Sort = Literal["relevance", "price", "-price", "newest"]
_LONGEST_TEXT = 1000
_MOST_FIELDS = 50


Pair: TypeAlias = Annotated[str, Field(max_length=_LONGEST_TEXT, pattern="^[^=]+=.+$")]


class Message(BaseModel):
    """Base of all messages: unknown fields are refused, so that a misspelled one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SearchMessage(Message):
    """A search: a text (`q`), or more like a thing (`like`); a picture is sent beside it.

    `filter` has entries such as "brand=Acme|Norda", "price=10..20" or "kind=live"; `facets` are
    fields whose values are counted. Unless `correct`, no spelling is corrected. `explain` adds what
    each score is made of.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["q"]}, {"required": ["like"]}],
            "examples": [
                {"q": "red shoes under 50 euro", "facets": ["brand", "category"]},
                {"like": "video:clip-02@12.5", "rows": "products"},
            ],
        }
    )

    q: Annotated[str | None, Field(max_length=_LONGEST_TEXT)] = None
    like: Annotated[
        str | None, Field(max_length=_LONGEST_TEXT, pattern=r"^(video|product):.+$")
    ] = None
    rows: Rows = "mixed"
    filter: Annotated[tuple[Pair, ...], Field(max_length=_MOST_FIELDS)] = ()
    facets: Annotated[tuple[str, ...], Field(max_length=_MOST_FIELDS)] = ()
    sort: Sort = "relevance"
    page_size: Annotated[int, Field(ge=1, le=1000)] = 20
    cursor: Annotated[str | None, Field(max_length=2000)] = None
    language: Annotated[str | None, Field(max_length=35)] = None
    correct: bool = True
    explain: bool = False

    def request(
        self,
        forced: tuple[str, ...] = (),
        image: Pixels | None = None,
        without: frozenset[Effort] = frozenset(),
    ) -> SearchRequest:
        """The request that it makes, with the filters that its key forces on it.

        Raises InputError, which says what in it cannot be understood.
        """
        if self.q is None and self.like is None and image is None:
            raise InputError("give a text (q), a picture (image), or what more is like (like)")
        return SearchRequest(
            text=self.q,
            image=image,
            like=read_like(self.like) if self.like is not None else None,
            rows=self.rows,
            filter=read_filter((*self.filter, *forced)),
            facets=self.facets,
            sort=self.sort,
            page_size=self.page_size,
            cursor=self.cursor,
            correct=self.correct,
            language=self.language,
            without=without,
        )


class Part(Message):
    """What one signal adds to a score."""

    name: str
    score: float


class MomentMessage(Message):
    """A moment of a video that was found. `link` starts the video there."""

    start_ms: int
    end_ms: int
    text: str
    found_by: str
    link: str


class SoldMessage(Message):
    """A product that a video sells. `variants`: it is not known which of these is shown."""

    sku: str
    title: str
    score: float
    variants: tuple[str, ...] = ()
    corrected: bool = False


class ResultMessage(Message):
    """A video, a live or a product, at a position from 1.

    `probability` is how likely a shopper wants it, in a mixed row. Videos have `moments`,
    `products` and `copies`; products have `price`, `variants` and `videos` that sell them.
    """

    kind: Literal["video", "live", "product"]
    id: str
    position: int
    title: str
    score: float
    probability: float | None = None
    poster: str | None = None
    media: str | None = None
    moments: tuple[MomentMessage, ...] = ()
    products: tuple[SoldMessage, ...] = ()
    copies: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    price: Price | None = None
    currency: str | None = None
    variants: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    video_count: int | None = None
    parts: tuple[Part, ...] = ()


class PriceMessage(Message):
    """The price that a text asks for. Unless `filters`, it is in a currency the shop has not."""

    least: Price | None
    most: Price | None
    currency: str | None
    filters: bool


class CorrectionMessage(Message):
    """A word that was typed, and the one it was taken for."""

    typed: str
    taken: str


class UnderstoodMessage(Message):
    """How a text was understood."""

    text: str
    corrections: tuple[CorrectionMessage, ...] = ()
    price: PriceMessage | None = None
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class FacetValueMessage(Message):
    """A value and how many results have it."""

    name: str
    count: int


class FacetMessage(Message):
    """The values that results have of a field, most frequent first; `without` have none."""

    field: str
    values: tuple[FacetValueMessage, ...]
    without: int


class Body(Message):
    """A page of results, all of one release.

    Where nothing in the shop comes near the query, `answered` is false, `results` is empty, and
    `closest` has what came closest.
    """

    release: str
    ranker: str
    understood: UnderstoodMessage | None
    answered: bool
    outside_filters: bool
    results: tuple[ResultMessage, ...]
    closest: tuple[ResultMessage, ...]
    facets: tuple[FacetMessage, ...]
    total: int
    next_cursor: str | None
    rules: tuple[str, ...]
    redirect: str | None


class AnswerMessage(Body):
    """The same as it is sent: with the id that events refer to.

    `degraded` names what was left out because the service was busy: "image", "vectors". `took_ms`
    is by stage.
    """

    query_id: str
    degraded: tuple[Literal["image", "vectors"], ...]
    took_ms: dict[str, float]


class ExplainMessage(SearchMessage):
    """A search, and `of`: the "video:ID" or "product:SKU" whose place in it is to be explained."""

    of: Annotated[str, Field(max_length=_LONGEST_TEXT, examples=["video:clip-02"])]


class WhyMessage(Message):
    """Where a thing stands in an answer, or why it is not there.

    `position` counts from 1, null where it is not in the list.
    """

    release: str
    kind: str
    id: str
    position: int | None
    score: float | None
    parts: tuple[Part, ...]
    reasons: tuple[str, ...]


class SuggestionMessage(Message):
    """A text that can be searched for: a product's title, a brand, a category, or a query."""

    text: str
    kind: Literal["product", "brand", "category", "query"]


class SuggestionsMessage(Message):
    """What a shopper may be about to type, likeliest first."""

    release: str
    suggestions: tuple[SuggestionMessage, ...]


class LinkMessage(Message):
    """A product that a video sells, or a video that sells a product, with moments and reasons."""

    video: str
    sku: str
    title: str
    score: float
    moments: tuple[tuple[int, int], ...]
    evidence: tuple[str, ...]
    modalities: dict[str, float]
    poster: str | None = None
    corrected: bool = False


class LineMessage(Message):
    """What a video says at a moment."""

    start_ms: int
    end_ms: int
    text: str


class VideoMessage(Message):
    """A video: where it plays, what it says, and what it sells."""

    release: str
    id: str
    title: str
    duration_ms: int
    published_at: str | None
    kind: Literal["video", "live"]
    media: str | None
    poster: str | None
    captions: str
    transcript: tuple[LineMessage, ...]
    products: tuple[LinkMessage, ...]


class ProductMessage(Message):
    """A product, as the catalog has it, and the videos that sell it."""

    release: str
    id: str
    title: str
    brand: str | None
    category: tuple[str, ...]
    description: str | None
    price: Price | None
    currency: str | None
    availability: str | None
    attributes: dict[str, str]
    pictures: tuple[str, ...]
    variants: tuple[str, ...]
    videos: tuple[LinkMessage, ...]


class LinkIdMessage(Message):
    """A link by its video and its product; null where there is none."""

    video: str | None
    sku: str | None


class DoubtMessage(LinkMessage):
    """A link to be looked at, and why it is worth a look."""

    why: str
    start_ms: int
    media: str | None
    pictures: tuple[str, ...]


class DoubtsMessage(Message):
    """Links that are most worth a person's look, in that order; `total` are left."""

    release: str
    links: tuple[DoubtMessage, ...]
    total: int


class Shown(Protocol):
    """Which files the service hands out."""

    def picture_address(self, sku: str) -> str | None:
        """Where the first picture of a product is."""
        ...

    def media_address(self, video_id: str) -> str | None:
        """Where a video is."""
        ...

    def poster_address(self, video_id: str) -> str | None:
        """Where the poster of a video is."""
        ...


def answer_body(found: Answer, release: str, ranker: str, shown: Shown, explain: bool) -> Body:
    """An answer as a message."""
    tell = _Telling(found.offset, explain, shown)
    return Body(
        release=release,
        ranker=ranker,
        understood=_understood(found.query) if found.query else None,
        answered=found.answered,
        outside_filters=found.outside_filters,
        results=tuple(map(tell.result, range(len(found.results)), found.results)),
        closest=tuple(map(tell.result, range(len(found.closest)), found.closest)),
        facets=tuple(map(_facet, found.facets)),
        total=found.total,
        next_cursor=found.next_cursor,
        rules=found.rules,
        redirect=found.redirect,
    )


def why_body(why: Why, release: str) -> WhyMessage:
    """An explanation as a message."""
    return WhyMessage(
        release=release,
        kind=why.kind,
        id=why.name,
        position=why.position,
        score=why.score,
        parts=tuple(Part(name=name, score=score) for name, score in why.parts),
        reasons=why.reasons,
    )


class _Telling:
    """Makes messages of results; the first of them stands behind `offset` others."""

    def __init__(self, offset: int, explain: bool, shown: Shown) -> None:
        self._offset, self._explain, self._shown = offset, explain, shown

    def result(self, number: int, one: Result) -> ResultMessage:
        position = self._offset + number + 1
        if isinstance(one, ProductHit):
            return self._product(position, one)
        return self._video(position, one)

    def _product(self, position: int, one: ProductHit) -> ResultMessage:
        return ResultMessage(
            kind="product",
            id=one.sku,
            position=position,
            title=one.title,
            score=one.score,
            probability=one.probability,
            poster=self._shown.picture_address(one.sku),
            price=one.price,
            currency=one.currency,
            variants=one.variants,
            videos=one.videos,
            video_count=one.video_count,
            parts=self._parts(one.parts),
        )

    def _video(self, position: int, one: SearchHit) -> ResultMessage:
        return ResultMessage(
            kind=one.kind,
            id=one.video_id,
            position=position,
            title=video_title(one.title, one.video_id, _asked_for_first(one)),
            score=one.score,
            probability=one.probability,
            poster=self._shown.poster_address(one.video_id),
            media=self._shown.media_address(one.video_id),
            moments=tuple(
                MomentMessage(
                    start_ms=moment.start_ms,
                    end_ms=moment.end_ms,
                    text=wording.flat(moment.text),
                    found_by=moment.retriever,
                    link=moment_link(one.video_id, moment.start_ms),
                )
                for moment in one.moments
            ),
            products=tuple(
                SoldMessage(
                    sku=sold.sku,
                    title=sold.title,
                    score=sold.score,
                    variants=sold.variants,
                    corrected=sold.is_corrected,
                )
                for sold in one.products
            ),
            copies=one.copies,
            evidence=told(one.evidence),
            parts=self._parts(one.retrievers),
        )

    def _parts(self, parts: tuple[tuple[str, float], ...]) -> tuple[Part, ...]:
        if not self._explain:
            return ()
        return tuple(Part(name=name, score=score) for name, score in parts)


def _asked_for_first(hit: SearchHit) -> list[str]:
    """The titles of what a video sells, the product first that led to it."""
    ordered = sorted(hit.products, key=lambda sold: sold.sku != hit.product)
    return [sold.title for sold in ordered]


def told(evidence: tuple[Evidence, ...]) -> tuple[str, ...]:
    """Evidence in words, each once: a caption may speak as words and as print."""
    return tuple(dict.fromkeys(map(wording.describe, evidence)))


def video_title(title: str, video_id: str, sold: list[str]) -> str:
    """What a video is called: its title, else what it sells, else its id."""
    return title or ", ".join(sold[:2]) or video_id


def _understood(query: Query) -> UnderstoodMessage:
    price = query.price or query.foreign
    return UnderstoodMessage(
        text=query.respelled if query.corrections else query.text,
        corrections=tuple(
            CorrectionMessage(typed=typed, taken=taken) for typed, taken in query.corrections
        ),
        price=PriceMessage(
            least=price.least,
            most=price.most,
            currency=query.currency,
            filters=query.price is not None,
        )
        if price
        else None,
        brands=query.brands,
        categories=query.categories,
        excluded=query.excluded,
        notes=query.notes,
    )


def _facet(facet: Facet) -> FacetMessage:
    values = (FacetValueMessage(name=one.name, count=one.count) for one in facet.values)
    return FacetMessage(field=facet.field, values=tuple(values), without=facet.without)
