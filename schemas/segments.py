"""What the models made of a video: moments with text and vectors."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum

from reelshelf.schemas.media import Box, DecodeCounts, Vectors, VideoInfo
from reelshelf.schemas.run import Stage


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
    """One stretch of speech as recognized; in a segment, one sentence."""

    text: str
    start_ms: int
    end_ms: int
    log_probability: float


class PostKind(StrEnum):
    """What a shop, or the file itself, says of a video in words."""

    TITLE = "title"
    DESCRIPTION = "description"
    HASHTAGS = "hashtags"
    CHAPTER = "chapter"
    SUBTITLE = "subtitle"


@dataclass(frozen=True, slots=True)
class PostText:
    """A text that comes with a video: of all of it, or of a stretch, as subtitles are.

    What is said of all of it belongs to its first moment. `inside`: it comes from the video's file.
    """

    kind: PostKind
    text: str
    start_ms: int = 0
    end_ms: int = 1
    inside: bool = False

    @property
    def is_timed(self) -> bool:
        """Whether it is of a stretch of the video."""
        return self.kind in (PostKind.CHAPTER, PostKind.SUBTITLE)


def moment_text(lines: Sequence[str], said: Sequence[str], posted: Sequence[str] = ()) -> str:
    """What a reader of a moment would read, each line once.

    First what is on the screen, then what is said, then what was posted with it.
    """
    return "\n".join(dict.fromkeys([*lines, *said, *posted]))


@dataclass(frozen=True, slots=True)
class Segment:
    """A moment of one video.

    `frame_vector` is the unit-length mean of the moment's frame vectors; `text_vector` encodes
    `text`, and is None where nothing was said or written. `utterances` are sentences, and
    `utterance_vectors` is `(sentences, text_dim)`. `terms` are the words of `text` in `language`,
    as full text indexes them; None where the store has no such index.
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
    post_text: tuple[PostText, ...] = ()
    terms: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """What was decoded and how often each model was asked: the run's record, and a plan's."""

    video_ms_decoded: int = 0
    audio_ms_decoded: int = 0
    frames_encoded: int = 0
    frames_detected: int = 0
    lines_recognized: int = 0
    audio_ms_heard: int = 0
    texts_encoded: int = 0

    def of(self, stages: frozenset[str]) -> "ModelCalls":
        """Only what these stages take."""
        names = {name for stage in stages for name in _CALLS[stage]}
        return ModelCalls(**{name: getattr(self, name) for name in names})

    def over(self, before: "ModelCalls") -> "ModelCalls":
        """What all of it takes, where some was asked again: these, or else what it took before."""
        pairs = zip(astuple(self), astuple(before), strict=True)
        return ModelCalls(*(now or then for now, then in pairs))

    def __add__(self, other: "ModelCalls") -> "ModelCalls":
        return ModelCalls(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


_CALLS: dict[str, tuple[str, ...]] = {
    Stage.VISUAL: ("video_ms_decoded", "frames_encoded"),
    Stage.OCR: ("video_ms_decoded", "frames_detected", "lines_recognized"),
    Stage.ASR: ("audio_ms_decoded", "audio_ms_heard"),
    Stage.TEXT: ("texts_encoded",),
}


@dataclass(frozen=True, slots=True)
class SegmentedVideo:
    """A video after all models: what the tables store of it.

    `calls` is what all of it takes, `asked` what was asked for this time.
    """

    content_sha256: str
    info: VideoInfo
    end_ms: int
    counts: DecodeCounts
    segments: tuple[Segment, ...]
    language: str | None
    calls: ModelCalls
    asked: ModelCalls
    absent: tuple[str, ...]
