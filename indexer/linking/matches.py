"""A match: one observation in a video that speaks for a product, with the signals it gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.media import Box, Vectors


@dataclass(frozen=True, slots=True)
class Match:
    """What was observed, where, and how strongly.

    `strength` only orders the matches of one modality; probabilities come from the calibration.
    """

    product: int
    modality: Modality
    strength: float
    signals: Mapping[Signal, float]
    span: Span | None = None
    at_ms: int | None = None
    text: str | None = None
    box: Box | None = None
    image: str | None = None


def margins(scores: Vectors) -> Vectors:
    """How far each score of a row is ahead of the best other one; negative where behind."""
    if scores.shape[-1] < 2:
        return scores.copy()
    ranked = np.sort(scores, axis=-1)
    first, second = ranked[..., -1:], ranked[..., -2:-1]
    return np.asarray(scores - np.where(scores == first, second, first), np.float32)


def discount_shared(strengths: Vectors, softness: float) -> Vectors:
    """What is left of each strength of a row when the best other one has its share of it.

    Far ahead all of it, level with another half, far behind nothing; `softness` is the lead that
    counts as far.
    """
    return np.asarray(strengths * expit(margins(strengths) / softness), np.float32)
