"""A match: one observation in a video that speaks for a group of products."""

from collections.abc import Mapping
from dataclasses import dataclass

from reelshelf.schemas.calibration import Signal
from reelshelf.schemas.links import Modality, Span
from reelshelf.schemas.media import Box


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
