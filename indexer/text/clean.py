"""Text that strangers wrote, as everything else may use it."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Only what ends in a semicolon: "R&D" and "?a=1&copy=2" are no entities.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def clean_text(text: str) -> str:
    """Text without control characters, direction overrides and lone surrogates."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8").strip()


def decode_entities(text: str) -> str:
    """Text with HTML entities as the characters they stand for: exports carry `Caf&eacute;`."""
    return _ENTITY.sub(lambda match: html.unescape(match[0]), text)


def printable(path: str) -> str:
    """A path as text: names of files need not be UTF-8, columns and messages must."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def same_id(given: str) -> str:
    """The form in which two spellings of one id are equal: composed, without outer spaces.

    Only for comparing. Ids are stored as they were given, and keys are derived from that.
    """
    return unicodedata.normalize("NFC", given).strip()


def as_known(given: Iterable[str], known: Callable[[], Iterable[str]]) -> dict[str, str]:
    """Each given id in the spelling in which it is known, where Unicode counts both as equal.

    An id that is known as it is given, or not at all, stays. `known` is asked only where an id has
    letters that can be spelled in two ways.
    """
    found = {item: item for item in given}
    doubtful = {same_id(item): item for item in found if not item.isascii()}
    if not doubtful:
        return found
    exact: set[str] = set()
    alike: dict[str, str] = {}
    for item in known():
        if item in found:
            exact.add(item)
        elif not item.isascii() and same_id(item) in doubtful:
            alike.setdefault(same_id(item), item)
    for item in found:
        if item not in exact:
            found[item] = alike.get(same_id(item), item)
    return found
