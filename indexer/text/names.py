"""Products named in a text, by their title or their SKU, tolerant of reading and hearing errors.

A title counts as named as far as its words, weighted by how rare they are in the catalog, stand
in the text. Siblings share words ("... Delicious Apple"), so the words a better match has used up
do not count again for a worse one: the words that differ decide.
"""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz import fuzz, process

from reelshelf.indexer.text.catalog import CatalogIndex, Name
from reelshelf.indexer.text.folding import fold, has_unspaced

_FUZZY = 80.0  # of 100: one wrong letter in five
_SHORTEST_FUZZY = 4
_TAG = re.compile(r"#(\w+)")
_CAPITALS = re.compile(r"(?<=[^\W_A-Z])(?=[A-Z])|_")
_MOST_TAGS, _LONGEST_TAG, _SHORTEST_PART = 100, 80, 3


@dataclass(frozen=True, slots=True)
class NameMatch:
    """A product named in a text: `coverage` is the share of its name found, 0..1."""

    product: int
    coverage: float


def find_names(text: str, catalog: CatalogIndex) -> list[NameMatch]:
    """Products named in `text`, best first. Only one of several siblings claims a word."""
    spoken = [*catalog.analyzer.words(text), *_unglued(text, catalog)]
    if not spoken or not len(catalog):
        return []
    found = _codes(spoken, catalog)
    similar = _similar_words(text, spoken, catalog)
    scored = []
    for product, name in enumerate(catalog.names):
        coverage, used = _coverage(name, similar, catalog.rarest)
        if coverage > 0.3:
            scored.append((coverage, product, used))
    # "Red Juice" is in "Orange Red Juice" as well: of two full names the longer one is meant.
    scored.sort(key=lambda item: (-item[0], -len(item[2]), item[1]))
    claimed: list[tuple[float, frozenset[int]]] = []
    for coverage, product, used in scored:
        # Equal siblings (the same title twice) both stand; weaker ones need a word of their own.
        if not any(
            used < better or (used == better and coverage < best) for best, better in claimed
        ):
            found.append(NameMatch(product, coverage))
            claimed.append((coverage, used))
    return found


def _unglued(text: str, catalog: CatalogIndex) -> list[str]:
    """The words that hashtags are made of: by their capitals, or as titles have them."""
    found: list[str] = []
    words = catalog.analyzer.words
    for tag in _TAG.findall(text)[:_MOST_TAGS]:
        parts = [word for part in _CAPITALS.split(tag) for word in words(part)]
        if len(parts) < 2:
            glued = words(tag)
            parts = _cut(glued[0], catalog.title_words) if len(glued) == 1 else []
        found += parts
    return found


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


def _similar_words(
    text: str, spoken: Sequence[str], catalog: CatalogIndex
) -> dict[str, tuple[float, int]]:
    """For each word of the catalog's names: how well the text has it, and where."""
    stems = catalog.analyzer.stems
    # A recognizer may split a name in two ("head phones"): neighbors are tried joined as well.
    joined = [a + b for a, b in pairwise(spoken)]
    heard = [*spoken, *joined]
    exact: dict[str, int] = {}
    for place, word in enumerate(heard):
        for form in (word, *stems(word)):
            exact.setdefault(form, place % len(spoken))
    known = catalog.analyzer.kind == "icu" and has_unspaced(text)
    unspaced = fold(text) if known else ""
    best: dict[str, tuple[float, int]] = {}
    for word, forms in catalog.title_words.items():
        same = next((form for form in forms if form in exact), None)
        if same is not None:
            best[word] = (1.0, exact[same])
        elif unspaced and len(word) > 1 and has_unspaced(word) and word in unspaced:
            # Where no spaces are written, the same words are cut in two ways.
            best[word] = (1.0, len(spoken) + unspaced.index(word))
        elif len(word) >= _SHORTEST_FUZZY and not any(c.isdigit() for c in word):
            hit = process.extractOne(word, heard, scorer=fuzz.ratio, score_cutoff=_FUZZY)
            if hit is not None and len(hit[0]) >= _SHORTEST_FUZZY:
                best[word] = (hit[1] / 100.0, hit[2] % len(spoken))
    return best


def _coverage(
    name: Name, similar: dict[str, tuple[float, int]], rarest: float
) -> tuple[float, frozenset[int]]:
    """Share of the name found, and the places in the text that it took.

    A name whose found words are all common ones ("fresh", "large") is not named by them: the found
    weight is also held against that of one word that only this product has.
    """
    found = 0.0
    used: set[int] = set()
    for word, weight in zip(name.words, name.weights, strict=True):
        if word in similar:
            closeness, place = similar[word]
            found += weight * closeness
            used.add(place)
    if not found:
        return 0.0, frozenset()
    return min(1.0, found / name.total) * min(1.0, found / (0.75 * rarest)), frozenset(used)


def _codes(spoken: Sequence[str], catalog: CatalogIndex) -> list[NameMatch]:
    runs = {"".join(spoken[i : i + n]) for n in (1, 2, 3) for i in range(len(spoken) - n + 1)}
    return [NameMatch(catalog.codes[code], 1.0) for code in sorted(runs & catalog.codes.keys())]
