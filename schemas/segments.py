"""What the models made of a video: moments with text and vectors."""

from dataclasses import dataclass

from schemas.media import DecodeCounts, Vectors, VideoInfo


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle as fractions of the frame, `0 <= left < right <= 1`."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class ScreenText:
    """One line of on-screen text, where it stood and how long it was seen."""

    text: str
    confidence: float
    start_ms: int
    end_ms: int
    box: Box


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech as recognised; in a segment, one sentence."""

    text: str
    start_ms: int
    end_ms: int
    log_probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A moment of one video.

    `frame_vector` is the unit-length mean of the moment's frame vectors; `text_vector` encodes
    `text`, and is None where nothing was said or written. `utterances` are sentences, and
    `utterance_vectors` is `(sentences, text_dim)`.
    """

    segment_key: str
    start_ms: int
    end_ms: int
    shot_index: int
    keyframe_ms: int
    frame_count: int
    frame_vector: Vectors
    screen_text: tuple[ScreenText, ...]
    utterances: tuple[Utterance, ...]
    utterance_vectors: Vectors
    text: str
    text_vector: Vectors | None


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """How often each model was asked, for the run record and for exact increments."""

    frames_encoded: int = 0
    frames_detected: int = 0
    lines_recognised: int = 0
    audio_ms_heard: int = 0
    texts_encoded: int = 0


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """A video after all models: what the tables store of it."""

    content_sha256: str
    info: VideoInfo
    end_ms: int
    counts: DecodeCounts
    segments: tuple[Segment, ...]
    language: str | None
    calls: ModelCalls
    absent: tuple[str, ...]
