"""What the work asks of a model, and nothing more.

Images are `(H, W, 3)` uint8 RGB arrays of any size. Vectors are `(n, dim)` float32 of unit
length. A model is loaded once per worker and is not shared between threads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from reelshelf.schemas.devices import Device, ModelDevices
from reelshelf.schemas.media import Pixels, Samples, TextLine, Vectors
from reelshelf.schemas.release import ModelRef, ModelRefs
from reelshelf.schemas.segments import Utterance


class ImageEncoder(Protocol):
    """Pictures to vectors."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    @property
    def device(self) -> Device:
        """What it runs on, as it says itself once it is loaded."""
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

    @property
    def device(self) -> Device:
        """What it runs on, as it says itself once it is loaded."""
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


@dataclass(frozen=True, slots=True)
class Sound:
    """16 kHz mono int16 samples of one video, and what is known of what is said there.

    `language` is BCP-47, `hotwords` are names that are likely to be said; both may be unknown.
    """

    samples: Samples
    language: str | None = None
    hotwords: tuple[str, ...] = ()


class SpeechRecognizer(Protocol):
    """Sound to words."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    @property
    def device(self) -> Device:
        """What it runs on, as it says itself once it is loaded."""
        ...

    def transcribe(self, sounds: Sequence[Sound]) -> list[Transcript]:
        """Recognize speech in several pieces of sound at once; one transcript for each."""
        ...


class TextDetector(Protocol):
    """Finds where something is written."""

    @property
    def frame_batch(self) -> int:
        """How many pictures are best searched together where it runs."""
        ...

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        """Find lines of text, top to bottom."""
        ...

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        """Find lines of text on each of several pictures, as if one by one."""
        ...


class TextReader(TextDetector, Protocol):
    """Pictures to the words written on them, in two steps so that a line is read only once."""

    @property
    def ref(self) -> ModelRef:
        """Which model this is."""
        ...

    @property
    def device(self) -> Device:
        """What it runs on, as it says itself once it is loaded."""
        ...

    @property
    def characters(self) -> frozenset[str]:
        """All characters that it can read. Of others it writes those that look like them."""
        ...

    @property
    def reads_together(self) -> bool:
        """Whether many lines are best read in one call where it runs."""
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

    @property
    def devices(self) -> ModelDevices:
        """What each of them runs on."""
        return ModelDevices(
            image=self.image.device,
            text=self.text.device,
            asr=self.asr.device,
            ocr=self.ocr.device,
        )
