"""Pages for shoppers and reviewers. They are made on the server, and scripts only add to them."""

import json
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError

from reelshelf.indexer.text import clock
from reelshelf.searcher import jobs
from reelshelf.searcher.access import Client, Denied
from reelshelf.searcher.addresses import moment_link
from reelshelf.searcher.api import read_search
from reelshelf.searcher.captions import as_webvtt
from reelshelf.searcher.incoming import (
    FOR_SEARCH,
    KEY_COOKIE,
    LISTS,
    SearchClient,
    ServiceOf,
    client_of,
    service_of,
)
from reelshelf.searcher.messages import (
    AnswerMessage,
    ProductMessage,
    SearchMessage,
    VideoMessage,
    told_price,
)
from reelshelf.searcher.pool import Busy, WorkerDied
from reelshelf.searcher.problems import problem
from reelshelf.searcher.service import RequestRefused, Service

router = APIRouter(include_in_schema=False)
# Counted on the page, where the query does not ask for others.
_FACETS = ("category", "brand")
_PAGE_SIZE = 20
_READ = ["GET", "HEAD"]
_KEY_SECONDS = 12 * 3600
# What scores are made of, for shoppers.
_PARTS = {
    "product": "a product in it",
    "lexical": "words that are said or shown",
    "semantic": "the meaning of what is said",
    "visual": "what it looks like",
    "words": "words of the product",
    "meaning": "the meaning of the product",
    "named": "its name",
    "broad": "its kind",
    "rules": "a rule of the shop",
}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["clock"] = clock
_TEMPLATES.filters["price"] = told_price
_TEMPLATES.filters["part"] = lambda name: _PARTS.get(name, name.replace("_", " "))
_TEMPLATES.globals["moment_link"] = moment_link


@router.api_route("/", methods=_READ)
async def home(request: Request, service: ServiceOf) -> Response:
    """The search page, with the answer where the address has a query."""
    try:
        client = client_of(request, "search")
    except Denied as denied:
        return _sign_in(denied, "/")
    fields = _fields(request)
    if not fields.get("q") and not fields.get("like"):
        return _page("search.html", answer=None, message=SearchMessage(), told=None, links=_Links())
    try:
        message = SearchMessage.model_validate(
            {"facets": _FACETS, "page_size": _PAGE_SIZE, "explain": True, **fields}
        )
    except ValidationError:
        return _page(
            "search.html", 422, answer=None, message=SearchMessage(),
            told="The address of this page has something in it that cannot be read.",
            links=_Links(),
        )  # fmt: skip
    return await _answered(service, message, client)


@router.post("/")
async def by_picture(request: Request, service: ServiceOf, client: SearchClient) -> Response:
    """The answer to a picture that was uploaded on the page."""
    message, picture = await read_search(request)
    wanted = message.model_copy(
        update={"facets": _FACETS, "page_size": _PAGE_SIZE, "explain": True, "q": message.q or None}
    )
    return await _answered(service, wanted, client, picture)


@router.api_route("/videos/{video_id:path}", methods=_READ, dependencies=FOR_SEARCH)
async def video_page(
    service: ServiceOf,
    video_id: str,
    t: Annotated[float, Query(ge=0)] = 0.0,
) -> Response:
    """A video, played from a moment on, and what it sells."""
    try:
        done = await service.look_up(jobs.ShowVideo(video_id))
    except RequestRefused as refused:
        return _page("problem.html", 404, told=str(refused))
    assert isinstance(done, jobs.Done)
    shown = VideoMessage.model_validate_json(done.body)
    return _page("video.html", video=shown, start=t)


@router.api_route("/products/{sku:path}", methods=_READ, dependencies=FOR_SEARCH)
async def product_page(service: ServiceOf, sku: str) -> Response:
    """A product, and the videos that sell it."""
    try:
        done = await service.look_up(jobs.ShowProduct(sku))
    except RequestRefused as refused:
        return _page("problem.html", 404, told=str(refused))
    assert isinstance(done, jobs.Done)
    return _page("product.html", product=ProductMessage.model_validate_json(done.body))


@router.api_route("/review", methods=_READ)
async def review_page(request: Request, service: ServiceOf) -> Response:
    """The links that are most worth a look, one after the other."""
    try:
        client = client_of(request, "review")
    except Denied as denied:
        return _sign_in(denied, "/review")
    try:
        service.reviewed()
    except RequestRefused as refused:
        return _page("problem.html", 404, told=str(refused))
    return _page("review.html", who=client.name)


