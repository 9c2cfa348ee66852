"""What a query does not want: "shoes not red", "Lampe ohne Kabel", "赤以外の靴", "不要红色的鞋".

A negation leaves out the words behind it, or before it in languages that say it there, as far as
the catalog knows them: a product's name may have one itself ("no show socks"), and what the catalog
has no word for cannot be left out.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reelshelf.indexer.search.phrases import any_of

# English, German, French, Spanish; what may follow them before the word itself; what goes on.
_BEFORE = (
    "not in", "not", "without", "except for", "except", "excluding", "but not", "no", "non",
    "minus",
    "nicht in", "nicht", "ohne", "außer", "kein", "keine", "keinen", "keiner",
    "sans", "pas en", "pas de", "pas", "sauf", "hormis", "excepté",
    "sin", "que no sea", "que no sean", "excepto", "menos", "salvo",
)  # fmt: skip
_ARTICLES = (
    "any", "a", "an", "the", "in", "ein", "eine", "einen", "der", "die", "das", "le", "la", "les",
    "du", "de", "des", "en", "el", "los", "las", "un", "una", "une",
)  # fmt: skip
_OR = ("or", "nor", "oder", "noch", "ou", "ni", "o", "u")
# Chinese before, Japanese and Chinese behind.
_BEFORE_UNSPACED = ("不要", "不是", "不含", "不带", "除了", "非", "无", "無")
_BEHIND_UNSPACED = (
    "以外の",
    "以外",
    "ではない",
    "じゃない",
    "なしの",
    "なし",
    "抜きの",
    "抜き",
    "除く",
    "除外",
)
_MOST_WORDS, _MOST_SIGNS = 3, 8


def _spaced(phrases: Iterable[str]) -> str:
    return any_of(dict.fromkeys(phrases, True))


_SPACED = re.compile(rf"(?P<no>{_spaced(_BEFORE)})\s+|(?<=\s)-(?=[^\W\d])", re.IGNORECASE)
_ARTICLE = re.compile(rf"{_spaced(_ARTICLES)}\s+", re.IGNORECASE)
_MORE = re.compile(rf"\s*(?:,\s*)?(?:{_spaced(_OR)}\s+|,\s*)", re.IGNORECASE)
_WORD = re.compile(r"\s*([^\W_]+(?:['-][^\W_]+)*)")
_AHEAD = re.compile(any_of(dict.fromkeys(_BEFORE_UNSPACED, False)))
_BEHIND = re.compile(any_of(dict.fromkeys(_BEHIND_UNSPACED, False)))


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A text without what it does not want, and that, each in lower case.

    A text that wants nothing else is left as it is.
    """

    text: str
    words: tuple[str, ...]


def is_negation(word: str) -> bool:
    """Whether a word, in lower case, may leave out what follows it."""
    return word in _BEFORE


def find_unwanted(text: str, is_known: Callable[[str], bool]) -> Unwanted:
    """What a text does not want.

    `is_known` tells whether the catalog has a word, or several together as the name of something;
    it is asked with the negation too, since names have some.
    """
    found = sorted(_spans(text, is_known), key=lambda span: span[:2])
    words: list[str] = []
    pieces: list[str] = []
    at = 0
    for start, end, own in found:
        if start >= at:
            pieces.append(text[at:start].strip(" ,"))
            words += own
            at = end
    pieces.append(text[at:].strip(" ,"))
    rest = " ".join(filter(None, pieces))
    if not words or not rest:
        return Unwanted(text, ())
    return Unwanted(rest, tuple(dict.fromkeys(word.lower() for word in words)))


def _spans(text: str, is_known: Callable[[str], bool]) -> Iterator[tuple[int, int, list[str]]]:
    """Start, end and words of what is not wanted."""
    for match in _SPACED.finditer(text):
        at = match.end()
        article = _ARTICLE.match(text, at)
        at = article.end() if article else at
        own: list[str] = []
        while (taken := _named(text, at, is_known)) is not None:
            at, word = taken
            if match["no"] and not own and is_known(f"{match['no']} {word}".lower()):
                break
            own.append(word)
            if (more := _MORE.match(text, at)) is None or _named(
                text, more.end(), is_known
            ) is None:
                yield match.start(), at, own
                break
            at = more.end()
    for match in _AHEAD.finditer(text):
        for end in range(min(len(text), match.end() + _MOST_SIGNS), match.end(), -1):
            if is_known(text[match.end() : end]):
                yield match.start(), end, [text[match.end() : end]]
                break
    for match in _BEHIND.finditer(text):
        for start in range(max(0, match.start() - _MOST_SIGNS), match.start()):
            if is_known(text[start : match.start()]):
                yield start, match.end(), [text[start : match.start()]]
                break


def _named(text: str, at: int, is_known: Callable[[str], bool]) -> tuple[int, str] | None:
    """The longest name that begins here, with its end; None where the catalog knows none."""
    found = None
    end, words = at, list[str]()
    for _ in range(_MOST_WORDS):
        match = _WORD.match(text, end)
        if match is None:
            break
        end = match.end()
        words.append(match[1])
        if is_known(" ".join(words).lower()):
            found = end, " ".join(words)
    return found
