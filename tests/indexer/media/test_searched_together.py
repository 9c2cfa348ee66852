"""Frames of a video are searched for text in batches, and each gets its own lines."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from reelshelf.indexer.extract.ocr import EdgeGated
from reelshelf.indexer.media.decode import decode_video
from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Box, Pixels, TextLine
from tests.support.clips import TEN_COLORS, write_clip


class Corners:
    """Finds the left top corner of a picture, whose color tells which one it is."""

    def __init__(self, frame_batch: int) -> None:
        self.frame_batch = frame_batch
        self.asked: list[int] = []

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        return (TextLine(Box(0.0, 0.0, 0.5, 0.5), image[:8, :8]),)

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        self.asked.append(len(images))
        return [self.detect(image) for image in images]


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_frames_are_searched_in_batches_and_keep_their_lines(tmp_path: Path, batch: int) -> None:
    path = write_clip(tmp_path / "a.mp4", TEN_COLORS)
    corners = Corners(batch)
    frames = decode_video(path, MediaConfig(), detector=corners).frames
    assert len(corners.asked) == math.ceil(len(frames) / batch)
    assert sum(corners.asked) == len(frames) == 10
    for frame in frames:
        assert frame.lines is not None
        (line,) = frame.lines
        assert abs(int(line.crop.mean()) - int(frame.pixels[:8, :8].mean())) <= 4


def test_a_batch_in_which_some_have_no_edges_asks_for_the_others_alone(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", TEN_COLORS)
    corners = Corners(64)
    gated: TextDetector = EdgeGated(corners, min_edge_density=1.0)
    frames = decode_video(path, MediaConfig(), detector=gated).frames
    assert corners.asked == []
    assert all(frame.lines == () for frame in frames)
