"""What a run would refuse of a source, and why; nothing is indexed.

Everything is read as a run reads it, in a stream: rows one by one, pictures whole, videos as far as
their headers and first frames tell. Of what is refused all is counted, by its reason, and the first
of each kind are kept as examples.
"""

import hashlib
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.extract.products import LARGEST_PICTURE
from reelshelf.indexer.media.backends import open_video
from reelshelf.indexer.media.chunks import divided_if_long
from reelshelf.indexer.media.decoder import check_file
from reelshelf.indexer.media.streams import divided_playlist
from reelshelf.indexer.pipeline.plan import OUTSIDE
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.indexer.sources import subtitles
from reelshelf.indexer.sources.catalog import TWICE as SKU_TWICE
from reelshelf.indexer.sources.catalog import catalog_lists
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.playlists import is_playlist
from reelshelf.indexer.sources.videos import TWICE as VIDEO_TWICE
from reelshelf.indexer.sources.videos import manifest_lists, manifest_rows, read_videos
from reelshelf.indexer.text.clean import same_id
from reelshelf.models.pictures import load_picture
from reelshelf.schemas.catalog import Product, RejectedRow, VideoSource
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import MediaError

Item = TypeVar("Item", Product, VideoSource)
_MOST_EXAMPLES = 1000
_TOLD_EVERY = 100
# What differs from row to row in a reason: what was found, counts, places.
_PARTICULARS = re.compile(
    r" \(the row has .*?\)(?=; |$)|'(?:[^'\\]|\\.)*'|\"[^\"]*\"|\(got .*?\)(?=; |$)|\d+"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """One thing that would be refused. `line` is 0 where it is no row."""

    kind: str
    source: str
    line: int
    item_id: str | None
    reason: str


@dataclass(slots=True)
class Checked:
    """What a source holds, in numbers, and what of it would be refused.

    `lists` says how each file is written, `told` what its owner should know. `reasons` counts what
    is refused by kind and reason, without what differs from row to row.
    """

    lists: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Refused] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    def refuse(self, kind: str, source: str, line: int, item_id: str | None, reason: str) -> None:
        """Count one, and keep it where there is room."""
        self.refused[kind] += 1
        self.reasons[kind, _PARTICULARS.sub("…", reason)] += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(Refused(kind, source, line, item_id, reason))


def check_source(
    catalog: str, videos: str | None, config: Config, progress: Progress, *, rows_only: bool = False
) -> Checked:
    """Read catalog and videos as a run would. `rows_only` opens no picture and no video.

    Raises InputError where one cannot be read at all.
    """
    files = Files(config.storage)
    found = Checked()
    with progress.stage("catalog", 0) as stage:
        pictures = partial(_check_pictures, files.home_of(catalog), files, found)
        _check_rows(
            _Rows("product", SKU_TWICE, partial(_products, catalog, files, config, found)),
            None if rows_only else pictures,
            found,
            stage.advance,
        )
    if videos is None:
        return found
    with progress.stage("videos", 0) as stage:
        media = None if rows_only else partial(_check_video, files, config, found)
        if files.is_folder(videos):
            _check_folder(videos, files, media, found, stage.advance)
        else:
            rows = _Rows("video", VIDEO_TWICE, partial(_videos, videos, files, found))
            _check_rows(rows, media, found, stage.advance)
    return found


@dataclass(frozen=True, slots=True)
class _Rows(Generic[Item]):
    """The rows of a list, which can be read again: each with its file, its line and its id."""

    kind: str
    twice: str
    read: Callable[[], Iterator[tuple[str, int, str, Item | RejectedRow]]]


def _products(
    uri: str, files: Files, config: Config, found: Checked
) -> Iterator[tuple[str, int, str, Product | RejectedRow]]:
    for given in catalog_lists(uri, files, config.catalog.format):
        for line, row in given:
            item = row if isinstance(row, RejectedRow) else row.record()
            yield given.name, line, "" if isinstance(item, RejectedRow) else item.sku, item
        _say_how(given.name, given.found, given.told, found)


def _videos(
    uri: str, files: Files, found: Checked
) -> Iterator[tuple[str, int, str, VideoSource | RejectedRow]]:
    for given in manifest_lists(uri, files):
        for line, row in manifest_rows(given, files.root_of(uri), files):
            yield given.name, line, "" if isinstance(row, RejectedRow) else row.video_id, row
        _say_how(given.name, given.found, given.told, found)


