"""Names found in a text: titles or codes, tolerant of reading and hearing errors.

A name counts as found as far as its words, weighted by how rare they are among all names, stand in
the text, near each other. Siblings share words ("... Delicious Apple"), so the words a better match
has used up do not count again for a worse one: the words that differ decide.
"""

import math
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import Name
from reelshelf.indexer.text.folding import fold, has_unspaced
from reelshelf.indexer.text.lookup import Numbers, Rows, Strings, numbered
from reelshelf.indexer.text.misread import MisreadWords

_FUZZY = 80.0  # of 100: one wrong letter in five
_SHORTEST_FUZZY = 4
_TAG = re.compile(r"#(\w+)")
_CAPITALS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|_")
_MOST_TAGS, _LONGEST_TAG, _SHORTEST_PART = 100, 80, 3
# A word without spaces is taken apart from this length on.
_SHORTEST_GLUED = 8
# Less of a name is a few shared words.
_LEAST = 0.3
# Of the weight of a word that only one name has: so much has to be found of any.
_ENOUGH = 0.75
# Names that a text may name are looked at one by one up to so many: more have the same words.
_MOST_NAMES = 256
_MOST_TOLD_APART = 63
# What rounding may take off a sum of weights.
_ROUNDING = 1e-6
# What a name index that was pickled makes anew.
_MADE_AGAIN = frozenset(["_found"])
# A code that is a plain number is one where a word says so, or where it is as long as a barcode.
_BARCODE = 12
_SAYS_CODE = frozenset(
    [
        "sku",
        "item",
        "items",
        "article",
        "artikel",
        "artikelnummer",
        "art",
        "ref",
        "reference",
        "referenz",
        "code",
        "codigo",
        "modele",
        "番号",
        "product",
        "produkt",
        "produit",
        "model",
        "modell",
        "modelo",
        "id",
        "order",
        "bestellnummer",
        "ean",
        "gtin",
        "upc",
        "asin",
        "型番",
        "品番",
        "商品番号",
        "货号",
        "編號",
        "编号",
        "артикул",
        "код",
        "품번",
        "상품번호",
        "รหัส",
    ]
)
_BESIDE = 2
_HASH = re.compile(r"#\s?(\d[\d.,\-]*\d)")

Places = tuple[int, ...]


