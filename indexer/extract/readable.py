"""On-screen text in letters that the installed recognizer does not have: named, and not guessed.

A recognizer that never saw Cyrillic reads it as the Latin letters that look like it. So in videos
of a language that it cannot read, only lines are believed that are Latin and sure, such as brands
and prices, and what was not read is told.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from reelshelf.indexer.text.folding import script_of
from reelshelf.indexer.text.languages import script_of_language
from reelshelf.schemas.segments import ScreenText

# A few letters of another script, as units and formulas have them, make no reader of it.
_LEAST_LETTERS = 20
_SURE = 0.95


@lru_cache(maxsize=16)
def readable_scripts(characters: frozenset[str]) -> frozenset[str]:
    """The scripts that a recognizer of these characters reads."""
    found = Counter(script for char in characters if (script := script_of(char)))
    return frozenset(script for script, count in found.items() if count >= _LEAST_LETTERS)


def unreadable_script(language: str | None, characters: frozenset[str]) -> str | None:
    """The script of a language, where a recognizer does not have it; None where it does."""
    script = script_of_language(language) if language else None
    return script if script and script not in readable_scripts(characters) else None


def without_guesses(lines: Sequence[ScreenText]) -> tuple[ScreenText, ...]:
    """Of lines of a video in letters that cannot be read: those that are none of them for sure."""
    return tuple(line for line in lines if line.text.isascii() and line.confidence >= _SURE)


_NOTE = "on-screen text in "


def missing_text(script: str) -> str:
    """How it is told that on-screen text in a script was not read."""
    return f"{_NOTE}{script.title()} letters"


def is_missing_text(note: str) -> bool:
    """Whether what is noted as absent is text in letters that were not read."""
    return note.startswith(_NOTE)
