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
from itertools import pairwise

import numpy as np
from rapidfuzz import fuzz, process

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import Name
from reelshelf.indexer.text.folding import fold, has_unspaced

_FUZZY = 80.0  # of 100: one wrong letter in five
_SHORTEST_FUZZY = 4
_TAG = re.compile(r"#(\w+)")
_CAPITALS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|_")
_MOST_TAGS, _LONGEST_TAG, _SHORTEST_PART = 100, 80, 3
_WORDS_AT_ONCE = 256
# A word without spaces is taken apart from this length on.
_SHORTEST_GLUED = 8
# Less of a name is a few shared words.
_LEAST = 0.3
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


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A name found in a text: its number, and `coverage`, the share of it found, 0..1."""

    number: int
    coverage: float


class NameIndex:
    """Names and codes prepared for many texts.

    `codes` are codes as `Analyzer.words` makes one word of them, with the number of the name that
    each stands for. `shares` says of words which share of the shop's videos has them in its texts:
    a name of words that all say is not named by them.
    """

    def __init__(
        self,
        names: Sequence[Name],
        codes: Mapping[str, int],
        analyzer: Analyzer,
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._codes = codes
        self._analyzer = analyzer
        said = {word: _worth(share) for word, share in (shares or {}).items()}
        self._names = [
            {w: value * said.get(w, 1.0) for w, value in zip(n.words, n.weights, strict=True)}
            for n in names
        ]
        self._totals = [sum(name.values()) or 1.0 for name in self._names]
        # The lines that are a name and nothing else, with or without its brand.
        self._lines: dict[frozenset[str], list[int]] = defaultdict(list)
        for number, own in enumerate(names):
            for line in {frozenset(own.words), frozenset(own.words + own.brand)}:
                self._lines[line].append(number)
        # How much of its weight each keeps for what all videos say.
        self._worth = [
            kept / (own.total or 1.0) for kept, own in zip(self._totals, names, strict=True)
        ]
        self._rarest = math.log(1.0 + len(names))
        self._with: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(self._names):
            for word in name:
                self._with[word].append(number)
        self._of_form: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._with):
            for form in (word, *analyzer.stems(word)):
                self._of_form[form].append(word)
        self._fuzzy = [
            word
            for word in sorted(self._with)
            if len(word) >= _SHORTEST_FUZZY and not any(c.isdigit() for c in word)
        ]
        self._unspaced = [word for word in sorted(self._with) if has_unspaced(word)]

    def find(self, text: str) -> list[NameMatch]:
        """Names found in `text`, best first. Only one of several siblings claims a word."""
        spoken = self._analyzer.words(text)
        spoken += self._unglued(text, spoken)
        if not spoken or not self._names:
            return []
        found = [NameMatch(number, 1.0) for number in self._coded(text, spoken)]
        similar = self._similar(text, spoken)
        whole = self._whole_lines(text)
        scored = []
        for number in sorted({n for word in similar for n in self._with[word]}):
            coverage, used = self._coverage(number, similar, len(spoken))
            if number in whole:
                coverage = max(coverage, self._worth[number])
            if coverage > _LEAST:
                scored.append((coverage, number, used))
        # "Red Juice" is in "Orange Red Juice" as well: of two full names the longer one is meant.
        scored.sort(key=lambda item: (-item[0], -len(item[2]), item[1]))
        claimed: list[tuple[float, frozenset[int]]] = []
        for coverage, number, used in scored:
            # Equal siblings (the same title twice) both stand; weaker ones need a word of their
            # own.
            if not any(
                used < better or (used == better and coverage < best) for best, better in claimed
            ):
                found.append(NameMatch(number, coverage))
                claimed.append((coverage, used))
        return found

    def _coverage(
        self, number: int, similar: Mapping[str, tuple[float, Places]], length: int
    ) -> tuple[float, frozenset[int]]:
        """Share of a name found, and the places in the text that it took.

        A name whose found words are all common ones ("fresh", "large") is not named by them: the
        found weight is also held against that of one word that only this name has. Nor is one
        whose words stand apart from each other.
        """
        name = self._names[number]
        there = {word: similar[word] for word in name if word in similar}
        found = sum(name[word] * closeness for word, (closeness, _) in there.items())
        if not found:
            return 0.0, frozenset()
        used = _nearest_together([places for _, places in there.values()])
        share = min(1.0, found / self._totals[number]) * min(1.0, found / (0.75 * self._rarest))
        return share * _togetherness(used, length), frozenset(used)

    def _whole_lines(self, text: str) -> set[int]:
        """The names that are all that some line of a text says.

        However many others have its words, such a line means the one that has no more of them.
        """
        found: set[int] = set()
        for line in text.splitlines():
            words = self._analyzer.words(line)
            said = [word for word in words if not self._analyzer.is_stopword(word)] or words
            found.update(self._lines.get(frozenset(said), ()))
        return found

    def _similar(self, text: str, spoken: Sequence[str]) -> dict[str, tuple[float, Places]]:
        """For each word of the names that a text has: how well, and at which places."""
        # A recognizer may split a name in two ("head phones"): neighbors are tried joined as well.
        heard = [*spoken, *(a + b for a, b in pairwise(spoken))]
        places: dict[str, list[int]] = defaultdict(list)
        for place, word in enumerate(heard):
            for form in dict.fromkeys((word, *self._analyzer.stems(word))):
                for known in self._of_form.get(form, ()):
                    places[known].append(place % len(spoken))
        best = {word: (1.0, tuple(dict.fromkeys(own))) for word, own in places.items()}
        if self._analyzer.kind == "icu" and self._unspaced and has_unspaced(text):
            # Where no spaces are written, the same words are cut in two ways.
            unspaced = fold(text)
            for word in self._unspaced:
                if word not in best and len(word) > 1 and word in unspaced:
                    best[word] = (1.0, (len(spoken) + unspaced.index(word),))
        return best | self._misread(heard, best, len(spoken))

    def _misread(
        self, heard: Sequence[str], known: Container[str], length: int
    ) -> dict[str, tuple[float, Places]]:
        """Words that a text has with a wrong letter in five or fewer."""
        tried = {
            word: place % length
            for place, word in reversed(list(enumerate(heard)))
            if len(word) >= _SHORTEST_FUZZY
        }
        if not tried or not self._fuzzy:
            return {}
        words = list(tried)
        best: dict[str, tuple[float, Places]] = {}
        # Some words at a time: a long text with a large vocabulary would not fit into memory.
        for start in range(0, len(words), _WORDS_AT_ONCE):
            part = words[start : start + _WORDS_AT_ONCE]
            closeness = process.cdist(
                part, self._fuzzy, scorer=fuzz.ratio, score_cutoff=_FUZZY, dtype=np.float32
            )
            nearest = closeness.argmax(axis=0)
            for column in np.flatnonzero(closeness.any(axis=0)).tolist():
                word, row = self._fuzzy[column], int(nearest[column])
                close = float(closeness[row, column]) / 100.0
                if word not in known and close > best.get(word, (0.0, ()))[0]:
                    best[word] = (close, (tried[part[row]],))
        return best

    def _coded(self, text: str, spoken: Sequence[str]) -> list[int]:
        """Names whose code is in the text; plain numbers only where a word says what they are."""
        if not self._codes:
            return []
        tagged = {"".join(self._analyzer.words(tag)) for tag in _HASH.findall(text)}
        found = set()
        for start in range(len(spoken)):
            for size in (1, 2, 3):
                code = "".join(spoken[start : start + size])
                number = self._codes.get(code)
                if number is None:
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
                    found.add(number)
        return sorted(found)

    def _unglued(self, text: str, spoken: Sequence[str]) -> list[str]:
        """The words that hashtags and long words are made of, by capitals or as names have them."""
        found: list[str] = []
        words = self._analyzer.words
        for tag in _TAG.findall(text)[:_MOST_TAGS]:
            parts = [word for part in _CAPITALS.split(tag) for word in words(part)]
            if len(parts) < 2:
                glued = words(tag)
                parts = _cut(glued[0], self._of_form) if len(glued) == 1 else []
            found += parts
        for word in spoken[:_MOST_TAGS]:
            if len(word) >= _SHORTEST_GLUED and word.isalpha():
                found += _cut(word, self._of_form)
        return found


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
