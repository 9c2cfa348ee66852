"""Other ways to write what a query says: in one word or in two, in another unit.

"head set" is "headset", "kaffeemaschine" is "kaffee maschine" where the catalog writes that, and
"17 inch" is "43.2 cm"; and some words stand for others by rule. A product that has any of them has
what was asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.forms import shared_form
from reelshelf.indexer.search.words import ProductWords
from reelshelf.indexer.text import Analyzer, read_measure

# Shorter parts of a word are no words of their own.
_SHORTEST_PART = 3
# Two amounts that differ by less are one: sizes are rounded, and a gigabyte is 1,024 megabytes.
_SAME_AMOUNT = 0.025

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SynonymTable:
    """What words stand for besides, by rule: `others` of phrases of up to `longest` words.

    `words` are all that the phrases have.
    """

    others: Mapping[Words, tuple[Words, ...]]
    longest: int
    words: frozenset[str]

    @classmethod
    def of(cls, others: Mapping[Words, tuple[Words, ...]]) -> "SynonymTable":
        """That of phrases."""
        return cls(
            others,
            max(map(len, others), default=0),
            frozenset(word for words in others for word in words),
        )

    def at(self, told: Sequence[str], place: int) -> "Concept | None":
        """The longest phrase that begins at a place of a query."""
        for end in range(min(place + self.longest, len(told)), place, -1):
            if others := self.others.get(words := tuple(told[place:end])):
                return Concept(words, others)
        return None


NO_SYNONYMS = SynonymTable.of({})


@dataclass(frozen=True, slots=True)
class Concept:
    """Something that a query asks for: words in their base forms, and what may stand for them."""

    words: Words
    alternatives: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Concepts:
    """Knows how else a catalog writes things."""

    words: ProductWords
    analyzer: Analyzer

    def read(
        self, told: Sequence[str], synonyms: SynonymTable = NO_SYNONYMS
    ) -> tuple[Concept, ...]:
        """The concepts of words that `told_words` gives, each word in one of them.

        `synonyms` are what words stand for besides, by rule.
        """
        found: list[Concept] = []
        at = 0
        while at < len(told):
            concept = synonyms.at(told, at) or self._pair(told, at) or self._single(told[at])
            at += len(concept.words)
            # Nothing in the shop is of this very size: it is no reason to show nothing.
            if (
                concept.alternatives
                or read_measure(told[at - 1]) is None
                or self._has(told[at - 1])
            ):
                found.append(concept)
        return tuple(dict.fromkeys(found))

    def _has(self, word: str) -> bool:
        return word in self.words.words

    def _pair(self, told: Sequence[str], at: int) -> Concept | None:
        """Two words that are one elsewhere."""
        pair = tuple(told[at : at + 2])
        joined = shared_form("".join(pair), self.analyzer)
        if len(pair) == 2 and all(w.isalpha() for w in pair) and self._has(joined):
            return Concept(pair, ((joined,),))
        return None

    def _single(self, word: str) -> Concept:
        alternatives = [*self._same_measures(word)]
        if not self._has(word) and (parts := self._parts(word)):
            alternatives.append(parts)
        return Concept((word,), tuple(alternatives))

    def _parts(self, word: str) -> Words | None:
        """A word that the catalog does not have as two that it has: the most frequent ones."""
        if not word.isalpha():
            return None
        splits = (
            (word[:at], word[at:]) for at in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
        )
        known = [
            parts
            for split in splits
            if all(map(self._has, parts := tuple(shared_form(p, self.analyzer) for p in split)))
        ]
        return min(known, key=lambda parts: max(map(self.words.weight, parts)), default=None)

    def _same_measures(self, word: str) -> Iterable[Words]:
        """The words of the catalog that say the same amount."""
        measure = read_measure(word)
        if measure is None or measure.kind not in self._measures:
            return
        amounts, numbers = self._measures[measure.kind]
        low, high = (measure.amount * (1 + side * _SAME_AMOUNT) for side in (-1, 1))
        for place in range(*np.searchsorted(amounts, [low, high]).tolist()):
            if (other := self.words.words.at(int(numbers[place]))) != word:
                yield (other,)

    @cached_property
    def _measures(self) -> Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]]:
        """The measures of the catalog by kind: amounts in order, with the numbers of words."""
        found: dict[str, list[tuple[float, int]]] = {}
        first, last = "0", ":"  # the digits
        begin, end = (self.words.words.place(sign) for sign in (first, last))
        for number in range(begin, end):
            if (measure := read_measure(self.words.words.at(number))) is not None:
                found.setdefault(measure.kind, []).append((measure.amount, number))
        return {
            kind: (np.array([a for a, _ in own]), np.array([n for _, n in own], np.intp))
            for kind, own in ((kind, sorted(pairs)) for kind, pairs in found.items())
        }
