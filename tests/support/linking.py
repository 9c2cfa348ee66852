"""Hand-made vectors, moments and weights for tests of linking."""

import numpy as np

from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.media import Box, Vectors
from reelshelf.schemas.segments import ScreenText, Segment, Utterance

DIM = 64
# Written by hand, so that what is tested does not move with the calibration that ships.
CALIBRATION = Calibration(
    fitted_on="tests",
    pairs=0,
    positives=0,
    bias=-4.0,
    weights={
        Signal.VISUAL_SIMILARITY: 9.0,
        Signal.VISUAL_MARGIN: 4.0,
        Signal.PACKAGING_TEXT: 2.0,
        Signal.OCR_TITLE: 6.0,
        Signal.ASR_TITLE: 6.0,
        Signal.ASR_PHONETIC: 1.0,
        Signal.ASR_SEMANTIC: 2.0,
        Signal.MERCHANT: 1.0,
        Signal.MERCHANT_BACKED: 3.0,
    },
)


def axis(*places: int) -> Vectors:
    vector = np.zeros(DIM, np.float32)
    vector[list(places)] = 1.0
    return vector / np.linalg.norm(vector)


def noise(seed: int, count: int) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def segment(
    start: int, frame: Vectors, *, written: str = "", said: str = "", meant: Vectors | None = None
) -> Segment:
    line = ScreenText(written, 0.9, start, start + 1500, Box(0, 0, 0.5, 0.1))
    utterance = Utterance(said, start, start + 1800, -0.2)
    return Segment(
        segment_key=f"s{start}",
        start_ms=start,
        end_ms=start + 2000,
        shot_index=0,
        keyframe_ms=start + 100,
        frame_count=1,
        frame_vector=frame,
        screen_text=(line,) if written else (),
        utterances=(utterance,) if said else (),
        utterance_vectors=np.array([axis(60) if meant is None else meant])[: bool(said)],
        text=f"{written}\n{said}".strip(),
        text_vector=None,
    )
