"""Reading what the shop hands over: a catalog of products and a list of videos.

Rows come from strangers. Each is checked on its own: a bad row is reported with file, line and
reason, and does not stop the rest. Pictures and videos are taken from below the source's own
folder, or from the prefixes of an object store that the config allows; a row that names another
URL, an absolute path or a way out of the folder does not get to read it.
"""

import datetime as dt
import decimal
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from reelshelf.indexer.sources import subtitles
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.lists import Cell, GivenRow, Row, checked_rows, is_missing
from reelshelf.indexer.sources.local import Listed
from reelshelf.indexer.sources.playlists import is_playlist, segment_names
from reelshelf.indexer.text.clean import clean_text, decode_entities, printable
from reelshelf.schemas.catalog import Chapter, Product, RejectedRow, VideoSource
from reelshelf.schemas.errors import InputError, MediaError
from reelshelf.schemas.outcomes import Skipped

# The names of files in the containers that the decoder takes; a test holds it against the decoder.
# Those of pictures and sound in them are left out: they lie beside videos as covers and tracks.
VIDEO_SUFFIXES = frozenset(
    (
        ".264", ".265", ".3g2", ".3gp", ".asf", ".avc", ".avi", ".divx", ".evo", ".f4v", ".flv",
        ".gif", ".h264", ".h265", ".h26l", ".hevc", ".ism", ".ismv", ".ivf", ".m2t", ".m2ts",
        ".m4v", ".mj2", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts",
        ".mxf", ".ogm", ".ogv", ".psp", ".qt", ".tod", ".trp", ".ts", ".vob", ".webm", ".wmv",
    )
)  # fmt: skip
_CHAPTER = re.compile(r"(?:(\d+):)?(\d{1,3}):(\d{2})\s+(.+)")
_PLACES = decimal.Decimal("0.0001")  # what the table's decimal column holds
_LONGEST_TITLE, _LONGEST_TEXT = 2_000, 50_000
_LARGEST_LIST = 64 * 1024**3
_LARGEST_PLAYLIST = 16 * 1024**2


def _as_text(value: Cell) -> Cell:
    # A SKU that looks like a number arrives as one from JSON and Parquet.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _as_list(value: Cell) -> Cell:
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return tuple(value.split("|"))
    return tuple(v for v in value if not is_missing(v)) if isinstance(value, list) else value


def _clean_each(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(cleaned for item in items if (cleaned := clean_text(item)))


def _decode_each(items: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(decode_entities(item) for item in items)


def _decode(value: Cell) -> Cell:
    return decode_entities(value) if isinstance(value, str) else value


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
        (str(name), item if isinstance(item, str) else json.dumps(item))
        for name, item in value.items()
        if not is_missing(item)
    )
    return tuple((_plain(name), _plain(item)) for name, item in texts)


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
        found.append((int(item["start_ms"]), _plain(str(item["title"]))))
    return tuple(found)


def _chapter_line(line: str) -> tuple[int, str]:
    found = _CHAPTER.fullmatch(line)
    if found is None:
        raise ValueError(f"{line[:80]!r} is no chapter such as '1:20 Title'")
    hours, minutes, seconds, title = found.groups()
    return ((int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)) * 1000, _plain(title)


def _plain(text: str) -> str:
    return clean_text(decode_entities(text))


def _none_if_empty(value: Cell) -> Cell:
    return None if value == "" else value


def _none_if_no_number(value: Cell) -> Cell:
    """Data frames write what is missing as "nan" into CSV."""
    return None if isinstance(value, str) and value.strip().lower() in ("", "nan") else value


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
    return str(value) if isinstance(value, float) else _none_if_no_number(value)


Id = Annotated[str, BeforeValidator(_as_text), AfterValidator(_present), Field(max_length=500)]
Title = Annotated[
    str, BeforeValidator(_decode), AfterValidator(_present), AfterValidator(_cut(_LONGEST_TITLE))
]
Text = Annotated[str | None, BeforeValidator(_none_if_empty), AfterValidator(_cut(_LONGEST_TEXT))]
# What people read, in which exports leave HTML entities; ids and names of files are kept as given.
Prose = Annotated[Text, BeforeValidator(_decode)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), AfterValidator(_clean_each)]
Labels = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_list),
    AfterValidator(_decode_each),
    AfterValidator(_clean_each),
]
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
Count = Annotated[Annotated[int, Field(ge=0, lt=2**63)] | None, BeforeValidator(_none_if_no_number)]
Rating = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(_none_if_no_number)
]


Hashtags = Annotated[Labels, BeforeValidator(_as_hashtags)]
Chapters = Annotated[tuple[tuple[int, str], ...], BeforeValidator(_as_chapters)]
Kind = Annotated[Literal["video", "live"] | None, BeforeValidator(_none_if_empty)]


