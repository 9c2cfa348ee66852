"""Rules by which people curate what a search shows: a file of TOML, checked when it is read."""

import datetime as dt
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.toml_files import read_toml

ResultKind = Literal["video", "live", "product"]


def _several(given: object) -> object:
    """One text, or a list of them."""
    if isinstance(given, str):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


def _instant(given: object) -> object:
    """A date is its first instant; a time without a zone is one of UTC."""
    if isinstance(given, dt.datetime):
        return given if given.tzinfo else given.replace(tzinfo=dt.UTC)
    if isinstance(given, dt.date):
        return dt.datetime.combine(given, dt.time(), dt.UTC)
    return given


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_several)]
Instant = Annotated[dt.datetime | None, BeforeValidator(_instant)]


class Rule(BaseModel):
    """What all rules have: a name for people, and when and in which language they hold.

    They hold from `since` on and before `before`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str | None = None
    language: str | None = None
    since: Instant = None
    before: Instant = None

    @model_validator(mode="after")
    def _holds_some_time(self) -> "Rule":
        if self.since is not None and self.before is not None and self.since >= self.before:
            raise ValueError("it ends before it begins: since must be earlier than before")
        return self

    def holds(self, language: str | None, at: dt.datetime) -> bool:
        """Whether it holds for a query in a language, if that is known, at an instant."""
        return (
            (self.language is None or language is None or self.language == language)
            and (self.since is None or self.since <= at)
            and (self.before is None or at < self.before)
        )


class OfQueries(Rule):
    """A rule for some queries: those that are a text of `query`, or those that contain it."""

    query: Names = ()
    match: Literal["exact", "contains"] = "exact"


class OfResults(OfQueries):
    """A rule on some results: by SKU, by the id of a video, or by filters of products.

    Without `query` it holds for all queries.
    """

    skus: Names = ()
    videos: Names = ()
    filter: Names = ()

    @model_validator(mode="after")
    def _names_something(self) -> "OfResults":
        if not (self.skus or self.videos or self.filter):
            raise ValueError("name what it is on: skus, videos or filter")
        return self


class Pin(OfQueries):
    """Shows products and videos in this order, the first at place `at`, whatever is found."""

    skus: Names = ()
    videos: Names = ()
    at: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_validator(mode="after")
    def _names_something(self) -> "Pin":
        if not self.query:
            raise ValueError("name the queries that it holds for: query")
        if not (self.skus or self.videos):
            raise ValueError("name what is shown: skus or videos")
        return self


class Hide(OfResults):
    """Shows some results nowhere."""


class Boost(OfResults):
    """Multiplies the scores of some results, where they are found."""

    by: Annotated[float, Field(strict=False, gt=1.0, le=100.0)] = 2.0


class Bury(OfResults):
    """The same, downwards."""

    by: Annotated[float, Field(strict=False, gt=0.0, lt=1.0)] = 0.5


class Synonyms(Rule):
    """Words that stand for each other; or, with `means`, that stand for those."""

    words: Annotated[Names, Field(min_length=1)]
    means: Names = ()

    @model_validator(mode="after")
    def _has_two(self) -> "Synonyms":
        if not self.means and len(self.words) < 2:
            raise ValueError("one word alone stands for nothing: give two, or means")
        return self


class Redirect(OfQueries):
    """Sends a shopper elsewhere: to a page of the shop."""

    to: str

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Redirect":
        if not self.query:
            raise ValueError("name the queries that it holds for: query")
        parts = urlsplit(self.to)
        whole = parts.scheme in ("http", "https") and bool(parts.netloc)
        own = not parts.scheme and not parts.netloc and self.to.startswith("/")
        if not (whole or own) or any(sign.isspace() or ord(sign) < 32 for sign in self.to):
            raise ValueError("to must be an address: https://..., or /... on the same site")
        return self


class Slot(OfQueries):
    """A place of the mixed row that is of one kind, where there is a result of it."""

    at: Annotated[int, Field(ge=1, le=1000)]
    kind: ResultKind


class Rules(BaseModel):
    """All rules of a file, in its order."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    pin: Annotated[tuple[Pin, ...], Field(strict=False)] = ()
    hide: Annotated[tuple[Hide, ...], Field(strict=False)] = ()
    boost: Annotated[tuple[Boost, ...], Field(strict=False)] = ()
    bury: Annotated[tuple[Bury, ...], Field(strict=False)] = ()
    synonyms: Annotated[tuple[Synonyms, ...], Field(strict=False)] = ()
    redirect: Annotated[tuple[Redirect, ...], Field(strict=False)] = ()
    slot: Annotated[tuple[Slot, ...], Field(strict=False)] = ()

    def named(self) -> Iterator[tuple[str, Rule]]:
        """All of them with what each is called: its kind, its number, and its name if it has one.

        They are numbered from 1 within their kind, as the file has them.
        """
        for kind in type(self).model_fields:
            rules: Sequence[Rule] = getattr(self, kind)
            for number, rule in enumerate(rules, start=1):
                yield f"{kind} {number}" + (f" ({rule.name})" if rule.name else ""), rule


NO_RULES = Rules()


def read_rules(path: Path) -> Rules:
    """The rules of a file. Raises ConfigError, which names all that is wrong at once."""
    where = f"rules {path}"
    data = read_toml(path, where)
    try:
        return Rules.model_validate(data)
    except ValidationError as error:
        lines = [_explain(item) for item in error.errors()]
        raise ConfigError(f"{where}:\n" + "\n".join(f"  {line}" for line in lines)) from error


def _explain(item: ErrorDetails) -> str:
    """What is wrong with a rule, for who wrote it."""
    kind, *rest = item["loc"]
    if not rest:
        near = difflib.get_close_matches(str(kind), Rules.model_fields, 1)
        known = near or sorted(Rules.model_fields)
        if item["type"] == "extra_forbidden":
            return f"[[{kind}]]: no kind of rule; did you mean {' or '.join(known)}?"
        return f"{kind}: write each rule under [[{kind}]]"
    number, *key = rest
    place = f"{kind} {int(number) + 1}" if isinstance(number, int) else str(kind)
    name = ".".join(str(part) for part in key if isinstance(part, str))
    if item["type"] == "missing":
        return f"{place}: {name} is missing"
    if item["type"] == "extra_forbidden":
        return f"{place}: unknown key {name}"
    told = item["msg"].removeprefix("Value error, ")
    if not name:
        return f"{place}: {told}"
    return f"{place}: {name}: got {item['input']!r}; {told[0].lower()}{told[1:]}"
