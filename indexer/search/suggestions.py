"""What a shopper may be about to type: titles, brands, categories and earlier queries.

A text is found by the beginning of any of its words. All such beginnings lie in one sorted list, so
those that begin with what was typed are one stretch of it, found by bisection.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.labels import Labels
from reelshelf.indexer.text import flat, fold

SuggestionKind = Literal["query", "category", "brand", "product"]
# Of a larger catalog, the products of the highest standing are suggested.
_MOST_TITLES = 100_000
# Beginnings of a text: of so many of its words, and so long.
_MOST_WORDS, _LONGEST = 8, 80


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text that has an answer, and where it is from."""

    text: str
    kind: SuggestionKind


class Suggestions:
    """Texts, the preferred ones first, prepared to be found by how their words begin."""

    def __init__(self, preferred: Iterable[Suggestion]) -> None:
        """Of texts that fold to the same the first one is kept."""
        self._items: list[Suggestion] = []
        seen: set[str] = set()
        pairs: list[tuple[str, int]] = []
        for item in preferred:
            folded = _folded(item.text)
            if not folded or folded in seen:
                continue
            seen.add(folded)
            pairs += [(beginning, len(self._items)) for beginning in _beginnings(folded)]
            self._items.append(item)
        pairs.sort()
        self._keys = [key for key, _ in pairs]
        self._of: npt.NDArray[np.int32] = np.array([place for _, place in pairs], np.int32)

    def find(self, typed: str, count: int) -> list[Suggestion]:
        """Up to `count` texts of which a word begins as what was typed, best first."""
        folded = _folded(typed)
        if not folded:
            return self._items[:count]
        start = bisect_left(self._keys, folded)
        end = bisect_left(self._keys, folded + "\U0010ffff")
        # Places are in the order of preference, so the least are the best.
        places = np.unique(self._of[start:end])[:count]
        return [self._items[place] for place in places.tolist()]


def suggestions_of(columns: ProductColumns, queries: Sequence[str]) -> Suggestions:
    """Those of a catalog, and of queries that were asked before, most frequent first."""
    return Suggestions(_preferred(columns, queries))


def _preferred(columns: ProductColumns, queries: Sequence[str]) -> Iterable[Suggestion]:
    for query in queries:
        yield Suggestion(flat(query), "query")
    fields: tuple[tuple[Labels, SuggestionKind], ...] = (
        (columns.categories, "category"),
        (columns.brands, "brand"),
    )
    for labels, kind in fields:
        sizes = np.diff(labels.having.starts)
        for number in np.argsort(-sizes, kind="stable").tolist():
            yield Suggestion(flat(labels.written[number]), kind)
    # One of each group of variants.
    _, first = np.unique(columns.groups, return_index=True)
    standing = np.argsort(-columns.authority[first], kind="stable")[:_MOST_TITLES]
    for place in first[standing].tolist():
        yield Suggestion(flat(columns.titles[place]), "product")


def _beginnings(folded: str) -> Iterable[str]:
    """A text from each of its first words on."""
    words = folded.split(" ")
    for number in range(min(len(words), _MOST_WORDS)):
        yield " ".join(words[number:])[:_LONGEST]


def _folded(text: str) -> str:
    return " ".join(fold(text).split())[:_LONGEST]
