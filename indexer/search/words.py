"""The words of a catalog's products: which product has which, and what a word tells.

Products are ranked by BM25 (Robertson et al., "Okapi at TREC-3", 1994) over fields, as bm25s
computes it (Lù, "BM25S", 2024). A word of a title counts like several of a description (Robertson,
Zaragoza and Taylor, "Simple BM25 extension to multiple weighted fields", 2004). Words are in the
form that their other forms share.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.search.forms import shared_form
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.text import Analyzer, Numbers, Rows, Strings, Texts, code_of
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.media import Vectors

# How fast a word's repetition stops to count, and how much a long text is worth less for it.
_K1, _B = 2.0, 0.75
# A word of more titles does not tell which is named.
_FREQUENT = 50_000
# So many words a code may be cut into: "AB-12/34 X".
_CODE_PARTS = 4


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """How often a word counts that stands in a field.

    Chosen on folds of judged queries (`benchmarks.relevance --folds`).
    """

    title: int = 6
    brand: int = 2
    category: int = 2
    values: int = 2
    description: int = 3


SHIPPED = FieldWeights()


@dataclass(frozen=True, slots=True, eq=False)
class ProductWords:
    """The words of n products. `words` are all of them, numbered in rising order.

    `worth` of word `i` are `worth[starts[i] : starts[i + 1]]`, in the products of the same places
    of `owners`: its part of a score, of which `rarity[i]` is the most. `titled` are the products in
    whose title each word is, `title_weight`, `(n,)`, is the rarity of all words of a title that
    not very many have. `codes` are SKUs in the form that they have in a text, `coded` the product
    of each.
    """

    words: Strings
    worth: npt.NDArray[np.float32]
    owners: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    rarity: npt.NDArray[np.float32]
    titled: Rows
    title_weight: npt.NDArray[np.float32]
    codes: Strings
    coded: npt.NDArray[np.int32]

    @classmethod
    def read(
        cls, products: Iterable[Product], analyzer: Analyzer, weights: FieldWeights = SHIPPED
    ) -> "ProductWords":
        """The words of products in order."""
        reader = WordsReader(analyzer, weights)
        for product in products:
            reader.add(ProductText.read(product, analyzer))
        return reader.made()

    def __len__(self) -> int:
        return len(self.title_weight)

    @property
    def rarest(self) -> float:
        """The rarity of a word that no product has."""
        return float(_rarity(np.zeros(1, np.int64), len(self))[0])

    def weight(self, word: str) -> float:
        """How much a word in its base form narrows down what is asked for."""
        number = self.words.get(word)
        return self.rarest if number is None else float(self.rarity[number])

    def scores(self, words: Sequence[str]) -> Vectors:
        """`(products,)` BM25 of distinct words in their base forms."""
        found = np.zeros(len(self), np.float32)
        self.add_scores(words, found)
        return found

    def add_scores(self, words: Sequence[str], scores: Vectors) -> None:
        """Add the same to other scores, `(products,)`."""
        for number in self._numbers(words):
            own = slice(self.starts[number], self.starts[number + 1])
            scores[self.owners[own]] += self.worth[own]

    def _numbers(self, words: Sequence[str]) -> list[int]:
        found = (self.words.get(word) for word in words)
        return [number for number in found if number is not None]

    def covered(self, words: Sequence[str], share: float) -> Numbers:
        """The products of whose title, by the rarity of its words, words are such a share.

        Words that very many titles have say nothing of which is meant.
        """
        found = np.zeros(len(self), np.float32)
        for number in self._numbers(words):
            if len(own := self.titled[number]) <= _FREQUENT:
                found[own] += self.rarity[number]
        return np.flatnonzero((found >= share * self.title_weight) & (found > 0))

    def in_title(self, words: Sequence[str], places: Numbers) -> Products:
        """`(words, products)` which words stand in the titles of some products."""
        found = np.zeros((len(words), len(places)), bool)
        for row, word in enumerate(words):
            if (number := self.words.get(word)) is not None:
                own = self.titled[number]
                at = np.minimum(np.searchsorted(own, places), max(len(own) - 1, 0))
                found[row] = own[at] == places if len(own) else False
        return found

    def by_code(self, words: Sequence[str]) -> list[int]:
        """The products whose code stands in the words of a text, whole or in parts."""
        spans = (
            "".join(words[start:end])
            for start in range(len(words))
            for end in range(start + 1, min(start + _CODE_PARTS, len(words)) + 1)
        )
        found = (self.codes.get(span) for span in spans)
        return [int(self.coded[code]) for code in found if code is not None]

    def having(self, words: Sequence[str]) -> Products:
        """`(products,)` which have all of some words, whatever says them."""
        found = np.ones(len(self), bool)
        for word in words:
            number = self.words.get(word)
            own = np.zeros(len(self), bool)
            if number is not None:
                own[self.owners[self.starts[number] : self.starts[number + 1]]] = True
            found &= own
        return found


@dataclass(frozen=True, slots=True)
class ProductText:
    """The words of a product by the field that they stand in, as they are written."""

    title: Sequence[str]
    brand: Sequence[str]
    category: Sequence[str]
    values: Sequence[str]
    description: Sequence[str]
    code: str | None

    @classmethod
    def read(cls, product: Product, analyzer: Analyzer) -> "ProductText":
        """That of a product."""
        # The dot keeps what does not belong together from being one name.
        return cls(
            analyzer.words(product.title),
            analyzer.words(product.brand or ""),
            analyzer.words(" . ".join(product.category)),
            analyzer.words(" . ".join(value for _, value in product.attributes)),
            analyzer.words(product.description or ""),
            code_of(product, analyzer),
        )


class WordsReader:
    """Reads the words of products that come one after the other."""

    def __init__(self, analyzer: Analyzer, weights: FieldWeights = SHIPPED) -> None:
        self._analyzer = analyzer
        self._weights = weights
        # Of words in the form that others share; and of words as they are written.
        self._numbers: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._flat = array("i")
        self._starts = array("q", [0])
        self._titles = array("i")
        self._title_starts = array("q", [0])
        self._codes: dict[str, int] = {}

    def add(self, text: ProductText) -> None:
        """The next product."""
        if text.code is not None:
            self._codes[text.code] = len(self._starts) - 1
        title = self._numbered(text.title)
        weights = self._weights
        for times, own in (
            (weights.title, title),
            (weights.brand, self._numbered(text.brand)),
            (weights.category, self._numbered(text.category)),
            (weights.values, self._numbered(text.values)),
            (weights.description, self._numbered(text.description)),
        ):
            self._flat.extend(own * times)
        self._starts.append(len(self._flat))
        self._titles.extend(set(title))
        self._title_starts.append(len(self._titles))

    def _numbered(self, words: Sequence[str]) -> list[int]:
        known = self._written
        found = []
        for word in words:
            if (number := known.get(word)) is None:
                form = shared_form(word, self._analyzer)
                number = known[word] = self._numbers.setdefault(form, len(self._numbers))
            found.append(number)
        return found

    def made(self) -> ProductWords:
        """The words of all of them."""
        ranked = sorted(self._numbers)
        count = len(ranked)
        rank = np.empty(count, np.int32)
        rank[[self._numbers[word] for word in ranked]] = np.arange(count)
        flat, titles = (
            rank[np.frombuffer(own, np.int32)] if own else np.zeros(0, np.int32)
            for own in (self._flat, self._titles)
        )
        starts = np.array(self._starts, np.int64)
        texts = np.split(flat, starts[1:-1]) if len(starts) > 1 else []
        postings = scored(texts, count, k1=_K1, b=_B)
        titled = Rows(titles, np.array(self._title_starts, np.int64))
        rarity = _rarity(np.diff(postings[2]), len(texts))
        by_word = titled.inverted(count)
        telling = np.where(by_word.sizes() <= _FREQUENT, rarity, 0.0)
        said = np.bincount(titled.owners(), telling[titled.values], minlength=len(texts))
        return ProductWords(
            Strings(Texts.of(ranked)),
            *postings,
            rarity,
            by_word,
            said.astype(np.float32),
            Strings.of(self._codes),
            np.array([self._codes[code] for code in sorted(self._codes)], np.int32),
        )


def scored(
    texts: Sequence[npt.NDArray[np.int32]], words: int, *, k1: float, b: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """BM25 of texts whose words are numbers below `words`.

    What each word is worth in each text that has it, these texts, and where those of each word
    begin.
    """
    if not words:
        return np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(1, np.int64)
    # A searcher of arrays that are made already needs no scipy.
    from bm25s import BM25

    index = BM25(k1=k1, b=b)
    index.index((texts, {str(number): number for number in range(words)}), show_progress=False)
    found = index.scores
    return found["data"], found["indices"], found["indptr"].astype(np.int64)


def _rarity(having: npt.NDArray[np.integer], products: int) -> npt.NDArray[np.float32]:
    """Inverse document frequency as Lucene has it; `having` products have each word."""
    return np.log1p((products - having + 0.5) / (having + 0.5)).astype(np.float32)
