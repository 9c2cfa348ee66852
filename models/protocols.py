"""What the work asks of a model, and nothing more.

Images are `(H, W, 3)` uint8 RGB arrays of any size. Vectors are `(n, dim)` float32 of unit
length. A model is loaded once per worker and is not shared between threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reelshelf.schemas.media import Pixels, Samples, Vectors
from reelshelf.schemas.release import ModelRef, ModelRefs
from reelshelf.schemas.segments import Box, Utterance


class ImageEncoder(Protocol):
    """Pictures to vectors."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images into `(n, dim)` unit vectors."""
        ...


class TextEncoder(Protocol):
    """Sentences to vectors."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, dim)` unit vectors."""
        ...

    def has_word(self, word: str) -> bool:
        """Whether a lower-case word is one of its vocabulary, and so has a meaning of its own."""
        ...


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, and in which language (BCP-47, None where nothing was said)."""

    utterances: tuple[Utterance, ...]
    language: str | None


class SpeechRecognizer(Protocol):
    """Sound to words."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    def transcribe(self, audio: Samples) -> Transcript:
        """Recognize speech in 16 kHz mono int16 samples."""
        ...


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of text found but not read: where it is, and its pixels turned upright."""

    box: Box
    crop: Pixels


class TextReader(Protocol):
    """Pictures to the words written on them, in two steps so that a line is read only once."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        """Find lines of text, top to bottom."""
        ...

    def recognize(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Read each crop: its text and a confidence in 0..1."""
        ...


@dataclass(frozen=True, slots=True)
class ModelSet:
    """All models of a worker. `joint_text` writes into the image encoder's space, if any can."""

    image: ImageEncoder
    text: TextEncoder
    asr: SpeechRecognizer
    ocr: TextReader
    joint_text: TextEncoder | None

    @property
    def refs(self) -> ModelRefs:
        """The refs of all models."""
        return ModelRefs(
            image=self.image.ref,
            text=self.text.ref,
            asr=self.asr.ref,
            ocr=self.ocr.ref,
            joint_text=self.joint_text.ref if self.joint_text else None,
        )
