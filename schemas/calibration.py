"""How evidence becomes a probability: the signals of a (video, product) pair and their weights."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from reelshelf.schemas.links import Modality


class Signal(StrEnum):
    """One measured reason for a link; 0 where its modality is silent.

    A strength is what is left of it when rivals share it: on-screen text that names two siblings
    equally is half for each. `VISUAL_MARGIN` and `PACKAGING_TEXT` say how far a product is ahead of
    the next best one in the same moment, and are negative where another is ahead.
    `BRAND` is the product's brand in any text: it names no product, and raises those that something
    else speaks for.
    `MERCHANT_BACKED` is a declaration that something in the video agrees with.
    """

    VISUAL_SIMILARITY = "visual_similarity"
    VISUAL_MARGIN = "visual_margin"
    PACKAGING_TEXT = "packaging_text"
    OCR_TITLE = "ocr_title"
    OCR_PRICE = "ocr_price"
    ASR_TITLE = "asr_title"
    ASR_PHONETIC = "asr_phonetic"
    ASR_SEMANTIC = "asr_semantic"
    POST_TITLE = "post_title"
    BRAND = "brand"
    MERCHANT = "merchant"
    MERCHANT_BACKED = "merchant_backed"


SIGNALS_OF: dict[Modality, tuple[Signal, ...]] = {
    Modality.VISUAL: (Signal.VISUAL_SIMILARITY, Signal.VISUAL_MARGIN),
    Modality.OCR: (Signal.PACKAGING_TEXT, Signal.OCR_TITLE, Signal.OCR_PRICE),
    Modality.ASR: (Signal.ASR_TITLE, Signal.ASR_PHONETIC, Signal.ASR_SEMANTIC),
    Modality.POST_TEXT: (Signal.POST_TITLE, Signal.BRAND),
    Modality.MERCHANT: (Signal.MERCHANT, Signal.MERCHANT_BACKED),
}


# Signals that count only beside what some other says.
BACKING = frozenset({Signal.MERCHANT_BACKED, Signal.BRAND})


class Trust(StrEnum):
    """What it is worth that a merchant declares a product for a video."""

    LINKED = "linked"
    PRIOR = "prior"
    IGNORED = "ignored"


class Calibration(BaseModel):
    """A logistic model over signals: P(link) = 1 / (1 + exp(-(bias + sum of weight * signal))).

    `pairs` and `positives` tell how many labeled (video, product) pairs it was fitted on;
    `fitted_on` names them. A signal without a weight counts nothing. `trust` is what judged videos
    say of merchants, where somebody asked for it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    fitted_on: str
    pairs: int = Field(ge=0)
    positives: int = Field(ge=0)
    bias: float
    weights: dict[Signal, float]
    trust: dict[str, Trust] = Field(default_factory=dict)
