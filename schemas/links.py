"""A video and a SKU it sells, with the reasons."""

from dataclasses import dataclass
from enum import StrEnum

from reelshelf.schemas.media import Box
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.segments import Segment


class Modality(StrEnum):
    """Where evidence for a link can come from.

    `OCR` is on-screen text, `ASR` the transcript, `POST_TEXT` what comes with a video as text: its
    title, description, hashtags, chapters and subtitles; `MERCHANT` is what the merchant declares.
    """

    VISUAL = "visual"
    OCR = "ocr"
    ASR = "asr"
    POST_TEXT = "post_text"
    MERCHANT = "merchant"


class VariantState(StrEnum):
    """Whether it is known which variant of a group a link is of."""

    KNOWN = "known"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open stretch of a video in milliseconds."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason for a link.

    `score` is the probability this reason gives alone. `text` holds the words read or heard,
    `box` where they stood, `image` the product picture that the frame resembled.
    """

    modality: Modality
    span: Span | None
    at_ms: int | None
    score: float
    text: str | None = None
    box: Box | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class Showing:
    """A stretch of a live that shows or names a product.

    `replaced_ms` is when the live turned to another one, `replaced_by` its SKU; None where it did
    not. The first one of a product is its introduction.
    """

    start_ms: int
    end_ms: int
    replaced_ms: int | None = None
    replaced_by: str | None = None


@dataclass(frozen=True, slots=True)
class ProductLink:
    """A scored (video, SKU) pair.

    `scores` has one entry for every modality that has matchers, 0 where it is silent. `group_id` is
    of the product's variants, None for one alone; where it is not known which of them the video
    shows, each has a link with the score of the group, and `variant` says so. `override` is
    the override that it stands on, whatever speaks for it. `timeline` is that of a live.
    """

    video_key: str
    product_key: str
    sku: str
    score: float
    scores: tuple[tuple[Modality, float], ...]
    spans: tuple[Span, ...]
    evidence: tuple[Evidence, ...]
    group_id: str | None = None
    variant: VariantState | None = None
    override: Override | None = None
    timeline: tuple[Showing, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkableVideo:
    """What linking knows of a video."""

    video_key: str
    merchant_skus: tuple[str, ...]
    segments: tuple[Segment, ...]
    merchant_id: str | None = None
    is_live: bool = False
