"""Files of subtitles beside a video: SubRip (.srt) and WebVTT (.vtt)."""

import re
from collections.abc import Iterator
from pathlib import Path

from reelshelf.indexer.sources.encodings import encoding_of
from reelshelf.indexer.text.clean import clean_text, decode_entities
from reelshelf.schemas.errors import FailureKind, InputError, MediaError
from reelshelf.schemas.media import Cue

SUFFIXES = (".srt", ".vtt")
MOST_BYTES = 64 * 1024**2
_MOST_CUES, _LONGEST = 100_000, 2_000
_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}")
# Markup of WebVTT and SubRip, and the overrides of SubStation that SubRip files carry.
_MARKUP = re.compile(r"<[^>]{0,200}>|\{\\[^}]{0,200}\}")


def read_subtitles(path: Path) -> tuple[Cue, ...]:
    """The cues of a file, in order of their beginnings. Raises MediaError where it has none."""
    try:
        text = path.read_text(encoding=encoding_of(path).codec, errors="replace")
    except OSError as error:
        message = f"its subtitles cannot be read: {error.strerror}"
        raise MediaError(FailureKind.UNREADABLE, message) from error
    except InputError as error:
        message = "its subtitles are not UTF-8, UTF-16 or Windows-1252: save them as UTF-8"
        raise MediaError(FailureKind.UNREADABLE, message) from error
    found = sorted(_cues(text.splitlines()), key=lambda cue: (cue.start_ms, cue.end_ms))
    return tuple(found[:_MOST_CUES])


def plain_line(text: str) -> str:
    """A line of subtitles without its markup."""
    return " ".join(clean_text(decode_entities(_MARKUP.sub("", text))).split())[:_LONGEST]


def _cues(lines: list[str]) -> Iterator[Cue]:
    span: tuple[int, int] | None = None
    said: list[str] = []
    for line in [*lines, ""]:
        match = _CUE.match(line)
        if match is not None:
            span, said = (_ms(*match.groups()[:4]), _ms(*match.groups()[4:])), []
        elif line.strip():
            said.append(line)
        else:
            text = plain_line(" ".join(said))
            if span is not None and span[1] > span[0] and text:
                yield Cue(text, *span, inside=False)
            span = None


def _ms(hours: str | None, minutes: str, seconds: str, parts: str) -> int:
    whole = (int(hours or 0) * 60 + int(minutes)) * 60 + int(seconds)
    return whole * 1000 + int(parts.ljust(3, "0"))