def _say_how(name: str, how: str, told: str | None, found: Checked) -> None:
    if name not in found.lists:
        found.lists[name] = how
        if told is not None:
            found.told.append(f"{name} {told}")


def _check_rows(
    rows: _Rows[Item],
    look: Callable[[Item], None] | None,
    found: Checked,
    advance: Callable[[int], None],
) -> None:
    ids = _Ids()
    for number, (source, line, name, item) in enumerate(rows.read(), start=1):
        if isinstance(item, RejectedRow):
            found.refuse(rows.kind, source, line, item.item_id, item.reason)
            ids.skip()
        else:
            found.accepted[rows.kind] += 1
            ids.add(same_id(name))
            if look is not None:
                look(item)
        if number % _TOLD_EVERY == 0:
            advance(_TOLD_EVERY)
    again = ids.again()
    if not len(again):
        return
    found.accepted[rows.kind] -= len(again)
    found.refused[rows.kind] += len(again)
    found.reasons[rows.kind, rows.twice] += len(again)
    shown = set(again[: max(0, _MOST_EXAMPLES - len(found.examples))].tolist())
    for number, (source, line, name, _) in enumerate(rows.read() if shown else ()):
        if number in shown:
            found.examples.append(Refused(rows.kind, source, line, name, rows.twice))
            shown.discard(number)
        if not shown:
            return


class _Ids:
    """Which rows have the id of an earlier one, in eight bytes a row.

    Ids are compared by hashes of 64 bits: of ten million, two different ones are taken for equal
    once in 400,000 catalogs. It is a check; a run compares the ids themselves.
    """

    def __init__(self) -> None:
        self._hashes = array("Q")

    def add(self, name: str) -> None:
        """The id of the next row."""
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        # Zero stands for a row without an id.
        self._hashes.append(int.from_bytes(digest, "big") or 1)

    def skip(self) -> None:
        """The next row has none."""
        self._hashes.append(0)

    def again(self) -> npt.NDArray[np.int64]:
        """Numbers of the rows whose id an earlier row has, in order."""
        hashes = np.frombuffer(self._hashes, np.uint64)
        order = np.argsort(hashes, kind="stable")
        ranked = hashes[order]
        equal = (ranked[1:] == ranked[:-1]) & (ranked[1:] != 0)
        return np.sort(order[1:][equal])


def _check_folder(
    uri: str,
    files: Files,
    look: Callable[[VideoSource], None] | None,
    found: Checked,
    advance: Callable[[int], None],
) -> None:
    read = read_videos(uri, files)
    for row in read.rejected:
        found.refuse("video", row.source, row.line, row.item_id, row.reason)
    for item in read.skipped:
        found.skipped[item.reason] += 1
    for video in read.videos:
        found.accepted["video"] += 1
        if look is not None:
            look(video)
        advance(1)


def _check_pictures(root: str, files: Files, found: Checked, product: Product) -> None:
    for uri in dict.fromkeys(product.images):
        location = files.resolve(root, uri)
        try:
            if location is None:
                raise ValueError(OUTSIDE)
            with files.local(location, max_bytes=LARGEST_PICTURE) as path:
                if path.stat().st_size > LARGEST_PICTURE:
                    raise ValueError(f"has more than {LARGEST_PICTURE} bytes")
                load_picture(path)
        except (ValueError, MediaError, OSError) as error:
            found.refuse("picture", product.sku, 0, uri, str(error))
        else:
            found.accepted["picture"] += 1


def _check_video(files: Files, config: Config, found: Checked, video: VideoSource) -> None:
    """Count a video as readable, or as what would fail; and its subtitles."""
    try:
        if is_playlist(video.path):
            divided_playlist(video.path, files, config.media)
        else:
            with files.local(video.path, max_bytes=config.media.max_bytes) as path:
                check_file(path, config.media)
                divided_if_long(path, config.media)
                with open_video(path, config.media):
                    pass
    except MediaError as error:
        found.refuse("media", video.video_id, 0, video.path, f"{error.kind}: {error}")
    else:
        found.accepted["media"] += 1
    if video.subtitles is None:
        return
    try:
        with files.local(video.subtitles, max_bytes=subtitles.MOST_BYTES) as path:
            subtitles.read_subtitles(path)
    except MediaError as error:
        found.refuse("subtitles", video.video_id, 0, video.subtitles, str(error))
    else:
        found.accepted["subtitles"] += 1
