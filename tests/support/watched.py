"""Models that count what they are asked, and an image encoder of another space."""

from collections import Counter
from dataclasses import dataclass, field

from reelshelf.indexer.extract import work
from reelshelf.models.protocols import ModelSet, TextDetector, Transcript
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import DecodedVideo, Pixels, Samples, TextLine, Vectors
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from reelshelf.schemas.release import ModelRef
from tests.support.fakes import FakeImages, FakeReader, FakeSpeech, FakeTexts

WIDE = {"image": {"name": "wide"}}


@dataclass
class Watched:
    """Fake models and a decoder that count what they are asked, by themselves."""

    images: FakeImages = field(default_factory=FakeImages)
    asked: Counter[str] = field(default_factory=Counter)

    def load(self, config: Config) -> ModelSet:
        images, asked = self.images, self.asked

        class Images(FakeImages):
            device = images.device
            ref = images.ref

            def encode_images(self, pixels: list[Pixels]) -> Vectors:  # type: ignore[override]
                asked["images"] += len(pixels)
                return images.encode_images(pixels)

        class Speech(FakeSpeech):
            def hear(self, audio: Samples) -> Transcript:
                asked["speech"] += 1
                return super().hear(audio)

        class Reader(FakeReader):
            def detect(self, image: Pixels) -> tuple[TextLine, ...]:
                asked["reader"] += 1
                return super().detect(image)

        return ModelSet(Images(), FakeTexts(), Speech(), Reader(), None)

    def decode(
        self, job: VideoJob, config: Config, detector: TextDetector | None = None
    ) -> DecodedVideo | Divided | Failed:
        found = work.decode(job, config, detector)
        if isinstance(found, DecodedVideo):
            self.asked["sounds"] += found.audio is not None
            self.asked["pictures"] += bool(found.frames)
        return found


class WideImages(FakeImages):
    """Another encoder, of another dimension."""

    device: Device = "cpu"
    ref = ModelRef(name="wide", revision="1", sha256="1", dim=48, space="wide-images")

    def encode_images(self, images: list[Pixels]) -> Vectors:  # type: ignore[override]
        narrow = super().encode_images(images)
        wide = narrow.repeat(2, axis=1)[:, :48]
        return wide / (wide**2).sum(axis=1, keepdims=True) ** 0.5
