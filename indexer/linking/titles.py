"""Products named in words: said, written on screen, or posted with the video.

A bundle names its parts: where a catalog sells "Kettle + Mug", who names that names both.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from reelshelf.indexer.linking.contests import Contest, Kind, shared
from reelshelf.indexer.linking.matches import Match
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.names import OTHER_WORDS, NameIndex, NameMatch, name_numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span

_SOFTNESS = 0.05
# Half of a name says nothing: it is words that others use too.
_HALF = 0.5
# What is left of less than this beyond half says next to nothing.
_LEAST = 0.02
# A part of a bundle is named in full in a piece of its title; such a title adds pieces up.
_PART = 0.9
_ADDED = re.compile(r"\s*[+&＋＆]\s*")


class NamedGroups:
    """Finds the groups that a text names, whoever wrote or said it."""

    def __init__(self, catalog: CatalogIndex, shares: Mapping[str, float] | None = None) -> None:
        groups = catalog.groups
        codes = name_numbers(catalog.words.codes, groups.of.tolist())
        self._names = NameIndex(
            catalog.group_names, codes, catalog.analyzer, shares, _HALF, catalog.size
        )
        self._parts = _parts(catalog, self._names)

    @property
    def bundles(self) -> Mapping[int, tuple[int, ...]]:
        """The groups that bundles are made of, by the number of the bundle."""
        return self._parts

    def named(self, text: str) -> dict[int, float]:
        """How far beyond half of its name `text` names each group, less what rivals share."""
        return self._named(self._names.find(text))

    def _named(self, matches: Iterable[NameMatch]) -> dict[int, float]:
        found = _beyond(matches)
        if not found:
            return found
        left, _ = shared(np.array(list(found.values()), np.float32), _SOFTNESS)
        named = dict(zip(found, left.tolist(), strict=True))
        for bundle in sorted(self._parts.keys() & named.keys()):
            for part in self._parts[bundle]:
                named[part] = max(named.get(part, 0.0), named[bundle])
        return named

    def contest(
        self,
        kind: Kind,
        place: int,
        text: str,
        matches: Callable[[int, float], Iterable[Match]],
        beside: float = 0.0,
    ) -> Contest:
        """That of the groups that `text` may name; `matches` are those of a group and a strength.

        `beside` is what its second signal says of them at most. Words that one name claims are not
        another's, so what a name would keep without its rivals is all that is found of it.
        """
        found, considered = self._names.held_against(text)
        named, alone = self._named(found), _beyond([*found, *considered])
        words = {match.number: match.used for match in considered}
        # What a code names, or a bundle, has it of more than its words.
        words |= {match.number: OTHER_WORDS for match in found if match.used == OTHER_WORDS}
        for bundle in sorted(self._parts.keys() & alone.keys()):
            for part in self._parts[bundle]:
                alone[part] = max(alone.get(part, 0.0), alone[bundle])
                words[part] = OTHER_WORDS
        numbers = sorted(alone)
        reached = np.array([alone[number] for number in numbers], np.float32)
        own = np.array([named.get(number, 0.0) for number in numbers], np.float32)
        return Contest(
            kind=kind,
            place=place,
            numbers=np.array(numbers, np.intp),
            reached=reached,
            own=own,
            # Names whose words others have claimed take nothing off any.
            rivals=np.isin(numbers, [*named, *(match.number for match in found)]),
            beside=np.full(len(numbers), beside, np.float32),
            least=_LEAST,
            softness=_SOFTNESS,
            lead=0.0,
            matches=lambda column: matches(numbers[column], float(own[column])),
            words=np.array([words[number] for number in numbers], np.uint64),
            claimed=_claimed(found, considered),
        )


def _beyond(matches: Iterable[NameMatch]) -> dict[int, float]:
    """How far beyond half of it each name is found."""
    found: dict[int, float] = {}
    for match in matches:
        beyond = (match.coverage - _HALF) / (1.0 - _HALF)
        found[match.number] = max(found.get(match.number, 0.0), beyond)
    return found


def _claimed(found: Sequence[NameMatch], considered: Sequence[NameMatch]) -> int:
    """The words of a text that are none of a name's that takes no others and fits less well.

    They are those of the name that fits best, as far as a contest tells how well that is.
    """
    if not considered or any(match.used == OTHER_WORDS for match in found):
        return 0
    return considered[0].used & ~OTHER_WORDS


def _parts(catalog: CatalogIndex, names: NameIndex) -> dict[int, tuple[int, ...]]:
    """The groups that each bundle is made of."""
    found: dict[int, tuple[int, ...]] = {}
    firsts = catalog.groups.firsts
    for place, title in catalog.words.bundles.items():
        number = int(catalog.groups.of[place])
        if place != firsts[number]:
            continue
        pieces = list(filter(None, _ADDED.split(title)))
        if len(pieces) < 2:
            continue
        named = {
            match.number
            for piece in pieces
            for match in names.find(piece)
            if match.coverage >= _PART and match.number != number
        }
        if len(named) > 1:
            found[number] = tuple(sorted(named))
    return found


class AsrTitleMatcher:
    """Groups whose title is said, as far as the recognizer got its words right."""

    def __init__(self, names: NamedGroups) -> None:
        self._names = names

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """For each sentence the groups that it may name."""
        said = dict.fromkeys(u for segment in video.segments for u in segment.utterances)
        for place, utterance in enumerate(said):
            span = Span(utterance.start_ms, utterance.end_ms)
            matches = partial(_match, Modality.ASR, Signal.ASR_TITLE, utterance.text, span)
            yield self._names.contest(Kind.SAID, place, utterance.text, matches)


def _match(
    modality: Modality, signal: Signal, text: str, span: Span | None, group: int, strength: float
) -> Iterable[Match]:
    yield Match(
        group=group,
        modality=modality,
        strength=strength,
        signals={signal: strength},
        span=span,
        at_ms=span.start_ms if span else None,
        text=text,
    )


class PostTitleMatcher:
    """Groups whose title is in the text of the post. What is of the whole video has no moment."""

    def __init__(self, names: NamedGroups) -> None:
        self._names = names

    def contests(self, video: LinkableVideo) -> Iterable[Contest]:
        """For each text of the post the groups that it may name."""
        posts = dict.fromkeys(p for segment in video.segments for p in segment.post_text)
        for place, posted in enumerate(posts):
            span = Span(posted.start_ms, posted.end_ms) if posted.is_timed else None
            matches = partial(_match, Modality.POST_TEXT, Signal.POST_TITLE, posted.text, span)
            yield self._names.contest(Kind.POSTED, place, posted.text, matches)
