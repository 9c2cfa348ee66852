"""The log of queries and events: files of JSON lines in one folder, a new one each day.

A line is a query or an event of User Behavior Insights 1.3 (`ubi_queries`, `ubi_events`). Writers
append whole lines, so readers need no lock. A line that was cut off by a crash is left out.
"""

import datetime as dt
import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from reelshelf.schemas.errors import ConfigError

_LOG = logging.getLogger(__name__)
_QUERIES, _EVENTS = "queries", "events"
# A query of fewer searches may say who asked it, and is not suggested to others.
_LEAST_SEARCHES = 3
_MOST_SUGGESTED = 10_000
# Of so many days; older queries say little of what is asked now.
_DAYS = 30


class QueryLog:
    """Appends to the files of a folder, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        """Raises ConfigError where nothing can be written there."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"log.events: {folder}: {error.strerror}") from error

    def add_query(self, line: Mapping[str, object]) -> None:
        """Append a query. Raises OSError where it cannot be written."""
        self._append(_QUERIES, [line])

    def add_events(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Append events. Raises OSError where they cannot be written."""
        self._append(_EVENTS, lines)

    def _append(self, kind: str, lines: Iterable[Mapping[str, object]]) -> None:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        path = self._folder / f"{kind}-{dt.datetime.now(dt.UTC):%Y-%m-%d}.jsonl"
        with path.open("ab", buffering=0) as file:
            file.write(text.encode())


def read_lines(folder: Path, kind: str, days: int = _DAYS) -> Iterator[dict[str, object]]:
    """The lines of a kind, oldest first: of the newest files, one for each day."""
    for path in sorted(folder.glob(f"{kind}-*.jsonl"))[-days:]:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    found = json.loads(line)
                except ValueError:
                    _LOG.warning("%s: line %d is cut off and was left out", path, number)
                    continue
                if isinstance(found, dict):
                    yield found


def frequent_queries(folder: Path) -> list[str]:
    """The texts of queries that have an answer and were asked several times, most often first."""
    counts: Counter[str] = Counter()
    for line in read_lines(folder, _QUERIES):
        text = line.get("user_query")
        if isinstance(text, str) and line.get("answered") is True:
            counts[" ".join(text.split())] += 1
    often = [(text, count) for text, count in counts.most_common(_MOST_SUGGESTED)]
    return [text for text, count in often if count >= _LEAST_SEARCHES]


def watched_videos(folder: Path) -> Counter[str]:
    """How often each video was acted on."""
    counts: Counter[str] = Counter()
    for line in read_lines(folder, _EVENTS):
        attributes = line.get("event_attributes")
        thing = attributes.get("object") if isinstance(attributes, dict) else None
        if isinstance(thing, dict) and thing.get("object_id_field") == "video_id":
            counts[str(thing.get("object_id"))] += 1
    return counts
