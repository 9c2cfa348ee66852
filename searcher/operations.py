"""What those ask who run the service: whether it lives, whether it is ready, and its metrics."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from reelshelf.searcher.incoming import ServiceOf, client_of
from reelshelf.searcher.problems import problem

router = APIRouter()


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """A release is open. `problem` says why the next one is not, where it cannot be opened."""

    release: str
    problem: str | None = None


@router.get("/healthz")
async def health() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/readyz", response_model=Ready)
async def ready(service: ServiceOf) -> Response:
    """Whether a release is open and workers answer: only then requests should be sent here."""
    served = service.follower.served
    if served is None:
        return problem(503, service.follower.problem or "no release is open yet")
    if not service.searching.ready:
        return problem(503, "no worker answers")
    found = Ready(release=served.release_id, problem=service.follower.problem)
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, service: ServiceOf) -> Response:
    """Metrics in Prometheus's text format."""
    client_of(request, "metrics")
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
