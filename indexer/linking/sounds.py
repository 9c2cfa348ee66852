"""Names as the consonant sounds that they are heard as, and how well these fit what is heard.

Utterances and titles become strings of consonant sounds (Philips, "Hanging on the Metaphone",
1990), without word boundaries and with voiced and unvoiced sounds made one, and a title is aligned
with its best place in an utterance. Short strings fit anywhere by chance, so the fit is measured
against what strings of that length reach in speech that does not name them. Metaphone is English:
titles of other languages have no sounds.
"""

import jellyfish
import numpy as np
from rapidfuzz import fuzz

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.languages import primary
from reelshelf.indexer.text.lookup import Numbers, Texts
from reelshelf.schemas.media import Vectors

ENGLISH = "en"
# Of chance fits, in sentences of the example shops' chatter: their mean and their deviation for a
# title of n sounds.
_CHANCE, _CHANCE_SHORT, _CHANCE_DEVIATION = 0.46, 0.2, 0.3
# Of 100: so near to what is needed counts as enough.
_ROUNDING = 0.01
_SOUNDS = str.maketrans({"B": "P", "V": "F", "0": "T", "J": "X"} | dict.fromkeys("AEIOU ", None))


def sounds(text: str, analyzer: Analyzer) -> str:
    """The consonant sounds of a text as one string. Words that are not Latin stay as they are."""
    words = analyzer.words(text)
    heard = (jellyfish.metaphone(w) if w.isascii() and w.isalpha() else w for w in words)
    return "".join(heard).translate(_SOUNDS)


class Sounds:
    """The names of a catalog's groups as sounds; of those that are not English, none."""

    def __init__(self, catalog: CatalogIndex) -> None:
        analyzer = catalog.analyzer
        languages = catalog.words.languages
        self.titles = Texts.of(
            sounds(" ".join(name.words), analyzer)
            if _is_english(languages[first], analyzer)
            else ""
            for name, first in zip(catalog.group_names, catalog.groups.firsts.tolist(), strict=True)
        )
        self.lengths = np.array([len(title) for title in self.titles], np.int32)
        length = np.maximum(self.lengths, 1).astype(np.float32)
        self._chance = _CHANCE + _CHANCE_SHORT / np.sqrt(length)
        self._deviation = _CHANCE_DEVIATION / np.sqrt(length)
        self.is_silent = not self.lengths.any()

    def surprise(self, heard: str, numbers: Numbers, least: float) -> Vectors:
        """`(numbers,)` how many deviations each of some names fits better than by chance.

        What fits less well than by `least` deviations may be said to fit not at all.
        """
        chance, deviation = self._chance[numbers], self._deviation[numbers]
        needed = 100.0 * (chance + least * deviation) - _ROUNDING
        own = zip(self.titles.some(numbers), needed.tolist(), strict=True)
        fits = np.array([_fit(heard, title, least) for title, least in own], np.float32)
        return np.asarray((fits / 100.0 - chance) / deviation, np.float32)


def _is_english(language: str | None, analyzer: Analyzer) -> bool:
    own = primary(language)
    languages = (own,) if own else analyzer.languages
    # A store of before languages were known compares everything.
    return analyzer.kind == "simple" or not languages or ENGLISH in languages


def _fit(heard: str, title: str, least: float) -> float:
    """Best fit of a title inside what was heard, 0..100; 0 where it is below `least`."""
    if not title:
        return 0.0
    # partial_ratio would fit the shorter into the longer: a whole utterance into a long title.
    scorer = fuzz.partial_ratio if len(heard) >= len(title) else fuzz.ratio
    return float(scorer(title, heard, score_cutoff=max(least, 0.0)))
