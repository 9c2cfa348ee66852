"""What one run is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StageFingerprints:
    """What each stage's output depends on: its config, its model, its code version."""

    media: str
    frames: str
    asr: str
    ocr: str
    text: str
