"""What one run is made of."""

from dataclasses import dataclass
from enum import StrEnum

from schemas.keys import fingerprint


@dataclass(frozen=True, slots=True)
class StageFingerprints:
    """What each stage's output depends on: its config, its model, its code version."""

    media: str
    frames: str
    asr: str
    ocr: str
    text: str

    @property
    def together(self) -> str:
        """One fingerprint of all stages, for a video that failed in any of them."""
        return fingerprint([self.media, self.frames, self.asr, self.ocr, self.text])


class Stage(StrEnum):
    """What a run spends its time on. `REST` is the driver: planning, tables, links, indexes."""

    DECODE = "decode"
    FRAMES = "frames"
    OCR = "ocr"
    ASR = "asr"
    TEXT = "text"
    PRODUCTS = "products"
    REST = "rest"


class Ending(StrEnum):
    """How a run ended, in its record."""

    PUBLISHED = "published"
    NOTHING_NEW = "nothing_new"
    GATE_REFUSED = "gate_refused"
    TOO_MANY_FAILURES = "too_many_failures"


# What is made of a video, each from what it is made of: text from what is heard and read.
VIDEO_STAGES = frozenset([Stage.FRAMES, Stage.OCR, Stage.ASR, Stage.TEXT])


def changed_stages(held: StageFingerprints, wanted: StageFingerprints) -> frozenset[Stage]:
    """The stages whose output would differ: all of them where the video is cut differently."""
    if held.media != wanted.media:
        return VIDEO_STAGES
    pairs = {
        Stage.FRAMES: (held.frames, wanted.frames),
        Stage.OCR: (held.ocr, wanted.ocr),
        Stage.ASR: (held.asr, wanted.asr),
        Stage.TEXT: (held.text, wanted.text),
    }
    return frozenset(stage for stage, (old, new) in pairs.items() if old != new)


def after(
    held: StageFingerprints, wanted: StageFingerprints, stages: frozenset[Stage]
) -> StageFingerprints:
    """The fingerprints of a video of which only `stages` are done again."""
    return StageFingerprints(
        media=wanted.media,
        frames=wanted.frames if Stage.FRAMES in stages else held.frames,
        asr=wanted.asr if Stage.ASR in stages else held.asr,
        ocr=wanted.ocr if Stage.OCR in stages else held.ocr,
        text=wanted.text if Stage.TEXT in stages else held.text,
    )


def with_dependants(stages: frozenset[Stage]) -> frozenset[Stage]:
    """These stages and those that read their output."""
    return stages | ({Stage.TEXT} if stages & {Stage.OCR, Stage.ASR} else frozenset())


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one stage: of the CPU, and of a GPU (wall time while a model had its share)."""

    cpu_s: float = 0.0
    gpu_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu_s + other.cpu_s, self.gpu_s + other.gpu_s)
