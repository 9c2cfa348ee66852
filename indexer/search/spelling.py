"""Misspelled words of a query, corrected into words that the shop uses.

A word is corrected only where it finds nothing itself: no product, no video, and no meaning that
the sentence encoder has for it; or, in large shops, hardly a product where the word it may be has a
hundred times as many. "jacket" is no misspelled "basket" in a shop without jackets.
Nearness is by optimal string alignment (edits and swaps of neighbors; Damerau 1964): one edit, and
two in long words. Where nobody can tell whether a word has a meaning, only what fingers do and
languages rarely do is corrected: swapped neighbors, a letter doubled or its double left out.
"""

import math
from collections.abc import Callable
from functools import cached_property
from itertools import groupby

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import OSA

from reelshelf.indexer.text import Strings

_SHORTEST = 4
# In words of fewer letters two edits lead anywhere.
_LONG = 8
# So many times as many products have a word right as have it wrong.
_FAR_MORE = 100

Knows = Callable[[str], bool]


class Spelling:
    """The words of a catalog.

    `spelled` are all that need no correction, `counts` in how many products' names each stands;
    what only a description says is spelled right, and nothing is corrected into it. `products` is
    how many there are.
    """

    def __init__(self, spelled: Strings, counts: npt.NDArray[np.int32], products: int) -> None:
        self._spelled = spelled
        self._counts = counts
        self._products = products

    @cached_property
    def _usable(self) -> tuple[list[str], list[int]]:
        """The words that may be corrected into, and how often each is."""
        usable = np.flatnonzero(self._counts >= least_products(self._products))
        words = self._spelled.some(usable)
        kept = [place for place, word in enumerate(words) if len(word) >= _SHORTEST]
        return [words[place] for place in kept], self._counts[usable[kept]].tolist()

    def correct(self, word: str, knows: Knows | None) -> str:
        """The shop's word that a misspelled one is nearest to, or the word itself.

        `knows` tells whether a word that the catalog does not have finds something all the same;
        it is asked last, and only where there is something to correct into.
        """
        if len(word) < _SHORTEST or any(c.isdigit() for c in word):
            return word
        has = self._has(word)
        own = self._count(word)
        if has and own >= least_products(self._products):
            return word
        most = 2 if knows is not None and len(word) >= _LONG and not has else 1
        words, counts = self._usable
        near = process.extract(word, words, scorer=OSA.distance, score_cutoff=most, limit=None)
        if has:
            # A few products may have it misspelled themselves.
            near = [hit for hit in near if counts[hit[2]] >= _FAR_MORE * max(own, 1)]
        elif knows is None:
            near = [hit for hit in near if _is_slip(word, hit[0])]
        if not near or (knows is not None and any(map(knows, _numbers(word)))):
            return word
        # The nearest, then the most frequent one.
        return min((distance, -counts[place], hit) for hit, distance, place in near)[2]

    def _count(self, word: str) -> int:
        """In how many products' names a word stands, as it is."""
        number = self._spelled.get(word)
        return 0 if number is None else int(self._counts[number])

    def _has(self, word: str) -> bool:
        """Whether the catalog has a word, its singular or its plural."""
        return any(form in self._spelled for form in (*_numbers(word), f"{word}s"))


def least_products(products: int) -> int:
    """In how many products a word must stand to be corrected into: one in a shop of hundreds.

    The more products, the more misspelled titles there are that a word might be corrected into.
    """
    return max(1, round(math.log10(max(products, 1))) - 1)


def _numbers(word: str) -> tuple[str, ...]:
    """A word, and its singular where it may be a plural."""
    return (word, word[:-1]) if word.endswith("s") else (word,)


def _is_slip(typed: str, meant: str) -> bool:
    """Whether two words differ by swapped neighbors, or by a letter that is doubled in one."""
    if len(typed) == len(meant):
        return sorted(typed) == sorted(meant)
    return [letter for letter, _ in groupby(typed)] == [letter for letter, _ in groupby(meant)]
