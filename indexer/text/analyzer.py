"""Text into words: one analyzer for the index, for queries, for linking and for coverage.

A store keeps the analyzer that its rows were made with (`text.analyzer`):

- "icu" cuts words as Unicode says, by dictionary where a language writes no spaces (UAX #29, by
  ICU); folds what readers leave out and keeps marks that carry meaning; has numbers and their units
  as one word; and knows stems and stopwords of the languages at hand.
- "simple" is that of the first stores: it splits at all that is no letter or digit, takes every
  mark off, and knows a few stopwords of English.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache, cached_property, lru_cache
from typing import Literal, Protocol, TypeAlias

from icu4py.breakers import WordBreaker

from reelshelf.indexer.text.folding import fold
from reelshelf.indexer.text.languages import primary, stem, stopwords_of
from reelshelf.indexer.text.units import joined_measures

AnalyzerKind: TypeAlias = Literal["icu", "simple"]

_FIRST_STOPWORDS = frozenset(
    (
        "a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "the",
        "this", "to", "with",
    )
)  # fmt: skip
_WORD = re.compile(r"\w+(?:[.,]\d+)?", re.UNICODE)
_APOSTROPHES = str.maketrans({"’": "'", "ʼ": "'", "＇": "'"})
_POSSESSIVE = re.compile(r"'s?$")
# "l'eau", "dell'acqua": an article that has lost its vowel before another.
_ELIDED = re.compile(r"[a-z]{1,4}'(?=[aeiouyh]\w\w)")
_GROUPED = re.compile(r"\d+(?:[.,]\d+)+\w*")
# What full text keeps of a word: nobody types more of one.
TERM_LENGTH = 64
_SHORT = 64


class Analyzer(Protocol):
    """What everything that compares words asks."""

    @property
    def kind(self) -> AnalyzerKind:
        """Its name in the config."""
        ...

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose stems and stopwords it knows."""
        ...

    def words(self, text: str) -> list[str]:
        """The words of a text in order, folded: in the form in which equal words are equal."""
        ...

    def stems(self, word: str) -> tuple[str, ...]:
        """Other forms under which a word is the same: "shoe" of "shoes". None are needed."""
        ...

    def forms(self, word: str) -> tuple[str, ...]:
        """All forms under which a shopper who asks for a word finds it, itself first."""
        ...

    def is_stopword(self, word: str) -> bool:
        """Whether a word says nothing of a product."""
        ...


class SimpleAnalyzer:
    """The analyzer of the first stores."""

    kind: AnalyzerKind = "simple"
    languages: tuple[str, ...] = ()

    def words(self, text: str) -> list[str]:
        """Lower-case words without accents; numbers keep their decimals."""
        # Folding case can undo a decomposition and the other way round: fold between two of them.
        flat = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        flat = "".join(c for c in flat if not unicodedata.combining(c))
        return [
            word.replace(",", ".") for word in _WORD.findall(flat.replace("'", "").replace("’", ""))
        ]

    def stems(self, word: str) -> tuple[str, ...]:
        """None."""
        del word
        return ()

    def forms(self, word: str) -> tuple[str, ...]:
        """A word and its plain plural or singular."""
        return (word, word[:-1]) if word.endswith("s") and len(word) > 3 else (word, f"{word}s")

    def is_stopword(self, word: str) -> bool:
        """Whether it is one of a few of English."""
        return word in _FIRST_STOPWORDS


class IcuAnalyzer:
    """The analyzer of new stores, for texts in some languages."""

    kind: AnalyzerKind = "icu"

    def __init__(self, languages: Sequence[str] = ()) -> None:
        self.languages = tuple(sorted({c for code in languages if (c := primary(code))}))

    def words(self, text: str) -> list[str]:
        """The words of a text, folded; a number and its unit are one."""
        if len(text) <= _SHORT:
            return list(_words_of_short(text, self.languages))
        return _words(text, self.languages)

    def stems(self, word: str) -> tuple[str, ...]:
        """The stems of a word in each of the languages, those that differ from it."""
        return _stems(word, self.languages)

    def forms(self, word: str) -> tuple[str, ...]:
        """A word and its stems."""
        return (word, *self.stems(word))

    def is_stopword(self, word: str) -> bool:
        """Whether it says nothing in any of the languages."""
        return word in self._stopwords

    @cached_property
    def _stopwords(self) -> frozenset[str]:
        return stopwords_of(self.languages)


def _words(text: str, languages: tuple[str, ...]) -> list[str]:
    flat = fold(text).translate(_APOSTROPHES)
    # The offsets that it gives as well are those of UTF-16.
    found = [word for segment in WordBreaker(flat, "und") for word in _parts(segment)]
    if not any(word[0].isdigit() for word in found):
        return found
    return joined_measures(found, languages, stopwords_of(("en", *languages)))


# Brands, categories and values of attributes come again and again.
@lru_cache(maxsize=65_536)
def _words_of_short(text: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_words(text, languages))


@lru_cache(maxsize=262_144)
def _stems(word: str, languages: tuple[str, ...]) -> tuple[str, ...]:
    found = dict.fromkeys(stem(word, language) for language in languages)
    found.pop(word, None)
    return tuple(found)


def analyzer_of(kind: AnalyzerKind, languages: Sequence[str] = ()) -> Analyzer:
    """The analyzer of that name for texts in some languages."""
    return _analyzer(kind, tuple(languages))


@cache
def _analyzer(kind: AnalyzerKind, languages: tuple[str, ...]) -> Analyzer:
    return SimpleAnalyzer() if kind == "simple" else IcuAnalyzer(languages)


def base_form(word: str, analyzer: Analyzer) -> str:
    """The form in which words are equal that are one word: the shortest."""
    return min(analyzer.forms(word), key=lambda form: (len(form), form))


def terms_of(text: str, analyzer: Analyzer) -> str:
    """What full text indexes of a text: each word with its stems, parted by spaces."""
    return " ".join(
        form[:TERM_LENGTH]
        for word in analyzer.words(text)
        for form in (word, *analyzer.stems(word))
    )


def _parts(segment: str) -> list[str]:
    """The words of what Unicode takes for one, if it is any: "foo_bar" and "a.b" are two."""
    if segment.isalnum():
        return [segment]
    if not any(c.isalnum() for c in segment):
        return []
    if segment[0].isdigit() and _GROUPED.fullmatch(segment):
        return [segment.replace(",", ".")]
    plain = _POSSESSIVE.sub("", _ELIDED.sub("", segment)).replace("'", "")
    if plain.isalnum():
        return [plain]
    return [part for part in _NO_WORD.split(plain) if part]


# Marks of letters that are not composed belong to words; a number keeps its point.
_NO_WORD = re.compile(r"(?<!\d)[.,]|[.,](?!\d)|[_:·‧]+")
