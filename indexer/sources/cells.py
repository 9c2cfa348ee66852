"""What single cells of a list may hold, and what is made of them: ids, texts, lists, times."""

import datetime as dt
import decimal
import json
import math
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from reelshelf.indexer.sources.rows import Cell, is_missing, is_nothing
from reelshelf.indexer.text.clean import clean_text
from reelshelf.indexer.text.markup import plain_text

_CHAPTER = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{2})\s+(.+)")
_LONGEST_TITLE, _LONGEST_TEXT = 2_000, 50_000
# Whole numbers up to here keep every digit as a float.
_EXACT = 2**53
_LOST_DIGITS = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+\d+")


def _as_text(value: Cell) -> Cell:
    """Numbers and bytes as text: a SKU that looks like a number is one in JSON and Parquet."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"is not UTF-8 (byte {error.start})") from error
    if isinstance(value, float):
        if not value.is_integer() or abs(value) > _EXACT:
            raise ValueError("is a number with a fraction, or one too large to be exact")
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        if value != value.to_integral_value():
            raise ValueError("is a number with a fraction")
        return f"{value:f}".partition(".")[0]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _as_words(value: Cell) -> Cell:
    """The same for what people read, where a number is one as it stands: a title such as 12.5."""
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return f"{value:f}" if isinstance(value, decimal.Decimal) else _as_text(value)


def _no_lost_digits(text: str) -> str:
    if _LOST_DIGITS.fullmatch(text.strip()):
        raise ValueError("is a number as spreadsheets cut it; its digits are lost")
    return text


def _as_list(value: Cell) -> Cell:
    if value is None or value == "":
        return ()
    if isinstance(value, bytes):
        value = _as_text(value)
    if isinstance(value, str):
        return tuple(value.split("|"))
    return tuple(v for v in value if not is_missing(v)) if isinstance(value, list) else value


def _clean_each(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cleaned for item in items if (cleaned := clean_text(item)))


def _plain_each(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_composed(plain_text(item)) for item in items)


def _composed(text: str) -> str:
    """Text in the form in which letters with accents are one character, whoever wrote it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _plain(value: Cell) -> Cell:
    return _composed(plain_text(value)) if isinstance(value, str) else value


def _as_pairs(value: Cell) -> Cell:
    """Attributes as (name, value) texts; nested values keep their JSON form."""
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        value = json.loads(value)
    if isinstance(value, list) and all(isinstance(item, tuple) for item in value):
        value = dict(value)  # how Arrow gives a map column
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")
    texts = (
        (str(name), item if isinstance(item, str) else json.dumps(item, default=str))
        for name, item in value.items()
        if not is_missing(item)
    )
    return tuple((_words(name), _words(item)) for name, item in texts)


def _as_hashtags(value: Cell) -> Cell:
    """A list, or one text: `#a #b`, `a|b`."""
    if isinstance(value, str) and "|" not in value:
        return tuple(value.split())
    return value


def _as_chapters(value: Cell) -> Cell:
    """Objects with `start_ms` and `title`, or a text with a line for each: `1:20 Title`."""
    if is_missing(value) or value == "":
        return ()
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            value = json.loads(value)
        else:
            lines = [line.strip() for line in value.splitlines() if line.strip()]
            return tuple(_chapter_line(line) for line in lines)
    if not isinstance(value, list):
        raise ValueError("must be a list of objects with start_ms and title, or lines of text")
    found = []
    for item in value:
        if not isinstance(item, dict) or not {"start_ms", "title"} <= item.keys():
            raise ValueError("each chapter must have start_ms and title")
        found.append((int(item["start_ms"]), _words(str(item["title"]))))
    return tuple(found)


def _chapter_line(line: str) -> tuple[int, str]:
    found = _CHAPTER.fullmatch(line)
    if found is None:
        raise ValueError(f"{line[:80]!r} is no chapter such as '1:20 Title'")
    hours, minutes, seconds, title = found.groups()
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000, _words(title)


def _words(text: str) -> str:
    return clean_text(_composed(plain_text(text)))


def none_if_nothing(value: Cell) -> Cell:
    """None where a cell stands for nothing: empty, or what data frames write in its place."""
    return None if isinstance(value, str) and is_nothing(value) else value


def _cut(limit: int) -> Callable[[str | None], str | None]:
    def cut(text: str | None) -> str | None:
        return clean_text(text)[:limit] if text is not None else None

    return cut


def _present(text: str) -> str:
    cleaned = clean_text(text)
    if not cleaned:
        raise ValueError("must not be empty")
    return cleaned


def _utc(value: dt.datetime | None) -> dt.datetime | None:
    if value is None:
        return None
    return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


Id = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_no_lost_digits),
    AfterValidator(_present),
    Field(max_length=500),
]
Title = Annotated[
    str,
    BeforeValidator(_plain),
    BeforeValidator(_as_words),
    AfterValidator(_present),
    AfterValidator(_cut(_LONGEST_TITLE)),
]
Text = Annotated[
    str | None,
    BeforeValidator(none_if_nothing),
    BeforeValidator(_as_words),
    AfterValidator(_cut(_LONGEST_TEXT)),
]
# What people read, in which exports leave HTML; ids and names of files are kept as given.
Prose = Annotated[
    str | None,
    BeforeValidator(none_if_nothing),
    BeforeValidator(_plain),
    BeforeValidator(_as_words),
    AfterValidator(_cut(_LONGEST_TEXT)),
]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_clean_each)]
Labels = Annotated[
    tuple[Annotated[str, BeforeValidator(_as_words)], ...],
    BeforeValidator(_as_list),
    AfterValidator(_plain_each),
    AfterValidator(_clean_each),
]
Skus = Annotated[
    tuple[Annotated[str, BeforeValidator(_as_text)], ...],
    BeforeValidator(_as_list),
    AfterValidator(_clean_each),
]
Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_as_pairs)]
Instant = Annotated[dt.datetime | None, BeforeValidator(none_if_nothing), AfterValidator(_utc)]
Count = Annotated[Annotated[int, Field(ge=0, lt=2**63)] | None, BeforeValidator(none_if_nothing)]
Rating = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(none_if_nothing)
]
Hashtags = Annotated[Labels, BeforeValidator(_as_hashtags)]
Chapters = Annotated[tuple[tuple[int, str], ...], BeforeValidator(_as_chapters)]
Kind = Annotated[Literal["video", "live"] | None, BeforeValidator(none_if_nothing)]
