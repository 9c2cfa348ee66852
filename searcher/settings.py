"""The settings of the service: a file of TOML, checked when it is read."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from reelshelf.schemas.config import Section, StorageConfig
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.rules import Names
from reelshelf.schemas.toml_files import read_toml
from reelshelf.schemas.upgrades import Json

PositiveInt = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(strict=False, gt=0.0)]
Where = Annotated[Path | None, Field(strict=False)]
# What a key may be used for. `search` covers all reading.
SCOPES = ("search", "events", "review", "metrics")


class ServerSettings(Section):
    """Where the service listens, and how it works under load.

    `workers` processes search, one request at a time each. A request that would wait longer than
    `wait_ms` is refused with 503; one that is not answered within `deadline_ms` is given up.
    Without `images` no picture can be searched for, and no encoder of pictures is loaded. `origins`
    are sites whose pages may call the service (CORS).
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    workers: PositiveInt = 2
    wait_ms: PositiveInt = 100
    deadline_ms: PositiveInt = 2000
    poll_seconds: Seconds = 5.0
    images: bool = True
    cache_mb: Annotated[int, Field(ge=0)] = 64
    origins: Names = ()


class LimitSettings(Section):
    """What one request may hold, and how many requests a client may make in a second.

    A client is a key, or an address where there are no keys; `rate` 0 sets no limit.
    """

    upload_mb: PositiveInt = 10
    pixels: PositiveInt = 40_000_000
    page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    rate: Annotated[int, Field(ge=0)] = 0


class MediaSettings(Section):
    """Videos and pictures that the service hands out.

    `pictures` is the folder that relative picture names of the catalog are in, `posters` one that
    `reelshelf posters` has filled. Without `serve`, no file is handed out.
    """

    serve: bool = True
    pictures: Where = None
    posters: Where = None


class LogSettings(Section):
    """What is kept of requests.

    `events` is the folder that queries and events are appended to; without it events are refused.
    Unless `queries`, texts of queries are neither logged nor appended.
    """

    events: Where = None
    queries: bool = True


class ReviewSettings(Section):
    """Where decisions of reviewers are appended: a CSV file for `reelshelf overrides import`."""

    file: Where = None


class KeySettings(Section):
    """An API key by the SHA-256 of its text, with what it may be used for.

    `filter` is added to every request that is made with it, and `rate` stands in for that of all.
    """

    name: Annotated[str, Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    scopes: Names = ("search", "events")
    filter: Names = ()
    rate: Annotated[int, Field(ge=0)] | None = None

    @field_validator("scopes")
    @classmethod
    def _known_scopes(cls, scopes: tuple[str, ...]) -> tuple[str, ...]:
        for scope in scopes:
            if scope not in SCOPES:
                raise ValueError(f"{scope!r} is no scope: they are {', '.join(SCOPES)}")
        return scopes


class SearcherSettings(Section):
    """The whole file. `rules` is a file of curation rules, `storage` how the store is reached."""

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    media: MediaSettings = MediaSettings()
    log: LogSettings = LogSettings()
    review: ReviewSettings = ReviewSettings()
    storage: StorageConfig = StorageConfig()
    rules: Where = None
    keys: Annotated[tuple[KeySettings, ...], Field(strict=False)] = ()

    def with_options(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        workers: int | None = None,
        pictures: Path | None = None,
        posters: Path | None = None,
    ) -> "SearcherSettings":
        """The same with what a command line gives. Raises ConfigError for odd values."""
        server = {"host": host, "port": port, "workers": workers}
        given = {name: value for name, value in server.items() if value is not None}
        folders = {"pictures": pictures, "posters": posters}
        data = self.model_dump()
        data["server"] |= given
        data["media"] |= {name: path for name, path in folders.items() if path is not None}
        return _validated(data, "serve")


def read_settings(path: Path | None) -> SearcherSettings:
    """The settings of a file, or those of none.

    Raises ConfigError, which names all that is wrong at once.
    """
    if path is None:
        return SearcherSettings()
    where = f"settings {path}"
    return _validated(read_toml(path, where), where)


def _validated(data: Json, where: str) -> SearcherSettings:
    try:
        return SearcherSettings.model_validate(data)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ConfigError(f"{where}:\n" + "\n".join(f"  {line}" for line in lines)) from error


def _explain(item: ErrorDetails) -> str:
    """What is wrong with a key, for whoever wrote it."""
    key = ".".join(str(part + 1 if isinstance(part, int) else part) for part in item["loc"])
    if item["type"] == "missing":
        return f"{key}: is missing"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key (docs/service.md has them all)"
    told = item["msg"].removeprefix("Value error, ")
    return f"{key}: got {item['input']!r}; {told[0].lower()}{told[1:]}"
