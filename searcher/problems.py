"""Errors as clients get them: problem details of RFC 9457."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route

from reelshelf.schemas.errors import ReelshelfError
from reelshelf.searcher.access import Denied
from reelshelf.searcher.pool import Busy, WorkerDied
from reelshelf.searcher.rejected import Rejected
from reelshelf.searcher.service import RequestRefused

MEDIA_TYPE = "application/problem+json"
_OF_REFUSALS = {"input": 400, "stale": 410, "absent": 404, "service": 503, "bug": 503}
_MOST_TOLD = 20


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description of an application, with that of a problem."""
    if app.openapi_schema is None:
        app.openapi_schema = FastAPI.openapi(app)
        schemas = app.openapi_schema["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
    return app.openapi_schema


class Problem(BaseModel):
    """What went wrong with a request. `errors` names the fields that cannot be read."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[str] = []


def problem(
    status: int,
    detail: str,
    *,
    errors: list[str] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A response that tells of a problem."""
    told = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors or []
    )
    return JSONResponse(
        told.model_dump(exclude_defaults=True), status, headers, media_type=MEDIA_TYPE
    )


def add_handlers(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Have an application with these routes answer every error with problem details."""

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem(422, "the request cannot be read", errors=_told(error.errors()))

    @app.exception_handler(ValidationError)
    async def unreadable_body(_: Request, error: ValidationError) -> JSONResponse:
        return problem(422, "the request cannot be read", errors=_told(error.errors()))

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # Starlette names those of one route; others of the same path may take more.
            headers["Allow"] = ", ".join(sorted(_methods(routes, request)))
        return problem(error.status_code, str(error.detail), headers=headers)

    @app.exception_handler(Rejected)
    async def rejected(_: Request, error: Rejected) -> JSONResponse:
        return problem(error.status, str(error), headers=error.headers)

    @app.exception_handler(Denied)
    async def denied(_: Request, error: Denied) -> JSONResponse:
        headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}
        return problem(error.status, str(error), headers=headers.get(error.status))

    @app.exception_handler(RequestRefused)
    async def refused(_: Request, error: RequestRefused) -> JSONResponse:
        status = _OF_REFUSALS[error.refusal.kind]
        return problem(status, str(error), headers={"Retry-After": "1"} if status == 503 else None)

    @app.exception_handler(Busy)
    async def busy(_: Request, error: Busy) -> JSONResponse:
        return problem(503, str(error), headers={"Retry-After": str(error.seconds)})

    @app.exception_handler(WorkerDied)
    @app.exception_handler(TimeoutError)
    @app.exception_handler(ReelshelfError)
    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        told = str(error) or "it took longer than the deadline"
        return problem(503, told, headers={"Retry-After": "1"})


def _methods(routes: Sequence[BaseRoute], request: Request) -> set[str]:
    """The methods that the path of a request takes."""
    return {
        method
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


def _told(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """What cannot be read, by field; without what was given, which may be anything."""
    lines = []
    for error in errors[:_MOST_TOLD]:
        field = ".".join(str(part) for part in error["loc"] if part not in ("body", "query"))
        lines.append(f"{field}: {error['msg']}" if field else str(error["msg"]))
    return lines