class ProductRow(GivenRow):
    """One row of a catalog, as written."""

    sku: Id
    title: Title
    brand: Prose = None
    category: Labels = ()
    description: Prose = None
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
    title: Prose = None
    language: Text = None
    published_at: Instant = None
    description: Prose = None
    hashtags: Hashtags = ()
    chapters: Chapters = ()
    subtitles: Text = None
    kind: Kind = None
    started_at: Instant = None
    ended_at: Instant = None


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """The products of a catalog and the rows that were refused."""

    products: tuple[Product, ...]
    rejected: tuple[RejectedRow, ...]
    root: str


@dataclass(frozen=True, slots=True)
class VideosRead:
    """The videos to index, rows that were refused, and files that are no videos by their name."""

    videos: tuple[VideoSource, ...]
    rejected: tuple[RejectedRow, ...]
    skipped: tuple[Skipped, ...]


def read_catalog(uri: str, files: Files) -> CatalogRead:
    """Read a catalog from .jsonl, .csv or .parquet. Raises InputError if it is none of them."""
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
    return CatalogRead(tuple(products.values()), tuple(rejected), files.root_of(uri))


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
            description=item.description,
            hashtags=item.hashtags,
            chapters=tuple(Chapter(start, title) for start, title in item.chapters),
            subtitles=_beside(location, item.subtitles, root, files),
            kind=item.kind,
            started_at=item.started_at,
            ended_at=item.ended_at,
        )
    return VideosRead(tuple(videos.values()), tuple(rejected), ())


def _beside(location: str, given: str | None, root: str, files: Files) -> str | None:
    """Where the subtitles of a video are: as a row says, or beside its file under its name."""
    if given is not None:
        # One that lies outside is told when it is read: the video is indexed without.
        return files.resolve(root, given) or given
    return files.beside(location, subtitles.SUFFIXES)


def _read_folder(folder: str, files: Files) -> VideosRead:
    videos: dict[str, VideoSource] = {}
    rejected: list[RejectedRow] = []
    skipped: list[Skipped] = []

    def refuse(name: str, reason: str) -> None:
        rejected.append(RejectedRow(PurePath(folder).name, 0, name, reason))

    listed = list(files.walk(folder))
    segments = _segments(listed, files)
    by_name = {item.name: item.location for item in listed}
    for item in listed:
        name = PurePath(item.name)
        suffix = name.suffix.lower()
        if any(part.startswith(".") and part != "." for part in name.parts):
            hidden = item.is_folder or not name.name.startswith(".")
            skipped.append(Skipped(item.name, "hidden folder" if hidden else "hidden file"))
        elif item.location is None:
            refuse(item.name, item.reason)
        elif item.location in segments:
            skipped.append(Skipped(item.name, f"a segment of {segments[item.location]}"))
        elif suffix and suffix not in VIDEO_SUFFIXES and not is_playlist(item.name):
            skipped.append(Skipped(item.name, f"not a video by its name ({suffix})"))
        elif (known := videos.get(item.name)) is None:
            beside = next((s for s in _subtitle_names(item.name) if s in by_name), None)
            videos[item.name] = VideoSource(
                video_id=item.name,
                path=item.location,
                subtitles=by_name[beside] if beside is not None else None,
            )
        else:
            # Bytes that are not UTF-8 are shown by their numbers, which another name may spell out.
            kept, other = sorted((known.path, item.location), key=_is_unprintable)
            videos[item.name] = VideoSource(video_id=item.name, path=kept)
            refuse(item.name, f"another file has this id already: rename {os.fsencode(other)!r}")
    return VideosRead(tuple(videos.values()), tuple(rejected), tuple(skipped))


def _subtitle_names(name: str) -> Iterator[str]:
    stem = name[: -len(PurePath(name).suffix)] if PurePath(name).suffix else name
    yield from (f"{stem}{suffix}" for suffix in subtitles.SUFFIXES)


def _segments(listed: Sequence[Listed], files: Files) -> dict[str, str]:
    """The locations that playlists of a folder name, each with the name of the playlist.

    Segments, and playlists of single renditions, are no videos of their own.
    """
    found: dict[str, str] = {}
    for item in listed:
        if item.location is None or not is_playlist(item.name):
            continue
        try:
            with files.local(item.location, max_bytes=_LARGEST_PLAYLIST) as path:
                text = path.read_text(encoding="utf-8-sig", errors="replace")
        except (MediaError, OSError):
            continue  # told when it is its turn to be decoded
        for name in segment_names(text):
            location = files.resolve(files.root_of(item.location), name) if name else None
            if location is not None:
                found.setdefault(location, item.name)
    return found


def _is_unprintable(path: str) -> bool:
    return printable(path) != path


def _parsed(uri: str, files: Files, model: type[Row]) -> Iterator[tuple[int, Row | RejectedRow]]:
    list_name = PurePath(uri).name
    try:
        with files.local(uri, max_bytes=_LARGEST_LIST) as path:
            yield from checked_rows(path, list_name, model)
    except MediaError as error:
        raise InputError(f"{uri}: {error}") from error
