"""Reading queries: what shoppers typed, how often, and what somebody judged right for some.

Files are JSON lines, CSV or Parquet. Their rows come from strangers and are checked one by one, as
those of a catalog are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from reelshelf.indexer.sources.cells import Count, Id, Skus, Text
from reelshelf.indexer.sources.lists import GivenList, GivenRow
from reelshelf.indexer.sources.local import inside
from reelshelf.indexer.text.clean import clean_text
from reelshelf.schemas.catalog import RejectedRow
from reelshelf.schemas.errors import InputError

_LONGEST = 1000
# Actions of User Behavior Insights that say that a result was looked at.
_CLICKS = ("click", "click_through")


def _number_or_one(value: object) -> object:
    return 1 if value in (None, "") else value


class _LoggedRow(GivenRow):
    from_many_writers = True

    text: Annotated[Text, Field(validation_alias=AliasChoices("text", "user_query"))] = None
    count: Annotated[int, BeforeValidator(_number_or_one), Field(ge=0, lt=2**53)] = 1
    clicks: Count = None
    query_id: Text = None


class _EventRow(GivenRow):
    from_many_writers = True

    query_id: Text = None
    action_name: Text = None


class _JudgedRow(GivenRow):
    from_many_writers = True

    query_id: Id
    kind: Text = None
    text: Text = None
    image: Text = None
    relevant: Annotated[
        Skus, Field(validation_alias=AliasChoices("relevant_video_ids", "relevant"))
    ] = ()


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A text that shoppers searched for. `clicks` is None where the log does not count them."""

    text: str
    count: int
    clicks: int | None


@dataclass(frozen=True, slots=True)
class QueryLog:
    """All queries of a log, the most searched first, and the rows that are none."""

    queries: tuple[LoggedQuery, ...]
    rejected: tuple[RejectedRow, ...]


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A query with the videos that answer it. It has a text, or else a picture."""

    query_id: str
    kind: str
    text: str | None
    image: Path | None
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """Judged queries in the order of their file, and the rows that are none."""

    queries: tuple[JudgedQuery, ...]
    rejected: tuple[RejectedRow, ...]


def read_typed(path: Path, *, most: int) -> list[str]:
    """What shoppers typed, each text once: the first `most`.

    Raises InputError where the file cannot be read or holds none; lines that are no query are left
    out.
    """
    texts: dict[str, None] = {}
    for _, row in GivenList(path, path.name, _LoggedRow):
        if isinstance(row, _LoggedRow) and row.text:
            texts[row.text[:_LONGEST]] = None
        if len(texts) >= most:
            break
    if not texts:
        raise InputError(f"{path}: no line has a `text`")
    return list(texts)


def read_log(path: Path) -> QueryLog:
    """A query log: `text`, `count` (1 where it is left out) and `clicks`.

    A folder is what `reelshelf serve` keeps: queries and events by day, whose clicks are counted by
    `query_id`. Texts that differ in case or spaces only are one. Raises InputError where the file
    cannot be read or holds no search.
    """
    if path.is_dir():
        return _log_of(path, _of_service(path), [])
    rejected: list[RejectedRow] = []
    return _log_of(path, _given_rows(path, rejected), rejected)


def _given_rows(path: Path, rejected: list[RejectedRow]) -> Iterator[_LoggedRow]:
    """The rows of a file that are searches; the others are added to `rejected`."""
    for line, row in GivenList(path, path.name, _LoggedRow):
        if isinstance(row, RejectedRow):
            rejected.append(row)
        elif not row.text:
            rejected.append(RejectedRow(path.name, line, None, "text: is missing"))
        else:
            yield row


def _of_service(folder: Path) -> Iterator[_LoggedRow]:
    """The searches that a service has kept with their texts, and the clicks that followed each."""
    files = sorted(folder.glob("queries-*.jsonl"))
    if not files:
        raise InputError(f"{folder}: holds no queries-DATE.jsonl, as `reelshelf serve` keeps them")
    clicks = Counter(
        row.query_id
        for path in sorted(folder.glob("events-*.jsonl"))
        for _, row in GivenList(path, path.name, _EventRow)
        if isinstance(row, _EventRow) and row.action_name in _CLICKS
    )
    for path in files:
        for _, row in GivenList(path, path.name, _LoggedRow):
            if isinstance(row, _LoggedRow) and row.text:
                yield row.model_copy(update={"clicks": clicks[row.query_id]})


def _log_of(path: Path, rows: Iterable[_LoggedRow], rejected: Sequence[RejectedRow]) -> QueryLog:
    """Searches added up; `rejected` is complete once all rows are read."""
    found: dict[str, LoggedQuery] = {}
    for row in rows:
        text = " ".join((row.text or "").split())[:_LONGEST]
        known = found.get(text.casefold(), LoggedQuery(text, 0, None))
        clicks = None if row.clicks is None else (known.clicks or 0) + row.clicks
        found[text.casefold()] = LoggedQuery(
            known.text, known.count + row.count, known.clicks if clicks is None else clicks
        )
    if not any(query.count for query in found.values()):
        why = f": {rejected[0].reason}" if rejected else ""
        raise InputError(f"{path}: holds no search{why}")
    ordered = sorted(found.values(), key=lambda query: (-query.count, query.text))
    return QueryLog(tuple(ordered), tuple(rejected))


def read_judged(path: Path, check_picture: Callable[[Path], object] = lambda _: None) -> Judged:
    """Judged queries: `query_id`, `kind`, `text` or `image`, `relevant_video_ids`.

    `image` is a file below the folder of the list; `check_picture` raises ValueError or OSError for
    one that cannot be asked for. A query that nothing is relevant to says nothing and is refused.
    Raises InputError where the file cannot be read or holds no query.
    """
    queries: dict[str, JudgedQuery] = {}
    rejected: list[RejectedRow] = []
    for line, row in GivenList(path, path.name, _JudgedRow):
        made = row if isinstance(row, RejectedRow) else _judged(row, path, line, check_picture)
        if isinstance(made, JudgedQuery) and made.query_id in queries:
            reason = "query_id: stands in an earlier row already"
            made = RejectedRow(path.name, line, made.query_id, reason)
        if isinstance(made, RejectedRow):
            rejected.append(made)
        else:
            queries[made.query_id] = made
    if not queries:
        why = f": {rejected[0].reason}" if rejected else ""
        raise InputError(f"{path}: holds no judged query{why}")
    return Judged(tuple(queries.values()), tuple(rejected))


def _judged(
    row: _JudgedRow, path: Path, line: int, check_picture: Callable[[Path], object]
) -> JudgedQuery | RejectedRow:
    def refused(reason: str) -> RejectedRow:
        return RejectedRow(path.name, line, row.query_id, reason)

    if not row.relevant:
        return refused("relevant_video_ids: names no video")
    if bool(row.text) == bool(row.image):
        return refused("give either text or image")
    found = inside(str(path.parent), row.image) if row.image else None
    image = Path(found) if found is not None else None
    if row.image and (image is None or not image.is_file()):
        return refused("image: is no file below the folder of the list")
    if image is not None:
        try:
            check_picture(image)
        except (OSError, ValueError) as error:
            return refused(f"image: {error}")
    kind = clean_text(row.kind or "") or ("image" if image else "text")
    return JudgedQuery(
        row.query_id,
        kind[:60],
        row.text[:_LONGEST] if row.text else None,
        image,
        frozenset(row.relevant),
    )