@router.post("/sign-in")
async def sign_in(
    request: Request, key: Annotated[str, Form(max_length=500)], to: Annotated[str, Form()] = "/"
) -> Response:
    """Keep a key in the browser, for pages that need one."""
    target = to if to in ("/", "/review") else "/"
    try:
        service_of(request).access.client(
            key, request.client.host if request.client else "",
            "review" if target == "/review" else "search",
        )  # fmt: skip
    except Denied as denied:
        return _sign_in(denied, target)
    response = RedirectResponse(target, 303)
    response.set_cookie(
        KEY_COOKIE,
        key,
        max_age=_KEY_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.api_route("/media/{video_id:path}", methods=_READ, dependencies=FOR_SEARCH)
async def media(service: ServiceOf, video_id: str) -> Response:
    """The file of a video, or a part of it (Range)."""
    return await _file(service, jobs.FindMedia(video_id))


@router.api_route("/posters/{video_id:path}", methods=_READ, dependencies=FOR_SEARCH)
async def poster(service: ServiceOf, video_id: str) -> Response:
    """The poster of a video."""
    return await _file(service, jobs.FindPoster(video_id))


@router.api_route("/pictures/{sku:path}/{number}", methods=_READ, dependencies=FOR_SEARCH)
async def picture(service: ServiceOf, sku: str, number: int) -> Response:
    """A picture of a product."""
    return await _file(service, jobs.FindPicture(sku, number))


@router.api_route("/captions/{video_id:path}", methods=_READ, dependencies=FOR_SEARCH)
async def captions(service: ServiceOf, video_id: str) -> Response:
    """What a video says, as subtitles (WebVTT)."""
    done = await service.look_up(jobs.ShowVideo(video_id))
    assert isinstance(done, jobs.Done)
    text = as_webvtt(VideoMessage.model_validate_json(done.body).transcript)
    return Response(text, media_type="text/vtt")


async def _file(
    service: Service, job: jobs.FindMedia | jobs.FindPoster | jobs.FindPicture
) -> Response:
    found = await service.look_up(job)
    assert isinstance(found, jobs.Located)
    return await service.files.response(found)


async def _answered(
    service: Service, message: SearchMessage, client: Client, picture: bytes | None = None
) -> Response:
    try:
        found = await service.search(message, client, picture)
    except RequestRefused as refused:
        return _page("search.html", 400, answer=None, message=message, told=str(refused),
                     links=_Links.of(message))  # fmt: skip
    except (Busy, WorkerDied, TimeoutError) as error:
        told = "The shop has many visitors at the moment. Please try again in a few seconds."
        seconds = str(error.seconds) if isinstance(error, Busy) else "1"
        response = _page("search.html", 503, answer=None, message=message, told=told,
                         links=_Links.of(message))  # fmt: skip
        response.headers["Retry-After"] = seconds
        return response
    own = {"query_id": found.query_id, "degraded": found.degraded, "took_ms": found.took_ms}
    answer = AnswerMessage.model_validate(json.loads(found.body) | own)
    return _page(
        "search.html", answer=answer, message=message, told=None, links=_Links.of(message),
        by_picture=picture is not None,
    )  # fmt: skip


def _sign_in(denied: Denied, to: str) -> Response:
    if denied.status == 429:
        return problem(429, str(denied), headers={"Retry-After": "1"})
    return _page("sign_in.html", denied.status, to=to, told=str(denied))


def _fields(request: Request) -> dict[str, object]:
    """The fields of a search in an address; what a form left empty is not there."""
    found: dict[str, object] = {}
    for name, value in parse_qsl(request.url.query):
        if name in LISTS:
            given = found.setdefault(name, [])
            assert isinstance(given, list)
            given.append(value)
        else:
            found[name] = value
    return found


class _Links:
    """Addresses of searches that differ from one in a part."""

    def __init__(self, pairs: tuple[tuple[str, str], ...] = ()) -> None:
        self._pairs = pairs

    @classmethod
    def of(cls, message: SearchMessage) -> "_Links":
        """Those of a search, from its first page on."""
        pairs: list[tuple[str, str]] = []
        if message.q:
            pairs.append(("q", message.q))
        if message.like:
            pairs.append(("like", message.like))
        if message.rows != "mixed":
            pairs.append(("rows", message.rows))
        if not message.correct:
            pairs.append(("correct", "false"))
        pairs += [("filter", one) for one in message.filter]
        return cls(tuple(pairs))

    def with_(self, name: str, value: str) -> str:
        """The same with a field more, or another value of it."""
        kept = [pair for pair in self._pairs if name == "filter" or pair[0] != name]
        return "/?" + urlencode([*kept, (name, value)])

    def without(self, name: str, value: str) -> str:
        """The same without one value of a field."""
        return "/?" + urlencode([pair for pair in self._pairs if pair != (name, value)])

    def as_typed(self) -> str:
        """The same without corrections."""
        return self.with_("correct", "false")


def _page(name: str, status: int = 200, **values: object) -> HTMLResponse:
    values.setdefault("by_picture", False)
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status)
