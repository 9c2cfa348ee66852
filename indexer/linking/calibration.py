"""Fitting and applying the logistic model that turns signals into a probability.

Weights are fitted by maximum a posteriori (penalized logistic regression; Hastie, Tibshirani and
Friedman, "The Elements of Statistical Learning", 2009, section 4.4). The prior is centered on
the calibration that ships, so a few labels move it a little and many labels move it far; weights
that are fitted from nothing are freer. No weight may fall below zero: more evidence never makes a
link less likely.
"""

from collections.abc import Mapping, Sequence
from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from reelshelf.schemas.calibration import BACKING, SIGNALS_OF, Calibration, Signal
from reelshelf.schemas.links import Modality

Signals = Mapping[Signal, float]
Matrix = npt.NDArray[np.float64]

# Standard deviation of a weight around its prior, in units of one standard deviation of its signal:
# around one that was fitted, and around zero.
_DEVIATION, _FREE_DEVIATION = 0.15, 0.5
_NAMES = tuple(Signal)
# Knows nothing but that most pairs are no links.
UNFITTED = Calibration(fitted_on="nothing", pairs=0, positives=0, bias=-4.0, weights={})


def default_calibration() -> Calibration:
    """The one that ships, fitted on a rough example shop (see docs/linking-and-search.md)."""
    file = resources.files(__package__).joinpath("default_calibration.json")
    return Calibration.model_validate_json(file.read_text(encoding="utf-8"))


def probability(calibration: Calibration, signals: Signals) -> float:
    """P(link) for the signals of one pair."""
    total = sum(calibration.weights.get(name, 0.0) * value for name, value in signals.items())
    return float(expit(calibration.bias + total))


def modality_probabilities(calibration: Calibration, signals: Signals) -> dict[Modality, float]:
    """What each modality alone would make of the pair; 0 where it is silent."""
    # What only backs others is nothing alone.
    alone: dict[Modality, dict[Signal, float]] = {
        modality: {name: signals[name] for name in names if name in signals and name not in BACKING}
        for modality, names in SIGNALS_OF.items()
    }
    return {
        modality: probability(calibration, own) if own else 0.0 for modality, own in alone.items()
    }


def fit(
    pairs: Sequence[Signals], linked: Sequence[bool], prior: Calibration, *, fitted_on: str
) -> Calibration:
    """Fit on labeled pairs. Raises ValueError unless both kinds of pair are there."""
    truth = np.array(linked, np.float64)
    if not len(truth) or truth.all() or not truth.any():
        raise ValueError("a calibration needs pairs that are links and pairs that are not")
    values = np.array([[pair.get(name, 0.0) for name in _NAMES] for pair in pairs], np.float64)
    scale = np.maximum(values.std(axis=0), 1e-3)
    start = np.array([prior.weights.get(name, 0.0) for name in _NAMES])
    center = start * scale
    scaled = values / scale
    deviation = _DEVIATION if prior.pairs else _FREE_DEVIATION

    def loss(parameters: Matrix) -> tuple[float, Matrix]:
        bias, weights = parameters[0], parameters[1:]
        logit = bias + scaled @ weights
        error = expit(logit) - truth
        pull = (weights - center) / deviation**2
        value = np.sum(np.logaddexp(0.0, logit) - truth * logit)
        value += 0.5 * float(pull @ (weights - center))
        return float(value), np.concatenate([[error.sum()], scaled.T @ error + pull])

    bounds = [(None, None)] + [(0.0, None)] * len(_NAMES)
    found = minimize(
        loss, np.concatenate([[prior.bias], center]), jac=True, bounds=bounds, method="L-BFGS-B"
    )
    weights = found.x[1:] / scale
    return Calibration(
        fitted_on=fitted_on,
        pairs=len(truth),
        positives=int(truth.sum()),
        bias=float(found.x[0]),
        weights={name: float(w) for name, w in zip(_NAMES, weights, strict=True)},
    )
