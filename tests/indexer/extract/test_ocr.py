import string
from collections.abc import Sequence

import numpy as np

from reelshelf.indexer.extract.ocr import EdgeGated, read_frames
from reelshelf.schemas.config import OcrConfig
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Box, Pixels, TextLine, TimedFrame
from reelshelf.schemas.release import ModelRef

CONFIG = OcrConfig()
TOP = Box(0.1, 0.1, 0.6, 0.2)
LOW = Box(0.1, 0.7, 0.6, 0.8)


class Script:
    """Finds on each frame what a script says; each text has a picture of its own."""

    device: Device = "cpu"
    ref = ModelRef(name="script", revision="1", sha256="0")

    frame_batch = 1

    def __init__(self, *, reads_together: bool = False) -> None:
        self.reads_together = reads_together
        self.read: list[str] = []
        self.calls = 0

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        return [self.detect(image) for image in images]

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        raise AssertionError("lines are found where frames are decoded")

    characters = frozenset(string.printable)

    def recognize(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        texts = [next(t for t in TEXTS if np.array_equal(_picture(t), crop)) for crop in crops]
        self.read += texts
        self.calls += bool(texts)
        return [(text, 0.3 if text == "smudge" else 0.95) for text in texts]


TEXTS = ("first line", "second line", "smudge", "")


def _picture(text: str) -> Pixels:
    rng = np.random.default_rng(TEXTS.index(text))
    return rng.integers(0, 255, (16, 96, 3), dtype=np.uint8)


def frames(script: Sequence[Sequence[tuple[str, Box]]]) -> list[TimedFrame]:
    """A frame a second, with the lines that a script says were found on it."""
    blank = np.zeros((64, 64, 3), np.uint8)
    found = [tuple(TextLine(box, _picture(text)) for text, box in lines) for lines in script]
    return [TimedFrame(i * 1000, blank, lines) for i, lines in enumerate(found)]


def test_a_line_that_stays_is_read_once_and_lasts_until_it_is_gone() -> None:
    reader = Script()
    script = [[("first line", TOP)]] * 3 + [[]]
    result = read_frames(frames(script), reader, CONFIG, end_ms=4000)
    (line,) = result.lines
    assert (line.text, line.start_ms, line.end_ms) == ("first line", 0, 3000)
    assert reader.read == ["first line"]
    assert (result.frames_detected, result.lines_recognized) == (4, 1)


def test_lines_of_all_frames_are_read_in_one_call_where_that_is_better() -> None:
    script = [[("first line", TOP)], [("second line", TOP)], [], [("first line", LOW)]]
    one_by_one, together = Script(), Script(reads_together=True)
    first = read_frames(frames(script), one_by_one, CONFIG, end_ms=4000)
    second = read_frames(frames(script), together, CONFIG, end_ms=4000)
    assert first == second
    assert (one_by_one.calls, together.calls) == (3, 1)


def test_a_line_ends_with_the_shot_that_shows_it_last() -> None:
    script = [[("first line", TOP)], [("first line", TOP)], [], []]
    lines = read_frames(
        frames(script), Script(), CONFIG, end_ms=4000, cuts=[0, 500, 1200, 3000]
    ).lines
    assert [(i.start_ms, i.end_ms) for i in lines] == [(0, 1200)]


def test_another_line_in_the_same_place_is_read_anew() -> None:
    script = [[("first line", TOP)], [("second line", TOP)]]
    lines = read_frames(frames(script), Script(), CONFIG, end_ms=2500).lines
    assert [(i.text, i.start_ms, i.end_ms) for i in lines] == [
        ("first line", 0, 1000),
        ("second line", 1000, 2500),
    ]


def test_the_same_words_in_another_place_are_another_line() -> None:
    script = [[("first line", TOP)], [("first line", LOW)]]
    assert len(read_frames(frames(script), Script(), CONFIG, end_ms=2000).lines) == 2


def test_what_was_read_without_confidence_is_dropped() -> None:
    script = [[("smudge", TOP), ("", LOW)]]
    assert read_frames(frames(script), Script(), CONFIG, end_ms=1000).lines == ()


def test_where_it_is_asked_for_a_blank_picture_is_not_searched() -> None:
    class Everywhere:
        frame_batch = 1

        def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
            return [self.detect(image) for image in images]

        def detect(self, image: Pixels) -> tuple[TextLine, ...]:
            return (TextLine(TOP, image),)

    blank = np.full((200, 200, 3), 120, np.uint8)
    lettered = blank.copy()
    lettered[60:120, 20:180:8] = 255
    gated = EdgeGated(Everywhere(), 0.01)
    assert gated.detect(blank) == ()
    assert len(gated.detect(lettered)) == 1
