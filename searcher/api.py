"""The JSON API, `/v1`: searches, suggestions, details, explanations, events and reviews."""

import asyncio
import datetime as dt
import json
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile

from reelshelf.searcher import jobs
from reelshelf.searcher.decisions import Decision, Judgment
from reelshelf.searcher.events import Events, Taken
from reelshelf.searcher.incoming import (
    ADDRESS_IS_CLEAR,
    FOR_EVENTS,
    FOR_REVIEW,
    FOR_SEARCH,
    LISTS,
    ReviewClient,
    SearchClient,
    ServiceOf,
    check_given_once,
)
from reelshelf.searcher.messages import (
    AnswerMessage,
    DoubtsMessage,
    ExplainMessage,
    LinkIdMessage,
    ProductMessage,
    SearchMessage,
    SuggestionsMessage,
    VideoMessage,
    WhyMessage,
)
from reelshelf.searcher.problems import MEDIA_TYPE
from reelshelf.searcher.rejected import Rejected
from reelshelf.searcher.service import Found

Responses: TypeAlias = dict[int | str, dict[str, object]]


def _described(problems: Mapping[int, str]) -> Responses:
    """Responses that are problem details, by their status."""
    detailed = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    # What is no HTTP, or has an address of over 64 KiB, the server itself refuses.
    plain = {"text/plain": {"schema": {"type": "string"}}}
    return {
        status: {"description": told, "content": detailed | (plain if status == 400 else {})}
        for status, told in problems.items()
    }


_PROBLEMS = _described(
    {
        400: "The request cannot be understood",
        401: "An API key is needed",
        403: "The API key may not do this",
        413: "The request is too large",
        422: "A field cannot be read",
        429: "Too many requests",
        503: "Busy, or no release is open: try again after Retry-After seconds",
    }
)
_ABSENT = _described({404: "It is not there"})
_OF_SEARCHES = _described(
    {
        404: "What more is looked for of is not there",
        410: "The cursor is of a release that is gone",
        415: "Neither JSON nor a form",
    }
)
router = APIRouter(prefix="/v1", responses=_PROBLEMS, dependencies=ADDRESS_IS_CLEAR)
# A search that is sent as a form: its fields are those of a link.
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": SearchMessage.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "image": {"type": "string", "format": "binary"},
                        # Every value of a form is a text: there are no types to hold to.
                        **{
                            name: {"description": "As in JSON"}
                            for name in SearchMessage.model_fields
                        },
                    },
                }
            },
        },
    }
}


@router.get("/search", response_model=AnswerMessage, responses=_OF_SEARCHES)
async def search_by_link(
    service: ServiceOf, client: SearchClient, message: Annotated[SearchMessage, Query()]
) -> Response:
    """Search by an address: every answer has a link."""
    return _answer(await service.search(message, client))


@router.post("/search", response_model=AnswerMessage, responses=_OF_SEARCHES, openapi_extra=_FORM)
async def search(request: Request, service: ServiceOf, client: SearchClient) -> Response:
    """Search by a JSON body; or by a form, with a picture in `image`."""
    message, picture = await read_search(request)
    return _answer(await service.search(message, client, picture))


@router.get("/suggest", response_model=SuggestionsMessage, dependencies=FOR_SEARCH)
async def suggest(
    service: ServiceOf,
    q: Annotated[str, Query(max_length=200)] = "",
    count: Annotated[int, Query(ge=1, le=50)] = 8,
) -> Response:
    """What a shopper may be about to type."""
    return _json(await service.look_up(jobs.Suggest(q, count)))


@router.get(
    "/videos/{video_id:path}",
    response_model=VideoMessage,
    responses=_ABSENT,
    dependencies=FOR_SEARCH,
)
async def video(service: ServiceOf, video_id: str) -> Response:
    """A video: where it plays, what it says, and what it sells."""
    return _json(await service.look_up(jobs.ShowVideo(video_id)))


@router.get(
    "/products/{sku:path}",
    response_model=ProductMessage,
    responses=_ABSENT,
    dependencies=FOR_SEARCH,
)
async def product(service: ServiceOf, sku: str) -> Response:
    """A product, and the videos that sell it."""
    return _json(await service.look_up(jobs.ShowProduct(sku)))


