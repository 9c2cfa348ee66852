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


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one stage: of the CPU, and of a GPU (wall time while a model had its share)."""

    cpu_s: float = 0.0
    gpu_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu_s + other.cpu_s, self.gpu_s + other.gpu_s)
