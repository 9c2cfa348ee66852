"""How evidence becomes a probability: the signals of a (video, product) pair and their weights."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from schemas.links import Sense


class Signal(StrEnum):
    """One measured reason for a link; 0 where its sense is silent.

    A strength is what is left of it when rivals share it: a caption that names two siblings equally
    is half a caption for each. `LIKENESS_LEAD` and `PRINT` say how far a product is ahead of the
    next best one in the same moment, and are negative where another is ahead. `MERCHANT_BACKED` is
    a declaration that something in the video agrees with.
    """

    LIKENESS = "likeness"
    LIKENESS_LEAD = "likeness_lead"
    PRINT = "print"
    CAPTION = "caption"
    CAPTION_PRICE = "caption_price"
    SPOKEN = "spoken"
    SOUND = "sound"
    MEANING = "meaning"
    MERCHANT = "merchant"
    MERCHANT_BACKED = "merchant_backed"


SIGNALS_OF: dict[Sense, tuple[Signal, ...]] = {
    Sense.VISUAL: (Signal.LIKENESS, Signal.LIKENESS_LEAD),
    Sense.OCR: (Signal.PRINT, Signal.CAPTION, Signal.CAPTION_PRICE),
    Sense.ASR: (Signal.SPOKEN, Signal.SOUND, Signal.MEANING),
    Sense.MERCHANT: (Signal.MERCHANT, Signal.MERCHANT_BACKED),
}


class Calibration(BaseModel):
    """A logistic model over signals: P(link) = 1 / (1 + exp(-(bias + sum of weight * signal))).

    `pairs` and `positives` tell how many labelled (video, product) pairs it was fitted on;
    `fitted_on` names them. A signal without a weight counts nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fitted_on: str
    pairs: int = Field(ge=0)
    positives: int = Field(ge=0)
    bias: float
    weights: dict[Signal, float]
