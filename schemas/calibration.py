"""How evidence becomes a probability: the signals of a (video, product) pair and their weights."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from schemas.links import Sense


class Signal(StrEnum):
    """One measured reason for a link. 0 where its sense is silent, larger where it says more.

    The `*_lead` signals say how far a product is ahead of the next best one in the same moment;
    they are negative where another product is ahead. What tells siblings apart is in them.
    `LIKENESS_OWN` is likeness beyond that of the product's nearest neighbours in the catalogue.
    `MERCHANT_BACKED` is a declaration that something in the video agrees with.
    """

    LIKENESS = "likeness"
    LIKENESS_LEAD = "likeness_lead"
    LIKENESS_OWN = "likeness_own"
    PRINT = "print"
    PRINT_LEAD = "print_lead"
    CAPTION = "caption"
    CAPTION_LEAD = "caption_lead"
    CAPTION_PRICE = "caption_price"
    SPOKEN = "spoken"
    SPOKEN_LEAD = "spoken_lead"
    SOUND = "sound"
    SOUND_LEAD = "sound_lead"
    MEANING = "meaning"
    MEANING_LEAD = "meaning_lead"
    MERCHANT = "merchant"
    MERCHANT_BACKED = "merchant_backed"


SIGNALS_OF: dict[Sense, tuple[Signal, ...]] = {
    Sense.VISUAL: (Signal.LIKENESS, Signal.LIKENESS_LEAD, Signal.LIKENESS_OWN),
    Sense.OCR: (
        Signal.PRINT,
        Signal.PRINT_LEAD,
        Signal.CAPTION,
        Signal.CAPTION_LEAD,
        Signal.CAPTION_PRICE,
    ),
    Sense.ASR: (
        Signal.SPOKEN,
        Signal.SPOKEN_LEAD,
        Signal.SOUND,
        Signal.SOUND_LEAD,
        Signal.MEANING,
        Signal.MEANING_LEAD,
    ),
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
