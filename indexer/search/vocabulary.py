"""The names that a catalog has for things, found in a query: brands, categories, values.

Names are compared by their words without those that say nothing, each in the form that its other
forms share: "homes & garden" is "Home and Garden".
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.columns import ProductColumns
from reelshelf.indexer.search.forms import shared_form
from reelshelf.indexer.search.labels import Labels
from reelshelf.indexer.search.words import ProductText
from reelshelf.indexer.text import Analyzer, Numbers, Rows, Strings, Texts

# A value of more words is a text, and nobody names it.
_LONGEST = 6
# How many products of others may have a brand as a value, for each of its own.
_FOR_A_BRAND = 2


@dataclass(frozen=True, slots=True)
class Named:
    """Where a query names something: words `start` to `end` of it, and the number of the phrase."""

    start: int
    end: int
    phrase: int


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Phrases of a catalog, and the brands, categories and values that each is the name of.

    A phrase may be a brand and a category: rows of the three are numbers of the catalog's labels.
    `spelled` are all words as the catalog writes them, `counts` in the names of how many products
    each is; 0 is that of one that descriptions alone have. `negated` are pairs of words that titles
    have and of which the first says elsewhere that something is not wanted: "no show socks".
    """

    phrases: Strings
    brands: Rows
    categories: Rows
    values: Rows
    spelled: Strings
    counts: npt.NDArray[np.int32]
    negated: Strings
    longest: int

    def find(self, told: Sequence[str]) -> list[Named]:
        """All names in words that `told_words` gives, but for those inside of longer ones.

        A brand counts inside of a value, too: "Kensington lock" is a kind of lock, and named so.
        """
        found = [
            Named(start, end, phrase)
            for start in range(len(told))
            for end in range(start + 1, min(start + self.longest, len(told)) + 1)
            if (phrase := self.phrases.get(" ".join(told[start:end]))) is not None
        ]
        return [
            one
            for one in found
            if not any(
                _inside(one, other)
                and (self.is_facet(other.phrase) or not self.brands[one.phrase].size)
                for other in found
            )
        ]

    def split(self, told: Sequence[str]) -> list[int]:
        """Words as nothing but names, longest first; none where a word is left."""
        phrases: list[int] = []
        at = 0
        while at < len(told):
            ends = range(min(at + self.longest, len(told)), at, -1)
            named = ((end, self.phrases.get(" ".join(told[at:end]))) for end in ends)
            end, phrase = next((n for n in named if n[1] is not None), (at, None))
            if phrase is None:
                return []
            phrases.append(phrase)
            at = end
        return phrases

    def means_brand(self, phrase: int, columns: ProductColumns) -> bool:
        """Whether a phrase is a brand rather than a category or a value.

        "apple" may be a brand and a fruit: it is what more products are. Values weigh less against
        a brand, since products of others are made for it; those that its own products have say
        nothing against it.
        """
        if not self.categories[phrase].size and not self.values[phrase].size:
            return bool(self.brands[phrase].size)
        own = np.zeros(len(columns), bool)
        own[columns.brands.having.together(self.brands[phrase])] = True
        of_category, of_value = (
            np.count_nonzero(~own[_products_of(labels, rows[phrase])])
            for rows, labels in (
                (self.categories, columns.categories),
                (self.values, columns.values),
            )
        )
        return bool(np.count_nonzero(own) > of_category + of_value / _FOR_A_BRAND)

    def products(self, phrase: int, columns: ProductColumns) -> Numbers:
        """The products that have what a phrase names, whatever that is, in rising order."""
        own = [_products_of(labels, rows[phrase]) for rows, labels in self._kinds(columns)]
        some = [one for one in own if len(one)]
        return some[0] if len(some) == 1 else np.unique(np.concatenate(own)).astype(np.intp)

    def is_facet(self, phrase: int) -> bool:
        """Whether a phrase is a brand or a category."""
        return bool(self.brands[phrase].size or self.categories[phrase].size)

    def _kinds(self, columns: ProductColumns) -> Iterator[tuple[Rows, Labels]]:
        yield self.brands, columns.brands
        yield self.categories, columns.categories
        yield self.values, columns.values


def _products_of(labels: Labels, names: npt.NDArray[np.int32]) -> Numbers:
    """The products that have any of some names, in rising order."""
    own = labels.having.together(names).astype(np.intp)
    return own if len(names) == 1 else np.unique(own)


class VocabularyReader:
    """Reads the words of products that come one after the other.

    `is_negation` tells words that say of the next one that it is not wanted.
    """

    def __init__(self, analyzer: Analyzer, is_negation: Callable[[str], bool]) -> None:
        self._analyzer = analyzer
        self._is_negation = is_negation
        self._counts: dict[str, int] = {}
        self._negated: set[str] = set()

    def add(self, text: ProductText) -> None:
        """The next product."""
        counts = self._counts
        for word in {*text.title, *text.brand, *text.category, *text.values}:
            counts[word] = counts.get(word, 0) + 1
        for word in text.description:
            counts.setdefault(word, 0)
        for pair in pairwise(text.title):
            if self._is_negation(pair[0]):
                self._negated.add(" ".join(pair))

    def made(self, columns: ProductColumns) -> Vocabulary:
        """The vocabulary of all of them, whose columns are at hand."""
        spelled = sorted(self._counts)
        kinds = [
            [_phrase(name, self._analyzer) for name in labels.written]
            for labels in (columns.brands, columns.categories, columns.values)
        ]
        phrases = Strings.of(phrase for kind in kinds for phrase in kind if phrase)
        brands, categories, values = (_rows(kind, phrases) for kind in kinds)
        return Vocabulary(
            phrases,
            brands,
            categories,
            values,
            Strings(Texts.of(spelled)),
            np.array([self._counts[word] for word in spelled], np.int32),
            Strings.of(self._negated),
            max((phrase.count(" ") + 1 for phrase in phrases), default=0),
        )


def told_words(text: str, analyzer: Analyzer) -> list[str]:
    """The words of a text that say something, each in the form that its other forms share.

    All of them where none says anything.
    """
    words = analyzer.words(text)
    told = [word for word in words if not analyzer.is_stopword(word)] or words
    return [shared_form(word, analyzer) for word in told]


def _phrase(name: str, analyzer: Analyzer) -> str:
    words = told_words(name, analyzer)
    return " ".join(words) if len(words) <= _LONGEST else ""


def _rows(kind: Sequence[str], phrases: Strings) -> Rows:
    """For each phrase the numbers of the names that are it."""
    own = [(phrases[phrase], number) for number, phrase in enumerate(kind) if phrase]
    pairs = np.array(own, np.int64).reshape(-1, 2)
    return Rows.of_pairs(pairs[:, 0], pairs[:, 1], len(phrases))


def _inside(one: Named, other: Named) -> bool:
    longer = other.end - other.start > one.end - one.start
    return longer and other.start <= one.start and one.end <= other.end
