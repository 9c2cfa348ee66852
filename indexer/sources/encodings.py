"""How the text of a list is encoded: UTF-8, UTF-16, or the Windows-1252 of old exports.

A file says it by its byte order mark, or by its bytes. Damaged rows of UTF-8 are refused one by
one; a file in which what is not UTF-8 outweighs what is was written in another encoding.
"""

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from reelshelf.schemas.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PIECE = 1024**2
_ESCAPED = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_LETTERS = re.compile(rb"[A-Za-z]")
# Bytes that Windows-1252 does not have or whose signs nobody writes, signs that no word has inside,
# and four accented letters in a row: text of another code page.
_OF_OTHERS = re.compile(
    rb"[\x81\x83\x86-\x89\x8d\x8f\x90\x98\x9d]|[a-z][\xa1\xb1-\xb3\xb9\xbc-\xbf][a-z]|[\xc0-\xff]{4}"
)
# Western texts have one accented letter in five at the most.
_MOST_ACCENTS, _FEW = 0.2, 8


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """A codec of Python's and how it takes what is damaged; `told` is what a shop should know."""

    codec: str
    errors: str = "strict"
    told: str | None = None


def encoding_of(path: Path) -> TextEncoding:
    """The encoding of a text file. Raises InputError where it is none of those that are read."""
    with path.open("rb") as file:
        begin = file.read(_PIECE)
    for mark, codec in _MARKS:
        if begin.startswith(mark):
            return TextEncoding(codec, "surrogateescape" if codec == "utf-8-sig" else "strict")
    if (wide := _without_mark(begin)) is not None:
        return TextEncoding(wide)
    if _is_utf8(path):
        return TextEncoding("utf-8", "surrogateescape")
    return _legacy(path)


def _without_mark(begin: bytes) -> str | None:
    """UTF-16 that does not say so: every other byte of ASCII in it is zero."""
    sample = begin[:4096]
    half = len(sample) // 2
    if half and sample[1::2].count(0) > 0.4 * half and sample[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if half and sample[::2].count(0) > 0.4 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _is_utf8(path: Path) -> bool:
    """Whether a file is UTF-8, but for rows that are damaged."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    damaged = sound = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            text = decoder.decode(piece)
            if not text.isascii():
                wrong = len(_ESCAPED.findall(text))
                damaged += wrong
                sound += len(_BEYOND_ASCII.findall(text.encode("utf-8", "ignore"))) // 2
    damaged += len(_ESCAPED.findall(decoder.decode(b"", final=True)))
    return damaged <= sound


def _legacy(path: Path) -> TextEncoding:
    high = letters = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if _OF_OTHERS.search(piece):
                raise _unknown(path)
            high += len(_BEYOND_ASCII.findall(piece))
            letters += len(_LETTERS.findall(piece))
    if high > max(_FEW, _MOST_ACCENTS * letters):
        raise _unknown(path)
    return TextEncoding(
        "cp1252",
        told="is not UTF-8; it is read as Windows-1252 (Latin-1): save it as UTF-8 if letters with "
        "accents come out wrong",
    )


def _unknown(path: Path) -> InputError:
    number = 0
    with path.open("rb") as file:
        for line in file:
            number += 1
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                break
    return InputError(
        f"{path}: is not UTF-8 near line {number}, nor UTF-16 or Windows-1252 (Latin-1): save it "
        "as UTF-8"
    )
