"""The service as an ASGI application, and its server."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles

from reelshelf.schemas import logs
from reelshelf.schemas.errors import ConfigError
from reelshelf.searcher import api, operations, pages
from reelshelf.searcher.problems import add_handlers, described
from reelshelf.searcher.service import Service
from reelshelf.searcher.settings import SearcherSettings
from reelshelf.searcher.shielding import Shield

# Fields of a form beside its picture.
_FORM_BYTES = 65_536
# A search that is under way when the service is told to stop has so long to end.
_GRACE_SECONDS = 10
_BACKLOG = 2048
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def create_app(
    uri: str,
    settings: SearcherSettings,
    log_format: logs.Format = "text",
    on_open: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application over the store at `uri`. It opens the release when it is started.

    `on_open` is called when the first release is open. Raises ConfigError where what is to be kept
    cannot be written.
    """
    service = Service(uri, settings, log_format)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await service.start()
            if service.follower.served is not None:
                on_open()
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="reelshelf searcher",
        version=version("reelshelf"),
        summary="Search a shop's videos and products.",
        lifespan=lifespan,
        # Their scripts come from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    routers = (api.router, operations.router, pages.router)
    add_handlers(app, [route for router in routers for route in router.routes])
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    for router in routers:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    if settings.server.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.server.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(Shield, most=settings.limits.upload_mb * 2**20 + _FORM_BYTES)
    return app


def listening(settings: SearcherSettings) -> socket.socket:
    """The socket that the settings name. Raises ConfigError where nothing can listen there."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigError(f"serve: cannot listen on {host}:{port}: {error.strerror}") from error


def serve(
    uri: str,
    settings: SearcherSettings,
    own: socket.socket,
    log_format: logs.Format = "text",
    on_open: Callable[[], None] = lambda: None,
) -> None:
    """Serve on a socket until the process is told to stop, by SIGTERM or Ctrl-C."""
    # Workers inherit these, which count before NumPy is loaded. A search has one core: with several
    # at once, threads that wait for each other take longer than one does.
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    config = uvicorn.Config(
        create_app(uri, settings, log_format, on_open),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        server_header=False,
    )
    # What is under way has been answered when the server passes the signal on.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[own])
