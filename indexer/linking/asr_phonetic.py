"""Products named in speech, compared by sound and not by letters.

A recognizer that does not know a brand writes what it heard: "Arla's hour cream", "God more than
that". Spelling and word boundaries are wrong, the sound is about right. Utterances and titles are
turned into strings of consonant sounds (Philips, "Hanging on the Metaphone", 1990), without word
boundaries and with voiced and unvoiced sounds made one, and the title is aligned with its best
place in the utterance. Short strings fit anywhere by chance, so the fit is measured against what
strings of that length reach in speech that does not name them. Metaphone is English: titles and
speech of other languages are not compared.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import jellyfish
import numpy as np
from rapidfuzz import fuzz

from reelshelf.indexer.linking.candidates import CandidateSource, Numbers
from reelshelf.indexer.linking.matches import (
    Match,
    discount_shared,
    hints_of,
    places_of,
    strongest,
)
from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.languages import primary
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.segments import Utterance

_ENGLISH = "en"
_CANDIDATES = 5
# Of chance fits, in sentences of the example shops' chatter: their mean and their deviation for a
# title of n sounds.
_CHANCE, _CHANCE_SHORT, _CHANCE_DEVIATION = 0.46, 0.2, 0.3
_LEAST, _MOST = 1.0, 5.0
_SOFTNESS = 0.25
# Two utterances are heard as one where the second begins so soon after the first, and a name is
# broken over them where they sound so much more like it than each alone.
_BROKEN_MS, _MORE = 1000, 0.1
_SOUNDS = str.maketrans({"B": "P", "V": "F", "0": "T", "J": "X"} | dict.fromkeys("AEIOU ", None))


def sounds(text: str, analyzer: Analyzer) -> str:
    """The consonant sounds of a text as one string. Words that are not Latin stay as they are."""
    words = analyzer.words(text)
    heard = (jellyfish.metaphone(w) if w.isascii() and w.isalpha() else w for w in words)
    return "".join(heard).translate(_SOUNDS)


class PhoneticMatcher:
    """The names of a catalog's groups as sounds, made once for many videos."""

    def __init__(self, catalog: CatalogIndex, candidates: CandidateSource) -> None:
        self._analyzer = catalog.analyzer
        self._candidates = candidates
        self._groups_with = catalog.groups_with
        self._titles = [
            sounds(" ".join(name.words), catalog.analyzer)
            if self._is_english(catalog.products[int(members[0])].product)
            else ""
            for name, members in zip(catalog.group_names, catalog.groups.members, strict=True)
        ]
        length = np.array([max(len(title), 1) for title in self._titles], np.float32)
        self._chance = _CHANCE + _CHANCE_SHORT / np.sqrt(length)
        self._deviation = _CHANCE_DEVIATION / np.sqrt(length)

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """Names that sound like a part of what is said."""
        if not any(self._titles):
            return
        english = (s for s in video.segments if self._is_simple or s.language in (None, _ENGLISH))
        said = list(dict.fromkeys(u for segment in english for u in segment.utterances))
        said.sort(key=lambda u: (u.start_ms, u.end_ms))
        numbers = self._candidates.sounding([utterance.text for utterance in said])
        declared = places_of(self._groups_with(video.merchant_skus), numbers)
        like = [self._beyond_chance([utterance], numbers) for utterance in said]
        alone = [discount_shared(row, _SOFTNESS) for row in like]
        for utterance, row, own in zip(said, like, alone, strict=True):
            yield from _matches([utterance], row, own, numbers, declared)
        # A name may be broken over two: where they follow at once, and only together sound like it.
        for place, parts in enumerate(pairwise(said)):
            if parts[1].start_ms - parts[0].end_ms <= _BROKEN_MS:
                row = self._beyond_chance(parts, numbers)
                together = discount_shared(row, _SOFTNESS)
                more = together > np.maximum(alone[place], alone[place + 1]) + _MORE
                own = np.where(more, together, np.float32(0.0))
                yield from _matches(parts, row, own, numbers, declared)

    @property
    def _is_simple(self) -> bool:
        """Whether the store knows of no languages: everything is compared."""
        return self._analyzer.kind == "simple"

    def _is_english(self, product: Product) -> bool:
        own = primary(product.language)
        languages = (own,) if own else self._analyzer.languages
        return self._is_simple or not languages or _ENGLISH in languages

    def _beyond_chance(self, parts: Sequence[Utterance], numbers: Numbers) -> Vectors:
        """`(numbers,)` how much what is said sounds like each name."""
        heard = sounds(" ".join(part.text for part in parts), self._analyzer)
        if len(heard) < 2:
            return np.zeros(len(numbers), np.float32)
        surprise = self.surprise(heard, numbers) - _LEAST
        return np.asarray(np.clip(surprise, 0.0, _MOST), np.float32)

    def surprise(self, heard: str, numbers: Numbers) -> Vectors:
        """`(numbers,)` how many deviations each of some names fits better than by chance."""
        fits = np.array([_fit(heard, self._titles[n]) for n in numbers.tolist()], np.float32)
        chance, deviation = self._chance[numbers], self._deviation[numbers]
        return np.asarray((fits / 100.0 - chance) / deviation, np.float32)


def _fit(heard: str, title: str) -> float:
    """Best fit of a title inside what was heard, 0..100."""
    if not title:
        return 0.0
    # partial_ratio would fit the shorter into the longer: a whole utterance into a long title.
    scorer = fuzz.partial_ratio if len(heard) >= len(title) else fuzz.ratio
    return float(scorer(title, heard))


def _matches(
    parts: Sequence[Utterance], like: Vectors, own: Vectors, numbers: Numbers, declared: Numbers
) -> Iterable[Match]:
    """The groups that something which is said speaks for most.

    `like` is how much it sounds like each, `own` what rivals leave of it.
    """
    hints = hints_of(like, _SOFTNESS)
    for column in strongest(own, _CANDIDATES, declared):
        strength = float(own[column])
        yield Match(
            group=int(numbers[column]),
            modality=Modality.ASR,
            strength=strength,
            signals={Signal.ASR_PHONETIC: strength},
            span=Span(parts[0].start_ms, parts[-1].end_ms),
            at_ms=parts[0].start_ms,
            text=" ".join(part.text for part in parts),
            hint=float(hints[column]),
        )