@router.get("/explain", response_model=WhyMessage, responses=_OF_SEARCHES)
async def explain(
    service: ServiceOf,
    client: SearchClient,
    message: Annotated[ExplainMessage, Query()],
) -> Response:
    """Where a video or a product stands in the answer to a search, or why it is not there."""
    return _json(await service.explain(jobs.Explain(message, message.of, client.filter)))


@router.post("/events", status_code=202, dependencies=FOR_EVENTS)
async def add_events(service: ServiceOf, given: Events) -> Taken:
    """Keep what shoppers did with answers (User Behavior Insights 1.3), each event once."""
    if service.log is None:
        raise Rejected(404, "this service keeps no events: log.events names no folder")
    new = [event for event in given.events if service.remembered.is_new(event)]
    lines = [event.model_dump(mode="json", exclude_none=True) for event in new]
    if not service.settings.log.queries:
        for line in lines:
            line.pop("message", None)
    try:
        await asyncio.to_thread(service.log.add_events, lines)
    except OSError as error:
        service.remembered.forget(new)
        service.metrics.unwritten.inc()
        raise Rejected(503, "the events could not be kept", {"Retry-After": "10"}) from error
    repeated = len(given.events) - len(new)
    service.metrics.events.labels("taken").inc(len(new))
    service.metrics.events.labels("repeated").inc(repeated)
    return Taken(taken=len(new), repeated=repeated)


class DecisionMessage(BaseModel):
    """What a reviewer decides of a link: that it is right or wrong, or "skip" to decide nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    video: Annotated[str, Field(min_length=1, max_length=1000)]
    sku: Annotated[str, Field(min_length=1, max_length=1000)]
    decision: Judgment


@router.get("/review/links", response_model=DoubtsMessage, dependencies=FOR_REVIEW)
async def links_to_review(
    service: ServiceOf,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    count: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Response:
    """The links that are most worth a look, without those that somebody decided."""
    decided = service.reviewed().decided
    return _json(await service.look_up(jobs.ListDoubtful(offset, count, decided)))


@router.post("/review/decisions", status_code=201, responses=_ABSENT)
async def decide(service: ServiceOf, client: ReviewClient, given: DecisionMessage) -> LinkIdMessage:
    """Keep a decision; it counts from the next `reelshelf overrides import` on."""
    decisions = service.reviewed()
    # What no link is could not be imported.
    await service.look_up(jobs.CheckLink(given.video, given.sku))
    at = dt.datetime.now(dt.UTC)
    made = Decision(given.video, given.sku, given.decision, client.name, at)
    await asyncio.to_thread(decisions.add, made)
    return LinkIdMessage(video=given.video, sku=given.sku)


@router.delete("/review/decisions/last", responses=_ABSENT)
async def take_back(service: ServiceOf, client: ReviewClient) -> LinkIdMessage:
    """Take back the last decision that was made with this key."""
    link = await asyncio.to_thread(service.reviewed().take_back, client.name)
    return LinkIdMessage(video=link[0] if link else None, sku=link[1] if link else None)


async def read_search(request: Request) -> tuple[SearchMessage, bytes | None]:
    """A search as JSON or as a form, and the picture that came with it.

    Raises Rejected, and pydantic's ValidationError.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return SearchMessage.model_validate_json(await request.body()), None
    if kind not in ("multipart/form-data", "application/x-www-form-urlencoded"):
        raise Rejected(415, "send JSON, or a form with a picture in `image`")
    async with request.form(max_files=1, max_fields=100) as form:
        check_given_once(name for name, _ in form.multi_items())
        picture = form.get("image")
        fields: dict[str, object] = {
            name: [str(value) for value in form.getlist(name)] if name in LISTS else form[name]
            for name in form
            if name != "image"
        }
        if not isinstance(picture, UploadFile):
            return SearchMessage.model_validate(fields), None
        # An empty field of a form is one that nobody filled in.
        content = await picture.read()
        return SearchMessage.model_validate(fields), content or None


def _answer(found: Found) -> Response:
    """What a worker made, with what is of this request alone."""
    own = {
        "query_id": found.query_id,
        "degraded": list(found.degraded),
        "took_ms": found.took_ms,
    }
    # The answer is JSON already, and may be large: these come before its first field.
    body = json.dumps(own).encode()[:-1] + b"," + found.body[1:]
    return Response(body, media_type="application/json")


def _json(done: jobs.Done | jobs.Located) -> Response:
    assert isinstance(done, jobs.Done)
    return Response(done.body, media_type="application/json")
