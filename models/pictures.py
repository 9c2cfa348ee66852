"""Product pictures as a viewer shows them: upright, in sRGB, eight bits, on white."""

import io
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from reelshelf.schemas.media import Pixels

_MAX_PIXELS = 50_000_000
_SIDE = 640
# Modes whose one channel has more than eight bits.
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_SIXTEEN_BITS = 65_535
# Spaces that a profile turns into sRGB; of others, such as grey, a profile changes nothing to see.
_WITH_PROFILES = ("RGB", "CMYK")


def load_picture(
    source: Path | BinaryIO,
    *,
    formats: tuple[str, ...] | None = None,
    most_pixels: int = _MAX_PIXELS,
) -> Pixels:
    """Read a picture upright as RGB, transparent parts white, its long side at most 640.

    `formats` are the only ones of Pillow that are tried, None for all that it knows. Raises
    ValueError with the reason where it is broken, no picture, or far too large.
    """
    try:
        with Image.open(source, formats=formats) as opened:
            if opened.width * opened.height > most_pixels:
                raise ValueError(f"has {opened.width}x{opened.height} pixels, too many to decode")
            opened.draft(None, (_SIDE * 2, _SIDE * 2))
            picture = _in_eight_bits(ImageOps.exif_transpose(opened))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError("is no picture that can be read") from error
    except ValueError:
        raise
    except (
        Exception
    ) as error:  # Pillow's decoders raise whatever a broken file makes them stumble over
        raise ValueError(f"is broken: {error}") from error
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """Any picture as RGBA of sRGB."""
    if picture.mode in _DEEP:
        return _from_deep(picture)
    return _in_srgb(picture).convert("RGBA")


def _from_deep(picture: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits, or of floats, as the nearest eight; Pillow's own would cut it off."""
    # What is much larger than it is shown is thinned out, not averaged: deep pictures are rare.
    step = max(1, min(picture.size) // (2 * _SIDE))
    values = np.asarray(picture)[::step, ::step].astype(np.float32)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    if picture.mode == "F" and top <= 1.0:
        scale = 255.0
    elif picture.mode in ("I", "F") and top <= 255:
        scale = 1.0
    elif top <= _SIXTEEN_BITS:
        scale = 255.0 / _SIXTEEN_BITS
    else:
        scale = 255.0 / top
    grey = np.clip(np.round(values * scale), 0, 255).astype(np.uint8)
    made = Image.fromarray(grey)
    gap = picture.info.get("transparency")
    if isinstance(gap, int):
        made.putalpha(Image.fromarray(np.where(values == gap, 0, 255).astype(np.uint8)))
    return made.convert("RGBA")


def _in_srgb(picture: Image.Image) -> Image.Image:
    """A picture whose file brings a color profile, as sRGB. One that cannot be used is left out."""
    profile = picture.info.get("icc_profile")
    base = "RGB" if picture.mode in ("RGB", "RGBA", "P", "PA", "RGBX") else picture.mode
    if not profile or base not in _WITH_PROFILES:
        return picture
    alpha = None
    if picture.mode == "RGBA" or "transparency" in picture.info:
        alpha = picture.convert("RGBA").getchannel("A")
    try:
        made = ImageCms.profileToProfile(
            picture if picture.mode == base else picture.convert(base),
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture
    if made is None:
        return picture
    if alpha is not None:
        made.putalpha(alpha)
    return made
