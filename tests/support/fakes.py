"""Deterministic stand-ins for models: small, fast, and a function of their input alone.

They live beside the tests so that worker processes can import them too.
"""

import hashlib
import os
import signal
import string
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.work import failed, failure
from reelshelf.models.protocols import ModelSet, Sound, TextDetector, Transcript
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import FailureKind, ModelUnavailable
from reelshelf.schemas.media import Box, DecodedVideo, Pixels, Samples, TextLine, Vectors
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from reelshelf.schemas.release import ModelRef
from reelshelf.schemas.segments import Utterance

IMAGE_DIM, TEXT_DIM = 32, 32


def unit(vectors: Vectors) -> Vectors:
    norms = np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return np.asarray(vectors / norms, np.float32)


class FakeImages:
    """Mean colors over a 2 x 2 grid, and their squares: alike pictures get alike vectors."""

    device: Device = "cpu"
    ref = ModelRef(name="fake-images", revision="1", sha256="0", dim=IMAGE_DIM, space="fake-images")

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        rows = np.zeros((len(images), IMAGE_DIM), np.float32)
        for row, image in zip(rows, images, strict=True):
            h, w = (max(1, side // 2) for side in image.shape[:2])
            cells = [image[:h, :w], image[h:, :w], image[:h, w:], image[h:, w:]]
            means = [c.mean(axis=(0, 1)) / 255.0 if c.size else np.zeros(3) for c in cells]
            flat = np.concatenate(means)
            row[:12], row[12:24], row[24] = flat, flat**2, 0.1
        return unit(rows)


class FakeTexts:
    """A bag of hashed words."""

    device: Device = "cpu"
    ref = ModelRef(name="fake-texts", revision="1", sha256="0", dim=TEXT_DIM, space="fake-texts")

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), TEXT_DIM), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[0] = 0.05
            for word in text.lower().split():
                row[int(hashlib.sha256(word.encode()).hexdigest(), 16) % TEXT_DIM] += 1
        return unit(rows)

    def has_word(self, word: str) -> bool:
        return word in {"jacket", "pants", "trial"}


