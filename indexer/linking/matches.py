"""A match: one observation in a video that speaks for a group of products, and who makes them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Box, Vectors

# A rival so many softnesses behind the best is none.
_REACH = 4.0


@dataclass(frozen=True, slots=True)
class Match:
    """What was observed, where, and how strongly.

    `group` is the number of a group of variants. `variants` are places of those of its products
    that the observation suits better than the others; empty where it tells none apart. `strength`
    only orders the matches of one modality; probabilities come from the calibration. `hint` is how
    much it speaks for the group however many rivals share it; 0 where that is its strength.
    """

    group: int
    modality: Modality
    strength: float
    signals: Mapping[Signal, float]
    span: Span | None = None
    at_ms: int | None = None
    text: str | None = None
    box: Box | None = None
    image: str | None = None
    variants: tuple[int, ...] = ()
    hint: float = 0.0


class Matcher(Protocol):
    """Finds matches of one kind in a video."""

    def matches(self, video: LinkableVideo) -> Iterable[Match]:
        """All matches, in any order."""
        ...


def margins(scores: Vectors) -> Vectors:
    """How far each score of a row is ahead of the best other one; negative where behind."""
    if scores.shape[-1] < 2:
        return scores.copy()
    ranked = np.partition(scores, (-2, -1), axis=-1)
    first, second = ranked[..., -1:], ranked[..., -2:-1]
    return np.asarray(scores - np.where(scores == first, second, first), np.float32)


def places_of(groups: Sequence[int], numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Where some groups stand among `numbers`, which rise; those that do not are left out."""
    return np.flatnonzero(np.isin(numbers, groups))


def strongest(strengths: Vectors, most: int, declared: npt.NDArray[np.intp]) -> Iterable[int]:
    """The places of the `most` largest of some strengths that are not 0, and of those declared.

    Among a million rivals what a merchant declares is seldom among the first.
    """
    first = np.argsort(-strengths, kind="stable")[:most]
    places = np.concatenate([first, np.setdiff1d(declared, first)])
    return (place for place in places.tolist() if strengths[place] > 0.0)


def hints_of(strengths: Vectors, softness: float) -> Vectors:
    """Each strength of a row as far as none is better, however many are as good.

    It tells what a declaration may lean on: in a large catalog many products are as likely as the
    one that is declared, and that they are there makes it no less likely.
    """
    if strengths.shape[-1] < 2:
        return strengths.copy()
    return np.asarray(strengths * _closeness(strengths, softness), np.float32)


def discount_shared(strengths: Vectors, softness: float) -> Vectors:
    """What is left of each strength of a row when its rivals have their share of it.

    Far ahead all of it, level with another half, with two others a third, far behind nothing;
    `softness` is the lead that counts as far. Rivals are those that are near the best: what a
    million others reach far below it takes nothing off. A row of zeros stays one.
    """
    if strengths.shape[-1] < 2:
        return strengths.copy()
    weights = _closeness(strengths, softness)
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(strengths * weights / np.maximum(total, 1e-12), np.float32)


def _closeness(strengths: Vectors, softness: float) -> Vectors:
    """How near each strength of a row is to the best: 1 for that, 0 from `_REACH` softnesses on."""
    behind = (strengths.max(axis=-1, keepdims=True) - strengths) / np.float32(softness)
    left = (np.exp(-behind) - math.exp(-_REACH)) / (1.0 - math.exp(-_REACH))
    return np.where((strengths > 0.0) & (behind < _REACH), left, np.float32(0.0))
