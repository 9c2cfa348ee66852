"""What every route takes from a request: the service, and the client who may use it."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from reelshelf.searcher.access import Client
from reelshelf.searcher.rejected import Rejected
from reelshelf.searcher.service import Service

KEY_COOKIE = "reelshelf-key"
# Fields that may be given several times, in an address or a form.
LISTS = ("filter", "facets")


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


def check_given_once(names: Iterable[str]) -> None:
    """Raises Rejected where a field of one value is given twice: nobody knows which is meant."""
    for name, count in Counter(names).items():
        if count > 1 and name not in LISTS:
            raise Rejected(422, f"{name}: given {count} times; it has one value")


def _checks_address(request: Request) -> None:
    check_given_once(name for name, _ in request.query_params.multi_items())


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
ADDRESS_IS_CLEAR = [Depends(_checks_address)]
# For routes that need nothing of who asks but that he may.
FOR_SEARCH = [Depends(_searches)]
FOR_EVENTS = [Depends(_sends_events)]
FOR_REVIEW = [Depends(_reviews)]
