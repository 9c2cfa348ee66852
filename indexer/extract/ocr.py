"""Reading what is written on screen, each line once.

A caption usually stays for seconds while the picture moves behind it, so comparing whole frames
saves nothing under a pan. Lines are followed instead: the decoder has every frame that it takes
searched for lines, in the frame's own resolution, and a line that stands where one stood before and
looks as it did is the same line, with no need to read it again.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from reelshelf.models.protocols import TextDetector, TextReader
from reelshelf.schemas.config import OcrConfig
from reelshelf.schemas.media import Box, Pixels, TextLine, TimedFrame, Vectors
from reelshelf.schemas.segments import ScreenText

_PATCH = (96, 16)
_PICTURE_SIDE = 640


@dataclass(slots=True)
class _Track:
    """One line on screen, from the frame it appeared in to the last it was seen in."""

    box: Box
    patch: Vectors
    crop: Pixels
    first_ms: int
    last_ms: int
    text: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The lines of a video, and what finding them took."""

    lines: tuple[ScreenText, ...]
    frames_detected: int
    lines_recognized: int


def read_frames(
    frames: Sequence[TimedFrame],
    reader: TextReader,
    config: OcrConfig,
    *,
    end_ms: int,
    cuts: Sequence[int] = (),
) -> Reading:
    """Read all on-screen text of one video.

    `frames` and the times of `cuts` are in order. A line that a frame shows and the next one does
    not lasts until the first cut between them, or until that next frame; at last until `end_ms`.
    A line is followed by its looks, and so read after all frames have been seen.
    """
    open_tracks: list[_Track] = []
    gone: list[tuple[_Track, int]] = []
    appeared: list[list[_Track]] = []
    detected = 0
    for frame in frames:
        seen: list[_Track] = []
        fresh: list[_Track] = []
        detected += frame.lines is not None
        for line in frame.lines or ():
            track = _same_line(line, open_tracks, config.same_text)
            if track is None:
                patch = _patch(line.crop)
                fresh.append(_Track(line.box, patch, line.crop, frame.time_ms, frame.time_ms))
                continue
            open_tracks.remove(track)
            track.last_ms = frame.time_ms
            seen.append(track)
        appeared.append(fresh)
        gone += [(track, frame.time_ms) for track in open_tracks]
        open_tracks = [*seen, *fresh]
    gone += [(track, end_ms) for track in open_tracks]
    _read(appeared, reader)
    closed = [_closed(track, at_ms, cuts) for track, at_ms in gone]
    lines = [line for line in closed if line.text and line.confidence >= config.min_confidence]
    lines.sort(key=line_order)
    return Reading(tuple(lines), detected, sum(map(len, appeared)))


def line_order(line: ScreenText) -> tuple[int, float, float, str]:
    """By time, then top to bottom, left to right."""
    return line.start_ms, line.box.top, line.box.left, line.text


def read_picture(pixels: Pixels, reader: TextReader, config: OcrConfig) -> tuple[str, ...]:
    """The lines on one still picture, top to bottom: what is printed on a product."""
    # Catalog pictures are often small, and print on a pack is smaller; letters need pixels.
    scale = _PICTURE_SIDE / max(pixels.shape[:2])
    if scale > 1.0:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    read = reader.recognize([line.crop for line in reader.detect(pixels)])
    return tuple(text for text, confidence in read if text and confidence >= config.min_confidence)


@dataclass(frozen=True, slots=True)
class EdgeGated:
    """A detector that is asked only about pictures with enough of the hard edges letters have."""

    detector: TextDetector
    min_edge_density: float

    @property
    def frame_batch(self) -> int:
        """As of the detector."""
        return self.detector.frame_batch

    def detect_all(self, images: Sequence[Pixels]) -> list[tuple[TextLine, ...]]:
        """Lines of text on each picture."""
        has = [self._has_edges(image) for image in images]
        searched = [image for image, it_has in zip(images, has, strict=True) if it_has]
        found = iter(self.detector.detect_all(searched) if searched else [])
        return [next(found) if it_has else () for it_has in has]

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        """Lines of text, none where there are too few edges for any."""
        return self.detector.detect(image) if self._has_edges(image) else ()

    def _has_edges(self, image: Pixels) -> bool:
        small = cv2.resize(image, (320, 320), interpolation=cv2.INTER_AREA)
        gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        edges = np.abs(cv2.Sobel(gray, cv2.CV_16S, 1, 0, ksize=3))
        return float((edges > 120).mean()) >= self.min_edge_density


def _read(appeared: Sequence[Sequence[_Track]], reader: TextReader) -> None:
    """Read the lines that appeared in each frame, by frame or, where it is better, together."""
    groups = [[t for tracks in appeared for t in tracks]] if reader.reads_together else appeared
    for tracks in groups:
        read = reader.recognize([track.crop for track in tracks])
        for track, (text, confidence) in zip(tracks, read, strict=True):
            track.text, track.confidence = text, confidence


def _same_line(line: TextLine, tracks: Sequence[_Track], threshold: float) -> _Track | None:
    """The track that stood here and looked like this, if any."""
    patch = None
    for track in tracks:
        if _overlap(line.box, track.box) < 0.5:
            continue
        patch = _patch(line.crop) if patch is None else patch
        if float((patch * track.patch).sum()) >= threshold:
            return track
    return None


def _patch(crop: Pixels) -> Vectors:
    """A small normalized picture of a line; the dot product of two is their correlation."""
    gray = cv2.cvtColor(
        cv2.resize(np.ascontiguousarray(crop), _PATCH, interpolation=cv2.INTER_AREA),
        cv2.COLOR_RGB2GRAY,
    ).astype(np.float32)
    centered = gray - gray.mean()
    return np.asarray(centered / max(float(np.linalg.norm(centered)), 1e-6), np.float32)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a.right, b.right) - max(a.left, b.left)
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box.right - box.left) * (box.bottom - box.top) for box in (a, b))
    return width * height / (areas - width * height)


def _closed(track: _Track, gone_ms: int, cuts: Sequence[int]) -> ScreenText:
    following = bisect_right(cuts, track.last_ms)
    if following < len(cuts):
        gone_ms = min(gone_ms, cuts[following])
    end = max(gone_ms, track.last_ms + 1)
    return ScreenText(track.text, track.confidence, track.first_ms, end, track.box)
