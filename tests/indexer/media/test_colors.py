"""Colors, sides and fields as a player shows them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorTrc

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.hdr import HLG, PQ
from reelshelf.indexer.media.picture import Orientation, Renderer
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Pixels

CONFIG = MediaConfig()
BT709, BT2020 = 1, 9
# Levels of 255 by which own and FFmpeg's conversion may differ below the knee.
SAME = 3


def flat_frame(codes: tuple[int, int, int], size: tuple[int, int], pix_fmt: str) -> av.VideoFrame:
    """A frame of one color, given as code values of Y, U and V."""
    frame = av.VideoFrame(*size, pix_fmt)
    depth = np.uint16 if pix_fmt.endswith("le") else np.uint8
    for plane, code in zip(frame.planes, codes, strict=True):
        row = np.full(plane.line_size // np.dtype(depth).itemsize, code, depth)
        plane.update(np.tile(row, (plane.height, 1)).tobytes())
    return frame


def bt709_codes(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """ITU-R BT.709, limited range, 8 bits."""
    r, g, b = (value / 255 for value in rgb)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return (
        round(16 + 219 * y),
        round(128 + 224 * (b - y) / 1.8556),
        round(128 + 224 * (r - y) / 1.5748),
    )


def shown(frame: av.VideoFrame) -> Pixels:
    pixels = Renderer(None, CONFIG).render(frame, None, Orientation())
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].astype(int)


def test_hd_without_a_tag_is_bt709() -> None:
    color = (200, 30, 40)
    found = shown(flat_frame(bt709_codes(color), (1280, 720), "yuv420p"))
    assert np.abs(found - color).max() <= 2


def test_a_tag_counts_more_than_a_size() -> None:
    frame = flat_frame(bt709_codes((200, 30, 40)), (320, 240), "yuv420p")
    frame.colorspace = BT709
    assert np.abs(shown(frame) - (200, 30, 40)).max() <= 2


def pq_code(light: float) -> int:
    """10 bits, limited range, for light in cd/m2 (SMPTE ST 2084)."""
    power = (light / 10_000) ** (2610 / 16384)
    code = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    return round(64 + 876 * code)


def hdr_frame(code: int, transfer: int) -> av.VideoFrame:
    frame = flat_frame((code, 512, 512), (64, 64), "yuv420p10le")
    frame.colorspace, frame.color_range = BT2020, 1
    frame.color_trc, frame.color_primaries = transfer, BT2020
    return frame


@pytest.mark.slow
@pytest.mark.parametrize("light", [1, 5, 20, 50, 80])
def test_pq_below_its_highlights_is_as_ffmpeg_converts_it(light: int) -> None:
    frame = hdr_frame(pq_code(light), PQ)
    theirs = frame.reformat(
        format="rgb24", dst_color_trc=ColorTrc.BT709, dst_color_primaries=ColorPrimaries.BT709
    ).to_ndarray()[32, 32]
    assert np.abs(shown(frame) - theirs).max() <= SAME


def test_highlights_of_pq_stay_apart_and_white_is_white() -> None:
    levels = [int(shown(hdr_frame(pq_code(light), PQ))[0]) for light in (50, 100, 203, 400, 1000)]
    assert levels == sorted(set(levels))
    assert levels[-1] == 255
    assert shown(hdr_frame(pq_code(203), PQ))[0] > 200  # and not the grey 147 of its code


def test_hlg_is_tone_mapped() -> None:
    # 75 % of the signal is diffuse white (ITU-R BT.2408).
    white = int(shown(hdr_frame(64 + round(0.75 * 876), HLG))[0])
    gray = int(shown(hdr_frame(64 + round(0.38 * 876), HLG))[0])
    assert 200 < white < 255
    # 26 cd/m2 of a gray card, beside 203 of white.
    assert gray == pytest.approx(255 * (26 / 203) ** (1 / 2.4), abs=8)


def write(path: Path, pictures: list[Pixels], **options: str) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "10", **options})
        stream.width, stream.height = pictures[0].shape[1], pictures[0].shape[0]
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def test_interlaced_pictures_have_no_combs(tmp_path: Path) -> None:
    """A bar that moves: its two fields are of different instants."""
    pictures = []
    for number in range(25):
        picture = np.full((128, 192, 3), 20, np.uint8)
        for field in (0, 1):
            left = 6 * number + 3 * field
            picture[field::2, left : left + 24] = 230
        pictures.append(picture)
    combed, whole = tmp_path / "i.mp4", tmp_path / "p.mp4"
    write(combed, pictures, **{"x264-params": "interlaced=1:tff=1"})
    write(whole, pictures)

    def combs(path: Path) -> float:
        frame = decode_video(path, MediaConfig()).frames[0].pixels.astype(int)[..., 0]
        return float(np.abs(2 * frame[1:-1] - frame[:-2] - frame[2:]).mean())

    assert combs(combed) < 0.35 * combs(whole)


@pytest.mark.parametrize(("turn", "mirrored"), [(t, m) for t in (0, 90, 180, 270) for m in (0, 1)])
def test_pictures_are_turned_as_their_matrix_says(
    tmp_path: Path, turn: int, mirrored: bool
) -> None:
    picture = np.full((96, 128, 3), 30, np.uint8)
    picture[:48, :64] = (210, 40, 40)
    picture[:48, 64:] = (40, 200, 50)
    picture[48:, :64] = (40, 60, 210)
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=5, options={"crf": "8"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.set_display_rotation(turn, hflip=bool(mirrored))
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with av.open(str(path)) as container:
        decoded = next(container.decode(video=0))
        told = [bytes(data) for data in decoded.side_data if data.type.name == "DISPLAYMATRIX"]
    assert bool(told) == bool(turn or mirrored)
    expected = picture
    for matrix in told:
        expected = by_matrix(picture, np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2] / 65536)
    found = decode_video(path, MediaConfig()).frames[0].pixels
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).mean() < 12


def by_matrix(picture: Pixels, matrix: np.ndarray) -> Pixels:
    """Each pixel moved to where a display matrix sends it: `(x, y)` times the matrix."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    moved = np.stack([x.ravel(), y.ravel()], 1) @ matrix
    moved = np.round(moved - moved.min(axis=0)).astype(int)
    shape = moved.max(axis=0)[::-1] + 1
    out = np.zeros((*shape, 3), np.uint8)
    out[moved[:, 1], moved[:, 0]] = picture.reshape(-1, 3)
    return out
