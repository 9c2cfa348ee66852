"""Product pictures of any mode and depth, as a viewer shows them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from reelshelf.models.pictures import load_picture

GREY = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8) * 2
CHANNELS = [Image.fromarray(GREY), Image.fromarray(GREY.T // 2), Image.new("L", (64, 64), 90)]
COLOR = Image.merge("RGB", CHANNELS)


def loaded(folder: Path, picture: Image.Image, name: str, **options: object) -> np.ndarray:
    path = folder / name
    picture.save(path, **options)  # type: ignore[arg-type]
    return load_picture(path).astype(np.float64)


@pytest.mark.parametrize("name", ["deep.png", "deep.tiff"])
def test_sixteen_bits_look_like_eight(tmp_path: Path, name: str) -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert np.abs(loaded(tmp_path, deep, name) - GREY[:, :, None]).max() <= 1


@pytest.mark.parametrize("scale", [1 / 255, 1.0, 257.0, 1e6])
def test_floats_of_any_scale_keep_their_picture(tmp_path: Path, scale: float) -> None:
    found = loaded(tmp_path, Image.fromarray(GREY.astype(np.float32) * scale), "float.tiff")
    shown = found[:, :, 0]
    assert np.corrcoef(shown.ravel(), GREY.ravel())[0, 1] > 0.999
    assert shown.max() > 200


@pytest.mark.parametrize(
    ("mode", "name", "off"),
    [("CMYK", "c.tiff", 1), ("CMYK", "c.jpg", 6), ("YCbCr", "y.jpg", 6), ("LAB", "l.tiff", 6),
     ("RGBA", "a.png", 0), ("P", "p.png", 40), ("L", "l.png", 90), ("RGB", "w.webp", 8)],
)  # fmt: skip
def test_colors_of_every_mode_are_those_of_the_picture(
    tmp_path: Path, mode: str, name: str, off: float
) -> None:
    found = loaded(tmp_path, COLOR.convert(mode), name)
    assert np.abs(found - np.asarray(COLOR, np.float64)).mean() <= off


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = COLOR.convert("P")
    found = loaded(tmp_path, clear, "t.png", transparency=clear.getpixel((0, 0)))
    assert found[0, 0].tolist() == [255, 255, 255]
    deep = Image.fromarray(np.full((8, 8), 7, np.uint16))
    assert loaded(tmp_path, deep, "d.png", transparency=7).min() == 255


def test_a_color_profile_is_applied_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    plain = loaded(tmp_path, COLOR, "plain.png")
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # A space whose red is our green, and the other way round.
    swapped = same.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    assert np.abs(loaded(tmp_path, COLOR, "same.png", icc_profile=same) - plain).max() <= 1
    assert (loaded(tmp_path, COLOR, "broken.png", icc_profile=b"no profile") == plain).all()
    found = loaded(tmp_path, COLOR, "swapped.png", icc_profile=swapped)
    assert np.abs(found - plain[:, :, [1, 0, 2]]).mean() < 3


def test_pictures_stand_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = loaded(tmp_path, COLOR, "turned.png", exif=exif)
    assert np.abs(found - np.rot90(np.asarray(COLOR, np.float64), -1)).max() == 0


def test_what_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"\x89PNG and nothing else")
    with pytest.raises(ValueError, match="no picture"):
        load_picture(path)
    whole = io.BytesIO()
    COLOR.save(whole, "PNG")
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ValueError, match="broken"):
        load_picture(path)
