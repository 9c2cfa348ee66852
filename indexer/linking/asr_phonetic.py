"""Products named in speech, compared by sound and not by letters.

A recognizer that does not know a brand writes what it heard: "Arla's hour cream", "God more than
that". Spelling and word boundaries are wrong, the sound is about right. Only English speech is
compared (`reelshelf.indexer.linking.sounds`).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from reelshelf.indexer.linking.candidates import CandidateSource, Comparable
from reelshelf.indexer.linking.contests import Contest, Kind, Shares
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.linking.sounds import ENGLISH, sounds
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.segments import Utterance

# Deviations beyond which a fit counts in a catalog of up to so many names, how much more that is in
# one of e times as many (as with e-values; Karlin and Altschul, "Methods for Assessing the
# Statistical Significance of Molecular Sequence Features", 1990), and the most that counts.
_LEAST, _NAMES, _MORE_NAMES, _MOST = 1.0, 512, 0.4, 5.0
_SOFTNESS = 0.25
# What is left of fewer deviations than this says next to nothing.
_LEAST_LEFT = 0.2
# Two utterances are heard as one where the second begins so soon after the first, and a name is
# broken over them where they sound so much more like it than each alone.
_BROKEN_MS, _MORE = 1000, 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """Groups, in order, and how much something that is said sounds like each beyond chance."""

    numbers: Numbers
    reached: Vectors
    shares: Shares

    def owned_by(self, numbers: Numbers) -> Vectors:
        """What is left for some groups; 0 for those that are not among these."""
        if not len(self.numbers):
            return np.zeros(len(numbers), np.float32)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[at] == numbers, self.shares.own[at], np.float32(0.0))


class PhoneticMatcher:
    """Finds names that sound like a part of what is said."""

    def __init__(self, comparable: Comparable, candidates: CandidateSource) -> None:
        self._sounds = comparable.sounds
        self._analyzer = comparable.catalog.analyzer
        self._groups_with = comparable.catalog.groups_with
        self._candidates = candidates
        # The more names there are, the better one of them fits whatever is said.
        many = max(comparable.catalog.size / _NAMES, 1.0)
        self._least = _LEAST + _MORE_NAMES * math.log(many)

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """For each utterance, and each pair that a name is broken over, what it sounds like."""
        if self._sounds.is_silent:
            return
        simple = self._analyzer.kind == "simple"
        english = (s for s in video.segments if simple or s.language in (None, ENGLISH))
        said = list(dict.fromkeys(u for segment in english for u in segment.utterances))
        said.sort(key=lambda u: (u.start_ms, u.end_ms))
        declared = self._groups_with(video.merchant_skus)
        alone = [self._heard([utterance], declared) for utterance in said]
        for place, (utterance, heard) in enumerate(zip(said, alone, strict=True)):
            yield _contest(2 * place, [utterance], heard, heard.shares.own)
        # A name may be broken over two: where they follow at once, and only together sound like it.
        for place, parts in enumerate(pairwise(said)):
            if parts[1].start_ms - parts[0].end_ms <= _BROKEN_MS:
                heard = self._heard(parts, declared)
                before, after = (h.owned_by(heard.numbers) for h in alone[place : place + 2])
                more = heard.shares.own > np.maximum(before, after) + _MORE
                own = np.where(more, heard.shares.own, np.float32(0.0))
                yield _contest(2 * place + 1, parts, heard, own)

    def _heard(self, parts: Sequence[Utterance], declared: Sequence[int]) -> _Heard:
        heard = sounds(" ".join(part.text for part in parts), self._analyzer)
        numbers = np.empty(0, np.intp)
        reached = np.empty(0, np.float32)
        if len(heard) > 1:
            numbers = np.union1d(self._candidates.sounding(heard), np.array(declared, np.intp))
            surprise = self._sounds.surprise(heard, numbers, self._least) - self._least
            some = np.flatnonzero(surprise > 0.0)
            numbers = numbers[some]
            reached = np.asarray(np.minimum(surprise[some], _MOST), np.float32)
        return _Heard(numbers, reached, Shares.of(reached, _SOFTNESS))


def _contest(place: int, parts: Sequence[Utterance], heard: _Heard, own: Vectors) -> Contest:
    """That of the names that something which is said sounds like; `own` is what counts for each."""
    return Contest(
        kind=Kind.HEARD,
        place=place,
        numbers=heard.numbers,
        reached=heard.reached,
        own=own,
        rivals=heard.shares.rivals,
        beside=np.zeros_like(own),
        least=_LEAST_LEFT,
        softness=_SOFTNESS,
        lead=0.0,
        matches=partial(_matches, parts, heard, own),
    )


def _matches(
    parts: Sequence[Utterance], heard: _Heard, own: Vectors, column: int
) -> Iterable[Match]:
    strength = float(own[column])
    yield Match(
        group=int(heard.numbers[column]),
        modality=Modality.ASR,
        strength=strength,
        signals={Signal.ASR_PHONETIC: strength},
        span=Span(parts[0].start_ms, parts[-1].end_ms),
        at_ms=parts[0].start_ms,
        text=" ".join(part.text for part in parts),
        hint=float(heard.shares.hints[column]),
    )
