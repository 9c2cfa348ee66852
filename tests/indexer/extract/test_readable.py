"""On-screen text in letters that a recognizer does not have is named, and not guessed."""

import string

import pytest

from reelshelf.indexer.extract.readable import (
    missing_text,
    readable_scripts,
    unreadable_script,
    without_guesses,
)
from reelshelf.schemas.media import Box
from reelshelf.schemas.segments import ScreenText

LATIN = frozenset(string.ascii_letters + string.digits + "μΩ")
CYRILLIC = frozenset("абвгдежзийклмнопрстуфхцчшщъыьэюя")


def test_a_few_letters_of_a_script_make_no_reader_of_it() -> None:
    assert readable_scripts(LATIN) == {"LATIN"}
    assert readable_scripts(LATIN | CYRILLIC) == {"LATIN", "CYRILLIC"}


@pytest.mark.parametrize(
    ("language", "script"),
    [("ru", "CYRILLIC"), ("uk", "CYRILLIC"), ("ar", "ARABIC"), ("ko", "HANGUL"), ("th", "THAI"),
     ("hi", "DEVANAGARI"), ("ja", "HIRAGANA"), ("en", None), ("de", None), (None, None),
     ("xx", None)],
)  # fmt: skip
def test_the_script_of_a_language_is_told_where_it_cannot_be_read(
    language: str | None, script: str | None
) -> None:
    assert unreadable_script(language, LATIN) == script


def test_what_is_latin_and_sure_is_kept() -> None:
    lines = [
        ScreenText(text, confidence, 0, 1000, Box(0, 0, 1, 1))
        for text, confidence in [("NIKE 990", 0.99), ("KpacHbIn", 0.6), ("Größe", 0.99)]
    ]
    assert [line.text for line in without_guesses(lines)] == ["NIKE 990"]
    assert missing_text("CYRILLIC") == "on-screen text in Cyrillic letters"
