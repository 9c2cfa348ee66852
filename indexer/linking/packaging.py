"""Words that stand on products, held against words that a camera sees of a pack.

They are often broken or half hidden, so a word counts for all groups on which one like it stands,
and rare ones count more.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from rapidfuzz import fuzz

from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers, Rows, Strings
from reelshelf.indexer.text.misread import MisreadWords
from reelshelf.schemas.media import Vectors

_FUZZY = 75.0  # of 100: print on a pack is bent, small and in strange letters
_SHORTEST_FUZZY = 5
# A word on more groups than this adds to what rarer words say, and says nothing alone.
_COMMON = 4096


class Packaging:
    """The words on a catalog's products, of pictures, title and brand, with the groups of each."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._analyzer = catalog.analyzer
        self._size = catalog.size
        self._words, self._on = _words_on_groups(catalog)
        counts = catalog.counts.printed if catalog.counts else None
        # How many groups have each word, or had it when words were counted.
        self._having = (
            self._on.sizes()
            if counts is None
            else np.array([counts.get(word, 1) for word in self._words], np.int64)
        )
        long = [i for i, word in enumerate(self._words) if len(word) >= _SHORTEST_FUZZY]
        self._misread = MisreadWords(self._words, np.array(long, np.intp), _FUZZY)

    def weights(self, lines: Sequence[str]) -> tuple[Numbers, Vectors]:
        """The groups on which words of some lines are; their weight, in words of one group.

        A word that resembles those of many groups says little of any.
        """
        rarest = math.log(1.0 + self._size)
        found: list[tuple[Numbers, Vectors]] = []
        common: list[tuple[Numbers, Vectors]] = []
        for word in _distinct(word for line in lines for word in self._analyzer.words(line)):
            groups, alike, having = self._like(word)
            if len(groups) and having <= max(2, self._size // 4):
                weights = alike * np.float32(math.log(1.0 + self._size / having) / rarest)
                (found if having <= _COMMON else common).append((groups, weights))
        if not found:
            return np.empty(0, np.intp), np.empty(0, np.float32)
        together = np.concatenate([groups for groups, _ in found])
        numbers, place = np.unique(together, return_inverse=True)
        total = np.bincount(place, np.concatenate([weights for _, weights in found]))
        for groups, weights in common:
            at = np.minimum(np.searchsorted(groups, numbers), len(groups) - 1)
            total += np.where(groups[at] == numbers, weights[at], 0.0)
        return numbers.astype(np.intp), total.astype(np.float32)

    def _like(self, word: str) -> tuple[Numbers, Vectors, int]:
        """The groups, in order, on which a word like this one is; how like it; how many have one.

        That many may be more than these: it is what was counted of each such word.
        """
        if len(word) < _SHORTEST_FUZZY:
            number = self._words.get(word)
            like = [] if number is None else [(number, 1.0)]
        else:
            like = list(self._misread.find(word))
        if not like:
            return np.empty(0, np.intp), np.empty(0, np.float32), 0
        terms = np.array([number for number, _ in like], np.intp)
        places, sizes = self._on.places(terms)
        alike = np.repeat(np.array([value for _, value in like], np.float32), sizes)
        groups, place = np.unique(self._on.values[places], return_inverse=True)
        best = np.zeros(len(groups), np.float32)
        np.maximum.at(best, place, alike)
        return groups.astype(np.intp), best, int(self._having[terms].sum())


def _words_on_groups(catalog: CatalogIndex) -> tuple[Strings, Rows]:
    """The words that stand on groups, or stood when they were counted, each with its groups."""
    words, on = catalog.printed_on_groups
    if catalog.counts is None:
        return words, on
    # What is like a word that was counted stays as frequent, whoever has it now.
    every = Strings.of([*words, *catalog.counts.printed])
    numbers = every.numbers
    there = np.array([numbers[text] for text in words], np.intp)
    return every, Rows.of_pairs(there[on.owners()], on.values, len(every))


def _distinct(seen: Iterable[str]) -> list[str]:
    """Words of three letters and more, one of those that are misreadings of each other."""
    kept: list[str] = []
    for word in sorted(set(seen), key=lambda word: (-len(word), word)):
        if len(word) >= 3 and any(c.isalpha() for c in word) and not _is_like(word, kept):
            kept.append(word)
    return kept


def _is_like(word: str, others: Sequence[str]) -> bool:
    if len(word) < _SHORTEST_FUZZY:
        return word in others
    return any(
        len(other) >= _SHORTEST_FUZZY and fuzz.ratio(word, other) >= _FUZZY for other in others
    )
