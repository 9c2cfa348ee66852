"""From a decoded frame to the picture that a player shows: colors, sides and shape."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np
from av.sidedata.sidedata import SideData, Type
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from reelshelf.indexer.media.decoder import check_size, scaled_size
from reelshelf.indexer.media.hdr import HLG, PQ, tone_mapped
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Pixels

_UNSPECIFIED = 2
# Frames of this size and more are HD, and untagged ones are of BT.709 (as players assume).
_HD_WIDTH, _HD_HEIGHT = 1280, 720
_MATRIX = struct.Struct("<9i")


@dataclass(frozen=True, slots=True)
class Orientation:
    """How decoded pixels are turned for display: axes swapped first, then each flipped or not."""

    swapped: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> "Orientation":
        """What the display matrix of a frame asks for, in quarter turns and mirrorings.

        A matrix maps `(x, y)` to `(a x + c y, b x + d y)`, with y pointing down.
        """
        # Each piece is a buffer, whatever the stubs say.
        for data in cast("Iterable[SideData]", frame.side_data):
            if data.type is Type.DISPLAYMATRIX and len(bytes(data)) >= _MATRIX.size:
                a, b, _, c, d, *_ = _MATRIX.unpack_from(bytes(data))
                if abs(a) + abs(d) >= abs(b) + abs(c):
                    return cls(False, a < 0, d < 0)
                return cls(True, c < 0, b < 0)
        return cls()

    @property
    def rotation(self) -> int:
        """The turn in degrees, counterclockwise; of a mirrored picture the nearest."""
        if self.swapped:
            return 90 if self.flip_y else 270
        return 180 if self.flip_x and self.flip_y else 0

    def apply(self, pixels: Pixels) -> Pixels:
        """Turn a picture."""
        if self.swapped:
            pixels = pixels.transpose(1, 0, 2)
        rows = slice(None, None, -1) if self.flip_y else slice(None)
        columns = slice(None, None, -1) if self.flip_x else slice(None)
        return np.ascontiguousarray(pixels[rows, columns])


def display_width(width: int, aspect: Fraction | None) -> int:
    """Width on a screen of square pixels."""
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return width
    return max(2, round(width * aspect))


class Renderer:
    """Makes pictures of the frames of one video.

    It keeps what scaling a frame is set up with, which costs more than scaling a small one.
    """

    def __init__(self, aspect: Fraction | None, config: MediaConfig) -> None:
        self._aspect = aspect
        self._config = config
        self._scalers: dict[int | None, VideoReformatter] = {}

    def render(self, frame: VideoFrame, side: int | None, orientation: Orientation) -> Pixels:
        """The frame as `(H, W, 3)` uint8 RGB, upright, its long side at most `side`, if given."""
        # A stream may change its size on the way: each frame is measured anew.
        check_size(frame.width, frame.height, self._config)
        shown = display_width(frame.width, self._aspect)
        width, height = scaled_size(shown, frame.height, side or max(shown, frame.height))
        scaler = self._scalers.setdefault(side, VideoReformatter())
        bright = frame.color_trc in (PQ, HLG)
        made = scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le" if bright else "rgb24",
            src_colorspace=_source(frame),
        ).to_ndarray()
        if bright:
            return orientation.apply(tone_mapped(np.asarray(made, np.uint16), frame.color_trc))
        return orientation.apply(np.asarray(made, np.uint8))


def _source(frame: VideoFrame) -> int | None:
    """How the colors of a frame were encoded, where the decoder would guess wrong."""
    if frame.format.is_rgb or frame.colorspace not in (0, _UNSPECIFIED):
        return None
    if frame.color_trc in (PQ, HLG):
        return int(Colorspace.BT2020)
    if frame.width >= _HD_WIDTH or frame.height >= _HD_HEIGHT:
        return int(Colorspace.ITU709)
    return None
