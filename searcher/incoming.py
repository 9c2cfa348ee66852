"""What every route takes from a request: the service, and the client who may use it."""

from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from reelshelf.searcher.access import Client
from reelshelf.searcher.service import Service

KEY_COOKIE = "reelshelf-key"


def service_of(request: Request) -> Service:
    """The service of the application."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


def key_of(request: Request) -> str | None:
    """The API key that a request is made with: of its header, or of who signed in on the page."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return request.cookies.get(KEY_COOKIE)


def client_of(request: Request, scope: str) -> Client:
    """The client of a request, who may do what a scope names. Raises Denied."""
    address = request.client.host if request.client else ""
    return service_of(request).access.client(key_of(request), address, scope)


def _searches(request: Request) -> Client:
    return client_of(request, "search")


def _sends_events(request: Request) -> Client:
    return client_of(request, "events")


def _reviews(request: Request) -> Client:
    return client_of(request, "review")


ServiceOf: TypeAlias = Annotated[Service, Depends(service_of)]
# The client of a request, who may do so.
SearchClient: TypeAlias = Annotated[Client, Depends(_searches)]
ReviewClient: TypeAlias = Annotated[Client, Depends(_reviews)]
# For routes that need nothing of who asks but that he may.
FOR_SEARCH = [Depends(_searches)]
FOR_EVENTS = [Depends(_sends_events)]
FOR_REVIEW = [Depends(_reviews)]
