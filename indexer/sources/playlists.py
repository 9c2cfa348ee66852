"""HLS playlists: which segments a video is made of (RFC 8216).

A playlist is a stranger's text, and names files and hosts. What it names is resolved as a row of a
list is (`Files.resolve`): below its own folder, or below what `storage.allow` lists. Nothing else
is opened or contacted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from reelshelf.indexer.sources.files import Files
from reelshelf.schemas.errors import FailureKind, MediaError

SUFFIX = ".m3u8"
_LONGEST = 16 * 1024**2
_MOST_VARIANTS = 4
# Of several renditions the largest that is no larger: more pixels are scaled away.
_MOST_PIXELS = 1920 * 1080


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A file, or a part of one: `length` bytes from `start` on, all of it where that is None."""

    location: str
    start: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class PlaylistSegment:
    """One segment: its number, how long it lasts, its bytes, and what must be read before them."""

    sequence: int
    duration_ms: int
    data: ByteRange
    header: ByteRange | None


@dataclass(frozen=True, slots=True)
class Playlist:
    """The segments of a video, in order; `ended` says that no more will come."""

    segments: tuple[PlaylistSegment, ...]
    ended: bool


def is_playlist(location: str) -> bool:
    """Whether a location is that of a playlist, by its name."""
    return location.partition("?")[0].lower().endswith(SUFFIX)


def read_playlist(location: str, files: Files) -> Playlist:
    """The playlist at a location, or the best of those that it lists. Raises MediaError."""
    for _ in range(_MOST_VARIANTS):
        lines = _lines(location, files)
        variants = list(_variants(lines))
        if not variants:
            return _parsed(lines, location, files)
        location = _resolved(_best(variants), location, files)
    raise MediaError(FailureKind.UNSUPPORTED, "lists playlists that list others, and so on")


def segment_names(text: str) -> Iterator[str]:
    """What a playlist names, whatever it is: segments, headers, other playlists."""
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line
        elif line.startswith("#EXT-X-MAP:"):
            yield _attributes(line).get("URI", "")


def _lines(location: str, files: Files) -> list[str]:
    with files.local(location, max_bytes=_LONGEST) as path:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise MediaError(FailureKind.NOT_A_VIDEO, "is no playlist: not UTF-8") from error
        except OSError as error:
            message = f"cannot be read: {error.strerror}"
            raise MediaError(FailureKind.UNREADABLE, message) from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        raise MediaError(FailureKind.NOT_A_VIDEO, "is no playlist: it does not begin with #EXTM3U")
    return lines


def _variants(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Pixels, bandwidth and name of each rendition that a master playlist lists."""
    told: dict[str, str] | None = None
    for line in lines:
        if line.startswith("#EXT-X-STREAM-INF:"):
            told = _attributes(line)
        elif told is not None and not line.startswith("#"):
            width, _, height = told.get("RESOLUTION", "").partition("x")
            pixels = int(width) * int(height) if width.isdecimal() and height.isdecimal() else 0
            bandwidth = told.get("BANDWIDTH", "0")
            yield pixels, int(bandwidth) if bandwidth.isdecimal() else 0, line
            told = None


def _best(variants: list[tuple[int, int, str]]) -> str:
    fitting = [variant for variant in variants if variant[0] <= _MOST_PIXELS]
    return max(fitting)[2] if fitting else min(variants)[2]


def _parsed(lines: list[str], location: str, files: Files) -> Playlist:
    segments: list[PlaylistSegment] = []
    sequence, duration_ms = 0, 0
    header: ByteRange | None = None
    given: str | None = None
    behind: dict[str, int] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name == "#EXT-X-KEY" and _attributes(line).get("METHOD", "NONE") != "NONE":
            raise MediaError(FailureKind.UNSUPPORTED, "is encrypted (#EXT-X-KEY)")
        if name == "#EXT-X-MEDIA-SEQUENCE":
            sequence = _number(value, line)
        elif name == "#EXTINF":
            duration_ms = round(_decimal(value.partition(",")[0], line) * 1000)
        elif name == "#EXT-X-BYTERANGE":
            given = value
        elif name == "#EXT-X-MAP":
            told = _attributes(line)
            place = _resolved(told.get("URI", ""), location, files)
            header = _range(place, told.get("BYTERANGE"), {}, line)
        elif not line.startswith("#"):
            place = _resolved(line, location, files)
            data = _range(place, given, behind, line)
            segments.append(PlaylistSegment(sequence, duration_ms, data, header))
            sequence, duration_ms, given = sequence + 1, 0, None
    if not segments:
        raise MediaError(FailureKind.NO_FRAMES, "is a playlist without segments")
    if segments[0].sequence and "#EXT-X-ENDLIST" not in lines:
        raise MediaError(
            FailureKind.UNSUPPORTED,
            f"is a playlist whose first {segments[0].sequence} segments are gone: have it keep all "
            "of them (#EXT-X-PLAYLIST-TYPE:EVENT)",
        )
    return Playlist(tuple(segments), "#EXT-X-ENDLIST" in lines)


def _range(location: str, given: str | None, behind: dict[str, int], line: str) -> ByteRange:
    """`length@start`; without a start it goes on where the last part of the file ended."""
    if given is None:
        return ByteRange(location)
    length, _, start = given.partition("@")
    begin = _number(start, line) if start else behind.get(location, 0)
    found = ByteRange(location, begin, _number(length, line))
    behind[location] = begin + _number(length, line)
    return found


def _resolved(name: str, location: str, files: Files) -> str:
    found = files.resolve(files.root_of(location), name) if name else None
    if found is None:
        raise MediaError(
            FailureKind.UNSUPPORTED,
            f"names {name[:200]!r}, which lies outside its folder and what storage.allow lists",
        )
    return found


def _attributes(line: str) -> dict[str, str]:
    """`KEY=value,KEY="value, with a comma"` behind the colon of a tag."""
    found: dict[str, str] = {}
    rest = line.partition(":")[2]
    while rest:
        key, _, rest = rest.partition("=")
        if rest.startswith('"'):
            value, _, rest = rest[1:].partition('"')
            rest = rest.partition(",")[2]
        else:
            value, _, rest = rest.partition(",")
        found[key.strip()] = value
    return found


def _number(text: str, line: str) -> int:
    if not text.strip().isdecimal():
        raise MediaError(FailureKind.CORRUPT, f"has a line that makes no sense: {line[:200]!r}")
    return int(text)


def _decimal(text: str, line: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 86_400.0:
        raise MediaError(FailureKind.CORRUPT, f"has a line that makes no sense: {line[:200]!r}")
    return value