class FakeSpeech:
    """Hears a fixed sentence wherever there is sound."""

    device: Device = "cpu"
    ref = ModelRef(name="fake-speech", revision="1", sha256="0")

    def transcribe(self, sounds: Sequence[Sound]) -> list[Transcript]:
        return [self.hear(sound.samples) for sound in sounds]

    def hear(self, audio: Samples) -> Transcript:
        if not np.abs(audio.astype(np.int32)).max() > 300:
            return Transcript((), None)
        return Transcript((Utterance("a crimson kettle", 0, len(audio) // 16, -0.1),), "en")


class FakeReader:
    """Sees one line where the top left corner is white, and reads how white it is."""

    device: Device = "cpu"
    ref = ModelRef(name="fake-reader", revision="1", sha256="0")
    frame_batch = 1
    reads_together = False
    characters = frozenset(string.printable)

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        return [self.detect(image) for image in images]

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        height, width = image.shape[:2]
        corner = image[: height // 4, : width // 4]
        if corner.mean() < 200:
            return ()
        return (TextLine(Box(0.0, 0.0, 0.25, 0.25), corner),)

    def recognize(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        return [("written words", 0.9) for _ in crops]


class HangingSpeech(FakeSpeech):
    """Never comes back from sound."""

    def hear(self, audio: Samples) -> Transcript:
        time.sleep(3600)
        return super().hear(audio)


class CrashingSpeech(FakeSpeech):
    """Takes its process down on sound, as broken native code does."""

    def hear(self, audio: Samples) -> Transcript:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().hear(audio)


def load_fakes(config: Config) -> ModelSet:
    return ModelSet(FakeImages(), FakeTexts(), FakeSpeech(), FakeReader(), None)


def load_hanging(config: Config) -> ModelSet:
    return ModelSet(FakeImages(), FakeTexts(), HangingSpeech(), FakeReader(), None)


def load_crashing(config: Config) -> ModelSet:
    return ModelSet(FakeImages(), FakeTexts(), CrashingSpeech(), FakeReader(), None)


def load_missing(config: Config) -> ModelSet:
    raise ModelUnavailable("the weights are on holiday: run `pip install holiday`")


def decode_or_misbehave(
    job: VideoJob, config: Config, detector: TextDetector | None = None
) -> DecodedVideo | Divided | Failed:
    """The real decoder, except for videos named after what is to go wrong."""
    if job.source.video_id.startswith("hang"):
        time.sleep(3600)
    if job.source.video_id.startswith("greedy"):
        stored = []
        try:
            while True:
                stored.append(np.ones(1 << 24))  # 128 MB that are really used
        except MemoryError as error:
            return failure(job, "decode", error)
    if job.source.video_id.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return work.decode(job, config, detector)


def decode_never(
    job: VideoJob, config: Config, detector: TextDetector | None = None
) -> DecodedVideo | Divided | Failed:
    """For runs that must not decode anything."""
    raise AssertionError(f"{job.source.video_id} was decoded")


def decode_flaky(
    job: VideoJob, config: Config, detector: TextDetector | None = None
) -> DecodedVideo | Divided | Failed:
    """Says of every video whose id begins with "flaky" that its decoder crashed."""
    if job.source.video_id.startswith("flaky"):
        return failed(job, "decode", FailureKind.CRASHED, "crashed")
    return work.decode(job, config, detector)


class StallingImages(FakeImages):
    """Never comes back."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        time.sleep(3600)
        return super().encode_images(images)


def load_stalling(config: Config) -> ModelSet:
    return ModelSet(StallingImages(), FakeTexts(), FakeSpeech(), FakeReader(), None)


class ChoosyTexts(FakeTexts):
    """Fails on one word."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        if any("unspeakable" in text.lower() for text in texts):
            raise RuntimeError("no such token")
        return super().encode_texts(texts)


def load_choosy(config: Config) -> ModelSet:
    return ModelSet(FakeImages(), ChoosyTexts(), FakeSpeech(), FakeReader(), None)


def load_sick(config: Config) -> ModelSet:
    return ModelSet(SickImages(), FakeTexts(), FakeSpeech(), FakeReader(), None)


class SickImages(FakeImages):
    """Fails on everything, as a GPU does after one sticky error."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def load_one_sick(config: Config) -> ModelSet:
    """The first worker that loads its models is sick, and no other."""
    return _sick_or_well(config, lambda number: number == 0)


def load_sick_slot(config: Config) -> ModelSet:
    """All are sick but the second that loads: as on a node whose GPU is broken."""
    return _sick_or_well(config, lambda number: number != 1)


class SlowImages(FakeImages):
    """Takes its time."""

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        time.sleep(0.4)
        return super().encode_images(images)


def load_sick_slot_beside_a_slow_worker(config: Config) -> ModelSet:
    """The only well worker is long at its first video, while sick ones fail at once."""
    return _sick_or_well(config, lambda number: number != 1, SlowImages())


def load_all_sick(config: Config) -> ModelSet:
    return _sick_or_well(config, lambda number: True)


def _sick_or_well(
    config: Config, is_sick: Callable[[int], bool], well: FakeImages | None = None
) -> ModelSet:
    """Workers count themselves by files in `storage.spool_dir`."""
    folder = Path(str(config.storage.spool_dir))
    for number in range(1000):
        try:
            (folder / f"loaded-{number}").touch(exist_ok=False)
        except FileExistsError:
            continue
        images = SickImages() if is_sick(number) else well or FakeImages()
        return ModelSet(images, FakeTexts(), FakeSpeech(), FakeReader(), None)
    raise AssertionError("a thousand workers")


def decode_slowly(
    job: VideoJob, config: Config, detector: TextDetector | None = None
) -> DecodedVideo | Divided | Failed:
    """The real decoder, slowly; `storage.spool_dir` gets who decoded what, and when."""
    log = Path(str(config.storage.spool_dir)) / f"decoder-{os.getpid()}"
    began = time.monotonic()
    time.sleep(30.0 if job.source.video_id.startswith("long") else 1.0)
    decoded = work.decode(job, config, detector)
    with log.open("a") as lines:
        lines.write(f"{job.source.video_id} {began} {time.monotonic()}\n")
    return decoded


def load_fake_detector(config: Config) -> TextDetector:
    return FakeReader()
