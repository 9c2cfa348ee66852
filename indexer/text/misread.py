"""Words that are known, found by a misread or misheard form of theirs.

Two words that differ in few letters have most of their bigrams in common. So words that may be like
another are counted out of postings of bigrams, and only those are compared letter by letter (count
filtering; Gravano et al., "Approximate String Joins in a Database (Almost) for Free", 2001).
The bound is exact: what a comparison with all words would find is found.
"""

from functools import lru_cache
from itertools import pairwise

import numpy as np
from rapidfuzz import fuzz

from reelshelf.indexer.text.lookup import Numbers, Strings, numbered

# Words that are remembered: a shop's videos say the same ones again and again.
_REMEMBERED = 65_536
_ROUNDING = 1e-9


class MisreadWords:
    """Some of a list of words, found by forms that are alike.

    Alike is what has `least` of 100 by `rapidfuzz.fuzz.ratio`: twice the letters that two words
    have in common and in order, of all their letters.
    """

    def __init__(self, words: Strings, numbers: Numbers, least: float) -> None:
        self._words = words
        self._least = least
        lengths = np.array([len(words.at(number)) for number in numbers.tolist()], np.int32)
        order = np.argsort(lengths, kind="stable")
        # In order of length, so that those of some lengths are beside each other.
        self._numbers = np.asarray(numbers, np.int32)[order]
        self._lengths = lengths[order]
        bigrams, of_word = numbered(_bigrams(words.at(number)) for number in self._numbers.tolist())
        self._with = of_word.inverted(len(bigrams))
        self._bigrams = bigrams.numbers
        self._find = lru_cache(_REMEMBERED)(self._compare)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_find"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._find = lru_cache(_REMEMBERED)(self._compare)

    def find(self, word: str) -> tuple[tuple[int, float], ...]:
        """The numbers of words that may be meant by one, with how alike they are, up to 1."""
        return self._find(word)

    def _compare(self, word: str) -> tuple[tuple[int, float], ...]:
        found = []
        for place in self._candidates(word).tolist():
            number = int(self._numbers[place])
            alike = fuzz.ratio(word, self._words.at(number), score_cutoff=self._least)
            if alike:
                found.append((number, alike / 100.0))
        return tuple(sorted(found))

    def _candidates(self, word: str) -> Numbers:
        """Places of words that have enough bigrams in common with one."""
        own, length = _bigrams(word), len(word)
        share = self._least / 200.0
        # Letters in common are at most those of the shorter word.
        shortest = int(np.ceil(length * share / (1.0 - share) - _ROUNDING))
        longest = int(np.floor(length * (1.0 - share) / share + _ROUNDING))
        low, high = np.searchsorted(self._lengths, (shortest, longest + 1)).tolist()
        if low == high:
            return np.empty(0, np.intp)
        counts = np.zeros(high - low, np.int32)
        for row in (self._bigrams[b] for b in own if b in self._bigrams):
            having = self._with[row]
            begin, end = np.searchsorted(having, (low, high)).tolist()
            counts[having[begin:end] - low] += 1
        lengths = self._lengths[low:high]
        common = np.ceil((length + lengths) * share - _ROUNDING)
        # A letter that is left out breaks two bigrams, one that is put in breaks one.
        needed = len(own) - 2 * (length - common) - (lengths - common)
        return np.asarray(np.flatnonzero(counts >= needed) + low, np.intp)


def _bigrams(word: str) -> list[str]:
    """The distinct bigrams of a word, with its ends."""
    return list(dict.fromkeys(a + b for a, b in pairwise(f"\0{word}\0")))
