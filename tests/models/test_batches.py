"""Batches of a GPU, on the CPU: the same answers in as few calls as the settings say."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest

from reelshelf.models import batches
from reelshelf.models.offline_visual import OfflineVisual
from reelshelf.models.protocols import Sound
from reelshelf.models.registry import load_text_reader
from reelshelf.models.whisper import load_wheel_whisper
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.media import Pixels
from tests.support.commands import EXAMPLE_SHOP

pytestmark = pytest.mark.integration


@dataclass
class Counted:
    """A network that counts what it is asked."""

    inner: Any
    sizes: list[int] = field(default_factory=list)

    def __call__(self, inputs: Any) -> Any:
        self.sizes.append(len(inputs))
        return self.inner(inputs)


def test_sizes_follow_the_config_then_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "gpu_gigabytes", lambda: 24.0)
    assert batches.CLIP_PICTURES.size(7, "cuda", 1.0) == 7
    assert batches.CLIP_PICTURES.size(0, "cpu", 1.0) == 8
    assert batches.CLIP_PICTURES.size(0, "cuda", 1.0) == 256
    assert batches.CLIP_PICTURES.size(0, "cuda", 0.25) == 64
    assert batches.WINDOWS.size(0, "cuda", 1.0) == 16
    monkeypatch.setattr(batches, "gpu_gigabytes", lambda: 0.5)
    assert batches.WINDOWS.size(0, "cuda", 0.5) == 1


def _frames(number: int, size: tuple[int, int]) -> list[Pixels]:
    frames = []
    for at in range(number):
        frame = np.full((*size, 3), 40 + 10 * at, np.uint8)
        place = (30, 60 + 20 * at)
        cv2.putText(frame, f"LINE {at}", place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, (255,) * 3, 3)
        frames.append(frame)
    return frames


def test_frames_of_one_size_are_searched_together_as_if_one_by_one() -> None:
    reader = load_text_reader(parse_config({}))
    frames = [*_frames(5, (360, 640)), *_frames(3, (480, 270)), np.zeros((360, 640, 3), np.uint8)]
    alone = [reader.detect(frame) for frame in frames]
    network = reader._engine.text_det
    network.session = Counted(network.session)
    together = reader.detect_all(frames)
    assert sorted(network.session.sizes) == [3, 6]
    assert [[line.box for line in lines] for lines in together] == [
        [line.box for line in lines] for lines in alone
    ]
    assert sum(map(len, together)) == 8
    assert together[-1] == ()


def test_views_of_a_batch_go_through_the_network_together() -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (10, 120, 200, 3), dtype=np.uint8))
    alone, batched = OfflineVisual(device="cpu"), OfflineVisual(device="cpu", batch=4)
    asked: Counter[int] = Counter()
    run = batched._session.run

    class Session:
        def run(self, names: None, inputs: dict[str, Any]) -> Any:
            asked[len(inputs["pixels"])] += 1
            return run(names, inputs)

    batched._session = Session()  # type: ignore[assignment]
    vectors = batched.encode_images(pictures)
    assert asked == {16: 2, 8: 1}
    assert (vectors * alone.encode_images(pictures)).sum(axis=1).min() > 0.9999


@pytest.fixture(scope="module")
def sounds() -> list[Sound]:
    """Clips of the example shop in which somebody speaks."""
    from reelshelf.indexer.media.decode import decode_video
    from reelshelf.schemas.config import MediaConfig

    found = []
    for path in sorted((EXAMPLE_SHOP / "videos").glob("*.mp4")):
        video = decode_video(path, MediaConfig(), pictures=False)
        if video.audio is not None:
            found.append(Sound(video.audio, "en"))
        if len(found) == 8:
            break
    return found


def _said(sounds: list[Sound], windows: int) -> tuple[list[str], int]:
    """What is heard in each sound, and in how many calls of the encoder."""
    whisper = load_wheel_whisper(parse_config({"models": {"window_batch": windows}}))
    calls = 0
    encode: Callable[[Any], Any] = whisper._model.encode

    def counted(features: Any) -> Any:
        nonlocal calls
        calls += 1
        return encode(features)

    whisper._model.encode = counted
    heard = whisper.transcribe(sounds)
    return [" ".join(u.text for u in one.utterances) for one in heard], calls


@pytest.mark.slow
def test_windows_are_heard_in_one_call_for_each_batch(sounds: list[Sound]) -> None:
    alone, one_by_one = _said(sounds, 1)
    together, calls = _said(sounds, 4)
    spoken = sum(map(bool, alone))
    assert spoken >= 4
    assert one_by_one >= spoken
    assert calls == math.ceil(spoken / 4)
    # A window is decoded once, and not again from where a sentence ended: a word may differ.
    words = [set(text.lower().split()) for text in (*alone, *together)]
    same = sum(len(a & b) for a, b in zip(words[: len(sounds)], words[len(sounds) :], strict=True))
    assert same >= 0.7 * sum(map(len, words[: len(sounds)]))
