"""Letters without what readers leave out: case, width, accents; marks that carry meaning stay.

An accent over a Latin or Greek letter, the points of Arabic and Hebrew and the stress of Russian
are left out by people who type. A Japanese voicing mark, a vowel sign of Hindi or a tone of Thai
makes another word.
"""

import unicodedata
from functools import lru_cache

# Letters that Unicode does not take apart, and that people type without their stroke or dot.
_PLAIN = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d",
     "ŋ": "n", "ſ": "s", "ـ": None, "ى": "ي", "ک": "ك", "ی": "ي", "ς": "σ",
     "\u200c": None, "\u200d": None, "\u00ad": None}
)  # fmt: skip
_UNSPACED = ("HAN", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_ALL_MARKS = ("LATIN", "GREEK", "ARABIC", "HEBREW")
# Of Cyrillic the stress, and the dots of ё; others are letters of their own (й, ї, ў).
_OF_CYRILLIC = {"\u0301": None, "\u0300": None, "\u0308": "ЕеЁё"}


def fold(text: str) -> str:
    """Text in lower case and composed form, without accents that readers leave out."""
    if text.isascii():
        return text.lower()
    # Folding case can undo a composition and the other way round: fold between two of them.
    flat = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if flat.isascii():
        return flat
    bare = "".join(_without_mark(flat))
    return unicodedata.normalize("NFC", bare).translate(_PLAIN)


def _without_mark(text: str) -> list[str]:
    found: list[str] = []
    base = ""
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.combining(char):
            if not _is_left_out(base, char):
                found.append(char)
        else:
            base = char
            found.append(char)
    return found


@lru_cache(maxsize=4096)
def _is_left_out(base: str, mark: str) -> bool:
    script = script_of(base)
    if script == "CYRILLIC":
        letters = _OF_CYRILLIC.get(mark, "")
        return letters is None or base in letters
    return script in _ALL_MARKS


def has_unspaced(text: str) -> bool:
    """Whether a text has words of a script that writes no spaces between them."""
    return not text.isascii() and any(script_of(char) in _UNSPACED for char in text)


@lru_cache(maxsize=65_536)
def script_of(char: str) -> str:
    """The script of a letter by its Unicode name, such as LATIN, HAN or HANGUL; "" of others."""
    if not char or not char.isalpha():
        return ""
    name = unicodedata.name(char, "").partition(" ")[0].partition("-")[0]
    return {"CJK": "HAN", "FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA"}.get(name, name)
