"""How far scores can be taken at their word: calibration error and the reliability diagram."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

BINS = 10
# Pairs scored less are as good as not suggested: there are as many of them as one cares to store.
SCORED = 0.05


@dataclass(frozen=True, slots=True)
class Reliable:
    """Pairs of about one score: their mean score, and the share of them that are links."""

    score: float
    observed: float
    pairs: int


def reliability(
    scores: Sequence[float] | Values, linked: Sequence[float] | Values
) -> list[Reliable]:
    """Ten bins of equal mass, from low scores to high ones; fewer where there are fewer pairs."""
    said, true = np.asarray(scores, float), np.asarray(linked, float)
    bins = np.array_split(np.argsort(said, kind="stable"), BINS)
    return [Reliable(float(said[b].mean()), float(true[b].mean()), len(b)) for b in bins if len(b)]


def calibration_error(scores: Sequence[float] | Values, linked: Sequence[float] | Values) -> float:
    """Expected calibration error over ten bins of equal mass (Naeini et al., 2015)."""
    found = reliability(scores, linked)
    gaps = sum(item.pairs * abs(item.score - item.observed) for item in found)
    return gaps / max(sum(item.pairs for item in found), 1)
