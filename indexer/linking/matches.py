"""A match: one observation in a video that speaks for a group of products, and who makes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import LinkableVideo, Modality, Span
from reelshelf.schemas.media import Box, Vectors


@dataclass(frozen=True, slots=True)
class Match:
    """What was observed, where, and how strongly.

    `group` is the number of a group of variants. `variants` are places of those of its products
    that the observation suits better than the others; empty where it tells none apart. `strength`
    only orders the matches of one modality; probabilities come from the calibration.
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


def discount_shared(strengths: Vectors, softness: float) -> Vectors:
    """What is left of each strength of a row when all others have their share of it.

    Far ahead all of it, level with another half, with two others a third, far behind nothing;
    `softness` is the lead that counts as far. A row of zeros stays one.
    """
    if strengths.shape[-1] < 2:
        return strengths.copy()
    best = strengths.max(axis=-1, keepdims=True)
    # What has no strength at all rivals nothing.
    weights = np.where(strengths > 0.0, np.exp((strengths - best) / softness), 0.0)
    total = weights.sum(axis=-1, keepdims=True)
    return np.asarray(strengths * weights / np.maximum(total, 1e-12), np.float32)