# The first words of a text are told apart, by a bit each; this one stands for all others.
OTHER_WORDS = 1 << 63


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A name found in a text: its number, and `coverage`, the share of it found, 0..1.

    `used` are the words of the text that it takes, a bit for each, and `OTHER_WORDS`.
    """

    number: int
    coverage: float
    used: int


class NameIndex:
    """Names and codes prepared for many texts.

    `codes` are codes as `Analyzer.words` makes one word of them, with the number of the name that
    each stands for. `shares` says of words which share of the shop's videos has them in its texts:
    a name of words that all say is not named by them. Names of which no more than `least` is found
    are left out. `size` is how many names words weigh among, where that is not these.

    A text is held against few of a million names: more than `least` of a name is found only where
    one of its rarest words is, of so many that the others come to no more (prefix filtering;
    Chaudhuri, Ganti and Kaushik, "A Primitive Operator for Similarity Joins", 2006).
    """

    def __init__(
        self,
        names: Sequence[Name],
        codes: Mapping[str, int],
        analyzer: Analyzer,
        shares: Mapping[str, float] | None = None,
        least: float = _LEAST,
        size: int | None = None,
    ) -> None:
        self._analyzer = analyzer
        self._least = least
        self._codes = Strings.of(codes)
        self._coded_names = np.array([codes[code] for code in self._codes], np.int32)
        self._words, self._terms = numbered(name.words for name in names)
        said = {self._words[w]: _worth(s) for w, s in (shares or {}).items() if w in self._words}
        kept = np.ones(len(self._words))
        kept[list(said)] = list(said.values())
        given = np.fromiter((value for name in names for value in name.weights), np.float64)
        self._weights = given * kept[self._terms.values]
        self._totals = self._sums(self._weights)
        # How much of its weight each keeps for what all videos say.
        self._worth = self._totals / self._sums(given)
        self._enough = _ENOUGH * math.log(1.0 + (len(names) if size is None else size))
        self._with = self._prefixes().inverted(len(self._words))
        self._forms, of_word = numbered(
            dict.fromkeys((word, *analyzer.stems(word))) for word in self._words
        )
        self._of_form = of_word.inverted(len(self._forms))
        self._misread = MisreadWords(
            self._words,
            np.array(
                [
                    number
                    for number, word in enumerate(self._words)
                    if len(word) >= _SHORTEST_FUZZY and not any(c.isdigit() for c in word)
                ],
                np.intp,
            ),
            _FUZZY,
        )
        # The lines that are a name and nothing else, with or without its brand.
        self._lines, of_name = numbered(
            {_line(name.words), _line(name.words + name.brand)} for name in names
        )
        self._of_line = of_name.inverted(len(self._lines))
        self._longest_unspaced = max((len(w) for w in self._words if has_unspaced(w)), default=0)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name not in _MADE_AGAIN}

    def _sums(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """`(names,)` of what belongs to their words; 1 where that is nothing."""
        sums = np.bincount(self._terms.owners(), weights, minlength=len(self._terms))
        return np.where(sums > 0.0, sums, 1.0)

    def _prefixes(self) -> Rows:
        """Of each name the words of which one is there where more than `least` of it is found.

        That takes so much of its weight, and so much of what is enough, as `_coverage` holds it
        against both.
        """
        owner = self._terms.owners()
        order = np.lexsort((-self._weights, owner))
        ranked = self._weights[order]
        summed = np.cumsum(ranked)
        before = summed - ranked
        sizes = self._terms.sizes()
        before -= np.repeat(before[self._terms.starts[:-1][sizes > 0]], sizes[sizes > 0])
        rest = self._totals[owner] - before
        less = np.minimum(self._totals, self._enough)
        more = self._least * np.maximum(self._totals, self._enough)
        wanted = np.where(more >= less, more, np.sqrt(self._least * self._totals * self._enough))
        needed = rest > wanted[owner] * (1.0 - _ROUNDING)
        return Rows.of_pairs(
            owner[order][needed], self._terms.values[order][needed], len(self._terms)
        )

    @cached_property
    def _found(self) -> npt.NDArray[np.float64]:
        """`(words,)` how well the text at hand has each word of the names: zeros between texts."""
        return np.zeros(len(self._words))

    def find(self, text: str) -> list[NameMatch]:
        """Names found in `text`, best first. Only one of several siblings claims a word."""
        return self.held_against(text)[0]

    def held_against(self, text: str) -> tuple[list[NameMatch], list[NameMatch]]:
        """The same, and all names of which enough is in `text`, whoever claims its words."""
        spoken = self._analyzer.words(text)
        # What comes behind these is as the names at hand take the text apart.
        written = min(len(spoken), _MOST_TOLD_APART)
        spoken += self._unglued(text, spoken)
        if not spoken or not len(self._terms):
            return [], []
        found = [NameMatch(number, 1.0, OTHER_WORDS) for number in self._coded(text, spoken)]
        similar = self._similar(text, spoken)
        whole = self._whole_lines(text)
        scored = []
        for number in self._likely(similar, whole).tolist():
            coverage, used = self._coverage(number, similar, len(spoken))
            if number in whole and used:
                coverage = max(coverage, float(self._worth[number]))
            if coverage > self._least:
                scored.append((coverage, number, used))
        # "Red Juice" is in "Orange Red Juice" as well: of two full names the longer one is meant.
        scored.sort(key=lambda item: (-item[0], -len(item[2]), item[1]))
        claimed: dict[frozenset[int], float] = {}
        for coverage, number, used in scored:
            # Equal siblings (the same title twice) both stand; weaker ones need a word of their
            # own.
            if not any(
                used < better or (used == better and coverage < best)
                for better, best in claimed.items()
            ):
                found.append(NameMatch(number, coverage, _bits(used, written)))
                claimed.setdefault(used, coverage)
        return found, [NameMatch(n, coverage, _bits(used, written)) for coverage, n, used in scored]

    def _likely(self, similar: Mapping[int, tuple[float, Places]], whole: set[int]) -> Numbers:
        """Names of which more than the least may be found, wherever their words stand.

        Of names that are many, those of which most may be.
        """
        terms = np.fromiter(similar, np.intp, len(similar))
        near = self._with.together(terms)
        numbers = np.unique(np.concatenate([near, np.fromiter(whole, np.int32, len(whole))]))
        if not len(numbers):
            return numbers
        places, sizes = self._terms.places(numbers)
        closeness = self._found
        closeness[terms] = [close for close, _ in similar.values()]
        there = closeness[self._terms.values[places]] * self._weights[places]
        closeness[terms] = 0.0
        owners = np.repeat(np.arange(len(numbers)), sizes)
        sums = np.bincount(owners, there, len(numbers)).astype(np.float64)
        most = np.minimum(sums / self._totals[numbers], 1.0)
        most *= np.minimum(sums / self._enough, 1.0)
        most[np.isin(numbers, list(whole))] = 1.0
        likely = np.flatnonzero(most > self._least)
        if len(likely) > _MOST_NAMES:
            likely = np.sort(likely[np.argsort(-most[likely], kind="stable")[:_MOST_NAMES]])
        return np.asarray(numbers[likely], np.intp)

    def _coverage(
        self, number: int, similar: Mapping[int, tuple[float, Places]], length: int
    ) -> tuple[float, frozenset[int]]:
        """Share of a name found, and the places in the text that it took.

        A name whose found words are all common ones ("fresh", "large") is not named by them: the
        found weight is also held against that of one word that only this name has. Nor is one
        whose words stand apart from each other.
        """
        part = slice(*self._terms.starts[number : number + 2].tolist())
        own = zip(self._terms.values[part].tolist(), self._weights[part].tolist(), strict=True)
        there = [(weight, *similar[term]) for term, weight in own if term in similar]
        found = sum(weight * closeness for weight, closeness, _ in there)
        if not found:
            return 0.0, frozenset()
        used = _nearest_together([places for _, _, places in there])
        share = min(1.0, found / float(self._totals[number])) * min(1.0, found / self._enough)
        return share * _togetherness(used, length), frozenset(used)

    def _whole_lines(self, text: str) -> set[int]:
        """The names that are all that some line of a text says.

        However many others have its words, such a line means the one that has no more of them.
        """
        found: set[int] = set()
        for line in text.splitlines():
            words = self._analyzer.words(line)
            said = [word for word in words if not self._analyzer.is_stopword(word)] or words
            row = self._lines.get(_line(said))
            if row is not None:
                found.update(self._of_line[row].tolist())
        return found

    def _similar(self, text: str, spoken: Sequence[str]) -> dict[int, tuple[float, Places]]:
        """For each word of the names that a text has: how well, and at which places."""
        # A recognizer may split a name in two ("head phones"): neighbors are tried joined as well.
        heard = [*spoken, *(a + b for a, b in pairwise(spoken))]
        places: dict[int, list[int]] = defaultdict(list)
        for place, word in enumerate(heard):
            for form in dict.fromkeys((word, *self._analyzer.stems(word))):
                if (row := self._forms.numbers.get(form)) is not None:
                    for known in self._of_form[row].tolist():
                        places[known].append(place % len(spoken))
        best = {word: (1.0, tuple(dict.fromkeys(own))) for word, own in places.items()}
        if self._analyzer.kind == "icu" and self._longest_unspaced and has_unspaced(text):
            # Where no spaces are written, the same words are cut in two ways.
            for number, start in self._inside(fold(text)):
                best.setdefault(number, (1.0, (len(spoken) + start,)))
        return best | self._misheard(heard, best, len(spoken))

    def _inside(self, unspaced: str) -> Iterable[tuple[int, int]]:
        """The words without spaces that stand in a text wherever they begin, with their places."""
        for start in range(len(unspaced)):
            for end in range(start + 2, min(start + self._longest_unspaced, len(unspaced)) + 1):
                word = unspaced[start:end]
                if has_unspaced(word) and (number := self._words.get(word)) is not None:
                    yield number, start

    def _misheard(
        self, heard: Sequence[str], known: Container[int], length: int
    ) -> dict[int, tuple[float, Places]]:
        """Words that a text has with a wrong letter in five or fewer."""
        tried = {
            word: place % length
            for place, word in reversed(list(enumerate(heard)))
            if len(word) >= _SHORTEST_FUZZY
        }
        best: dict[int, tuple[float, Places]] = {}
        for word, place in tried.items():
            for number, close in self._misread.find(word):
                if number not in known and close > best.get(number, (0.0, ()))[0]:
                    best[number] = (close, (place,))
        return best

    def _coded(self, text: str, spoken: Sequence[str]) -> list[int]:
        """Names whose code is in the text; plain numbers only where a word says what they are."""
        if not len(self._codes):
            return []
        tagged = {"".join(self._analyzer.words(tag)) for tag in _HASH.findall(text)}
        found = set()
        for start in range(len(spoken)):
            for size in (1, 2, 3):
                code = "".join(spoken[start : start + size])
                if not any(c.isdigit() for c in code) or (row := self._codes.get(code)) is None:
                    continue
                before = spoken[max(0, start - _BESIDE) : start]
                # Where no spaces are written, such a word may be cut in two.
                beside = {*before, "".join(before)}
                if (
                    not code.replace(".", "").isdigit()
                    or (len(code) >= _BARCODE and size == 1)
                    or code in tagged
                    or not beside.isdisjoint(_SAYS_CODE)
                ):
                    found.add(int(self._coded_names[row]))
        return sorted(found)

    def _unglued(self, text: str, spoken: Sequence[str]) -> list[str]:
        """The words that hashtags and long words are made of, by capitals or as names have them."""
        found: list[str] = []
        words = self._analyzer.words
        for tag in _TAG.findall(text)[:_MOST_TAGS]:
            parts = [word for part in _CAPITALS.split(tag) for word in words(part)]
            if len(parts) < 2:
                glued = words(tag)
                parts = _cut(glued[0], self._forms.numbers) if len(glued) == 1 else []
            found += parts
        for word in spoken[:_MOST_TAGS]:
            if len(word) >= _SHORTEST_GLUED and word.isalpha():
                found += _cut(word, self._forms.numbers)
        return found


def _bits(used: Iterable[int], written: int) -> int:
    """Places in a text as bits, of its first `written` words."""
    bits = 0
    for place in used:
        bits |= 1 << place if place < written else OTHER_WORDS
    return bits


def _line(words: Iterable[str]) -> str:
    """Words whatever their order, as one string."""
    return " ".join(sorted(set(words)))


def name_numbers(codes: Mapping[str, int], numbers: Sequence[int]) -> dict[str, int]:
    """Codes of products as codes of what each product is in."""
    return {code: int(numbers[place]) for code, place in codes.items()}


def _worth(share: float) -> float:
    """What a word is worth that so large a share of videos has: all of it up to one in 50."""
    return min(1.0, -math.log(max(share, 1e-6)) / math.log(50.0)) if share < 1.0 else 0.0


def _nearest_together(places: Sequence[Places]) -> list[int]:
    """One place of each word, such that they stand as near to each other as they can."""
    marks = sorted((place, word) for word, own in enumerate(places) for place in own)
    last: dict[int, int] = {}
    best: list[int] = []
    for place, word in marks:
        last.pop(word, None)
        last[word] = place
        if len(last) == len(places):
            first = next(iter(last.values()))
            if not best or place - first < max(best) - min(best):
                best = list(last.values())
    return best


def _togetherness(used: Iterable[int], length: int) -> float:
    """1 for words beside each other, less for those that stand apart in a text of some words."""
    places = set(used)
    # Places behind the text are those of characters, where no spaces are written.
    if len(places) < 2 or max(places) >= length:
        return 1.0
    apart = max(places) - min(places) + 1 - len(places)
    return 1.0 / (1.0 + apart / (2.0 * len(places)))


def _cut(glued: str, known: Container[str]) -> list[str]:
    """A word as a row of known ones, the fewest; none where it is none."""
    if glued in known or not _SHORTEST_PART * 2 <= len(glued) <= _LONGEST_TAG:
        return []
    best: list[list[str] | None] = [[]]
    for end in range(1, len(glued) + 1):
        rows = [
            [*before, glued[start:end]]
            for start in range(max(0, end - _LONGEST_TAG), end - _SHORTEST_PART + 1)
            if (before := best[start]) is not None and glued[start:end] in known
        ]
        best.append(min(rows, key=len, default=None))
    return best[-1] or []
