"""Reading what the shop hands over: a catalogue of products and a list of videos.

Rows come from strangers. Each is checked on its own: a bad row is reported with file, line and
reason, and does not stop the rest. Pictures and videos are taken from below the source's own
folder, or from the prefixes of an object store that the config allows; a row that names another
URL, an absolute path or a way out of the folder does not get to read it.
"""

import csv
import datetime as dt
import decimal
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, TypeAlias, TypeVar

import pyarrow.parquet as pq
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from indexer.sources.files import Files
from schemas.catalog import Product, RejectedRow, VideoSource
from schemas.errors import InputError, MediaError
from schemas.outcomes import Skipped

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".m2ts",
        ".mpg",
        ".mpeg",
        ".flv",
        ".wmv",
        ".3gp",
        ".ogv",
        ".gif",
    ]
)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PLACES = decimal.Decimal("0.0001")  # what the table's decimal column holds
_LONGEST_TITLE, _LONGEST_TEXT = 2_000, 50_000
_LARGEST_LIST = 64 * 1024**3

Cell: TypeAlias = object
Row = TypeVar("Row", bound=BaseModel)


def clean_text(text: str) -> str:
    """Text without control characters, direction overrides and lone surrogates."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8").strip()


def _as_text(value: Cell) -> Cell:
    # A SKU that looks like a number arrives as one from JSON and Parquet.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _as_list(value: Cell) -> Cell:
    if value is None or value == "":
        return ()
    return tuple(value.split("|")) if isinstance(value, str) else value


def _clean_each(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cleaned for item in items if (cleaned := clean_text(item)))


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
    return tuple(
        (clean_text(str(name)), clean_text(item if isinstance(item, str) else json.dumps(item)))
        for name, item in value.items()
        if item is not None
    )


def _none_if_empty(value: Cell) -> Cell:
    return None if value == "" else value


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


def _exact(value: Cell) -> Cell:
    # Decimal(str(x)) keeps 2.74 as the shop wrote it.
    return str(value) if isinstance(value, float) else _none_if_empty(value)


Id = Annotated[str, BeforeValidator(_as_text), AfterValidator(_present), Field(max_length=500)]
Title = Annotated[str, AfterValidator(_present), AfterValidator(_cut(_LONGEST_TITLE))]
Text = Annotated[str | None, BeforeValidator(_none_if_empty), AfterValidator(_cut(_LONGEST_TEXT))]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_clean_each)]
Skus = Annotated[
    tuple[Annotated[str, BeforeValidator(_as_text)], ...],
    BeforeValidator(_as_list),
    AfterValidator(_clean_each),
]
Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_as_pairs)]
Instant = Annotated[dt.datetime | None, BeforeValidator(_none_if_empty), AfterValidator(_utc)]
_Money = Annotated[
    decimal.Decimal,
    Field(ge=0, lt=decimal.Decimal(10) ** 14, allow_inf_nan=False),
    AfterValidator(lambda price: price.quantize(_PLACES)),
]
Price = Annotated[_Money | None, BeforeValidator(_exact)]
Count = Annotated[Annotated[int, Field(ge=0, lt=2**63)] | None, BeforeValidator(_none_if_empty)]
Rating = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(_none_if_empty)
]


class GivenRow(BaseModel):
    """Base of all rows that a shop hands over."""

    # Shops have columns of their own; they are none of our business.
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProductRow(GivenRow):
    """One row of a catalogue, as written."""

    sku: Id
    title: Title
    brand: Text = None
    category: Names = ()
    description: Text = None
    attributes: Pairs = ()
    images: Names = ()
    merchant_id: Text = None
    language: Text = None
    price: Price = None
    currency: Text = None
    availability: Text = None
    rating: Rating = None
    review_count: Count = None
    sales: Count = None
    published_at: Instant = None
    updated_at: Instant = None

    def record(self) -> Product:
        """The product this row describes."""
        return Product(**{name: getattr(self, name) for name in type(self).model_fields})


class VideoRow(GivenRow):
    """One row of a video manifest, as written."""

    video_id: Id
    file: Annotated[str, Field(min_length=1, validation_alias=AliasChoices("file", "path"))]
    merchant_skus: Skus = ()
    merchant_id: Text = None
    title: Text = None
    language: Text = None
    published_at: Instant = None


@dataclass(frozen=True, slots=True)
class CatalogueRead:
    """The products of a catalogue and the rows that were refused."""

    products: tuple[Product, ...]
    rejected: tuple[RejectedRow, ...]
    root: str


@dataclass(frozen=True, slots=True)
class VideosRead:
    """The videos to index, rows that were refused, and files that are no videos by their name."""

    videos: tuple[VideoSource, ...]
    rejected: tuple[RejectedRow, ...]
    skipped: tuple[Skipped, ...]


def read_catalogue(uri: str, files: Files) -> CatalogueRead:
    """Read a catalogue from .jsonl, .csv or .parquet. Raises InputError if it is none of them."""
    products: dict[str, Product] = {}
    rejected: list[RejectedRow] = []
    name = PurePath(uri).name
    for line, item in _parsed(uri, files, ProductRow):
        if isinstance(item, RejectedRow):
            rejected.append(item)
        elif item.sku in products:
            rejected.append(
                RejectedRow(name, line, item.sku, "sku: stands in an earlier row already")
            )
        else:
            products[item.sku] = item.record()
    return CatalogueRead(tuple(products.values()), tuple(rejected), files.root_of(uri))


def read_videos(uri: str, files: Files) -> VideosRead:
    """List the videos of a folder, or of a manifest in .jsonl, .csv or .parquet."""
    if files.is_folder(uri):
        return _read_folder(uri, files)
    videos: dict[str, VideoSource] = {}
    rejected: list[RejectedRow] = []
    root, name = files.root_of(uri), PurePath(uri).name
    for line, item in _parsed(uri, files, VideoRow):
        if isinstance(item, RejectedRow):
            rejected.append(item)
            continue
        if item.video_id in videos:
            reason = "video_id: stands in an earlier row already"
            rejected.append(RejectedRow(name, line, item.video_id, reason))
            continue
        location = files.resolve(root, item.file)
        if location is None:
            reason = "file: lies outside the manifest's folder"
            rejected.append(RejectedRow(name, line, item.video_id, reason))
            continue
        videos[item.video_id] = VideoSource(
            video_id=item.video_id,
            path=location,
            merchant_skus=item.merchant_skus,
            merchant_id=item.merchant_id,
            title=item.title,
            language=item.language,
            published_at=item.published_at,
        )
    return VideosRead(tuple(videos.values()), tuple(rejected), ())


def _read_folder(folder: str, files: Files) -> VideosRead:
    videos: list[VideoSource] = []
    rejected: list[RejectedRow] = []
    skipped: list[Skipped] = []
    for item in files.walk(folder):
        name = PurePath(item.name)
        suffix = name.suffix.lower()
        if name.name.startswith("."):
            skipped.append(Skipped(item.name, "hidden file"))
        elif suffix and suffix not in VIDEO_SUFFIXES:
            skipped.append(Skipped(item.name, f"not a video by its name ({suffix})"))
        elif item.location is None:
            rejected.append(RejectedRow(PurePath(folder).name, 0, item.name, item.reason))
        else:
            videos.append(VideoSource(video_id=item.name, path=item.location))
    return VideosRead(tuple(videos), tuple(rejected), tuple(skipped))


def _parsed(uri: str, files: Files, model: type[Row]) -> Iterator[tuple[int, Row | RejectedRow]]:
    list_name = PurePath(uri).name
    try:
        with files.local(uri, max_bytes=_LARGEST_LIST) as path:
            yield from checked_rows(path, list_name, model)
    except MediaError as error:
        raise InputError(f"{uri}: {error}") from error


def checked_rows(
    path: Path, list_name: str, model: type[Row]
) -> Iterator[tuple[int, Row | RejectedRow]]:
    """Each row of a .jsonl, .csv or .parquet file with its line: checked, or refused in words.

    Raises InputError where the file itself cannot be read.
    """
    for line, cells in _rows(path):
        if isinstance(cells, str):
            yield line, RejectedRow(list_name, line, None, cells)
            continue
        try:
            yield line, model.model_validate(cells)
        except (ValidationError, RecursionError, TypeError, OverflowError) as error:
            key = next(iter(model.model_fields))
            item_id = cells.get(key)
            name = clean_text(str(item_id))[:200] if item_id not in (None, "") else None
            yield line, RejectedRow(list_name, line, name, _reason(error))


def _reason(error: ValidationError | RecursionError | TypeError | OverflowError) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    if not isinstance(error, ValidationError):
        return f"holds a value that cannot be used: {error}"
    parts = []
    for item in error.errors(include_input=True, include_url=False):
        key = ".".join(str(part) for part in item["loc"])
        given = (
            "" if item["type"] == "missing" else f" (got {clean_text(repr(item['input']))[:80]})"
        )
        parts.append(f"{key}: {item['msg'][0].lower()}{item['msg'][1:]}{given}")
    return "; ".join(parts)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Cell] | str]]:
    """Line numbers and raw cells; a text where a line is no row at all."""
    readers = {".jsonl": _jsonl_rows, ".csv": _csv_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: unknown kind of file; allowed are {', '.join(readers)}, or a folder of videos"
        )
    try:
        yield from reader(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _jsonl_rows(path: Path) -> Iterator[tuple[int, dict[str, Cell] | str]]:
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                value = json.loads(raw.decode("utf-8-sig" if line == 1 else "utf-8"))
            except UnicodeDecodeError as error:
                yield line, f"is not UTF-8 (byte {error.start})"
            except (ValueError, RecursionError) as error:
                empty = not raw.strip()
                yield line, "is empty" if empty else f"is not JSON: {error}"
            else:
                yield line, value if isinstance(value, dict) else "is not a JSON object"


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Cell] | str]]:
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        while True:
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, f"is not CSV: {error}"
                continue
            except UnicodeDecodeError as error:
                raise InputError(f"{path}: is not UTF-8 near line {reader.line_num}") from error
            if row.get(None):
                yield reader.line_num, "has more cells than the header"
                continue
            # An empty cell is one that was left out.
            yield reader.line_num, {k: v for k, v in row.items() if k and v not in (None, "")}


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Cell] | str]]:
    try:
        file = pq.ParquetFile(path)
        line = 0
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                line += 1
                yield line, {k: v for k, v in row.items() if v is not None}
    except ValueError as error:  # pyarrow's ArrowInvalid is a ValueError
        raise InputError(f"{path}: is not Parquet: {error}") from error
