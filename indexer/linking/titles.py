"""Products named in words: said, written on screen, or posted with the video.

A bundle names its parts: where a catalog sells "Kettle + Mug", who names that names both.
"""

import re
from collections.abc import Iterable, Mapping

import numpy as np

from reelshelf.indexer.linking.matches import Match, discount_shared
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.names import NameIndex, name_numbers
from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span

_SOFTNESS = 0.05
# Half of a name says nothing: it is words that others use too.
_HALF = 0.5
# A part of a bundle is named in full in a piece of its title; such a title adds pieces up.
_PART = 0.9
_ADDED = re.compile(r"\s*[+&＋＆]\s*")


class NamedGroups:
    """Finds the groups that a text names, whoever wrote or said it."""

    def __init__(self, catalog: CatalogIndex, shares: Mapping[str, float] | None = None) -> None:
        groups = catalog.groups
        codes = name_numbers(catalog.words.codes, groups.of.tolist())
        self._names = NameIndex(catalog.group_names, codes, catalog.analyzer, shares, _HALF)
        self._parts = _parts(catalog, self._names)

    def named(self, text: str) -> dict[int, float]:
        """How far beyond half of its name `text` names each group, less what rivals share."""
        found: dict[int, float] = {}
        for match in self._names.find(text):
            beyond = (match.coverage - _HALF) / (1.0 - _HALF)
            found[match.number] = max(found.get(match.number, 0.0), beyond)
        if not found:
            return found
        left = discount_shared(np.array(list(found.values()), np.float32), _SOFTNESS)
        named = dict(zip(found, left.tolist(), strict=True))
        for bundle in sorted(self._parts.keys() & named.keys()):
            for part in self._parts[bundle]:
                named[part] = max(named.get(part, 0.0), named[bundle])
        return named


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

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """One match for each group that a sentence names."""
        for said in dict.fromkeys(u for segment in video.segments for u in segment.utterances):
            for group, strength in self._names.named(said.text).items():
                yield Match(
                    group=group,
                    modality=Modality.ASR,
                    strength=strength,
                    signals={Signal.ASR_TITLE: strength},
                    span=Span(said.start_ms, said.end_ms),
                    at_ms=said.start_ms,
                    text=said.text,
                )


class PostTitleMatcher:
    """Groups whose title is in the text of the post. What is of the whole video has no moment."""

    def __init__(self, names: NamedGroups) -> None:
        self._names = names

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """One match for each group that a text of the post names."""
        for posted in dict.fromkeys(p for segment in video.segments for p in segment.post_text):
            for group, strength in self._names.named(posted.text).items():
                yield Match(
                    group=group,
                    modality=Modality.POST_TEXT,
                    strength=strength,
                    signals={Signal.POST_TITLE: strength},
                    span=Span(posted.start_ms, posted.end_ms) if posted.is_timed else None,
                    at_ms=posted.start_ms if posted.is_timed else None,
                    text=posted.text,
                )
