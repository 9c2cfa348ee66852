"""Filming made clips: walls, templates, captions, a camera."""

import math
import random
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.made.art import Art
from benchmarks.made.clips import Clip, Scene, Shown
from benchmarks.made.goods import Item
from benchmarks.made.styles import Style
from examples.shop.media import (
    FPS,
    Light,
    Rgb,
    filmed,
    printed,
    say,
    split,
    turned_hue,
)


class Studio:
    """Films the clips and pictures of one shop."""

    def __init__(self, shop: str, art: Art, style: Style, font: Path) -> None:
        self._shop, self._art, self._style = shop, art, style
        self._font = ImageFont.truetype(str(font), style.font_size)

    def picture(self, item: Item, number: int, rng: random.Random) -> Image.Image:
        """A catalog picture: on white first, then as it stands in a room."""
        sides = self._art.sides(self._shop)
        shown = Shown(item.art, number % sides, item.hue, item.label)
        if number == 0:
            canvas = np.full((256, 256, 3), rng.choice((255, 250, 240)), np.uint8)
            return Image.fromarray(self._placed(canvas, shown, 0.88, 0.0, (0.5, 0.5), 1.0))
        rough = rng.random()
        scene = self._stage(Scene(0.0, shown=shown), (256, 256), rough, rng)
        return Image.fromarray(cv2.resize(Light.of(rough, rng).on(scene), (256, 256)))

    def clip(self, clip: Clip, folder: Path, rng: random.Random) -> list[dict[str, object]]:
        """Write one video, and some as a copy as well; their rows of labels."""
        voice = rng.choice(self._style.voices)
        film = filmed(
            clip.scenes,
            lambda scene: self._shot(scene, clip.rough, rng),
            lambda text: say(text, voice, self._style.pace),
            clip.music,
            clip.rough,
            rng,
        )
        rows = [film.write(folder, clip.video_id, clip.kind, "veryfast")]
        if clip.copy:
            rows.append(film.write_copy(folder, clip.video_id, clip.kind, "veryfast", rng))
        return rows

    def _shot(self, scene: Scene, rough: float, rng: random.Random) -> list[Rgb]:
        """All frames of a shot: its stage under this shop's camera, with its caption."""
        wide = Light.of(rough, rng).on(self._stage(scene, self._style.size, rough, rng))
        count = round(scene.seconds * FPS)
        camera = _TEMPLATES[self._style.template](wide, self._style.size, rng)
        overlay = self._caption(scene.caption) if scene.caption else None
        frames = []
        for number in range(count):
            frame = camera(number / count)
            frames.append(_laid(frame, overlay) if overlay is not None else frame)
        return frames

    def _stage(self, scene: Scene, size: tuple[int, int], rough: float, rng: random.Random) -> Rgb:
        """What the camera moves over: a wall, clutter, and the thing that is shown."""
        wide = _wall(self._style.walls, size, rng)
        if scene.kind == "screen":
            return _screen(wide, self._style, self._font, rng)
        if scene.kind == "pattern":
            return _pattern(wide, rng)
        if scene.shown is None:
            return wide
        for _ in range(rng.randrange(1 + round(3 * rough))):
            clutter = Shown(rng.choice(self._style.strangers[8:]))
            at = (rng.random(), rng.random())
            wide = self._placed(wide, clutter, rng.uniform(0.15, 0.35), 0.0, at, 1.0)
        big = rng.uniform(0.45, 0.85) * (1.0 - 0.25 * rough)
        at = (rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6))
        turn = rng.uniform(-40, 40) * rough
        return self._placed(wide, scene.shown, big, turn, at, rng.uniform(0.7, 1.15))

    def _placed(
        self,
        canvas: Rgb,
        shown: Shown,
        size: float,
        turn: float,
        at: tuple[float, float],
        lit: float,
    ) -> Rgb:
        """Paste a sprite: `size` and `at` are shares of the canvas's short side and extents."""
        sprite = self._art.sprite(self._shop, shown.art, shown.side)
        sprite = printed(sprite, shown.label) if shown.label else sprite
        side = max(8, round(min(canvas.shape[:2]) * size))
        sprite = sprite.resize((side, side), Image.Resampling.LANCZOS)
        sprite = sprite.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        pixels = np.asarray(sprite).astype(np.float32)
        shade = np.clip(pixels[..., :3] * lit, 0, 255).astype(np.uint8)
        color = Image.fromarray(turned_hue(shade, shown.hue) if shown.hue else shade)
        base = Image.fromarray(canvas)
        left = round(at[0] * canvas.shape[1] - color.width / 2)
        top = round(at[1] * canvas.shape[0] - color.height / 2)
        base.paste(color, (left, top), Image.fromarray(pixels[..., 3].astype(np.uint8)))
        return np.asarray(base)

    def _caption(self, text: str) -> Rgb:
        """A caption as a picture `(H, W, 4)` to lay over frames."""
        style = self._style
        written = {"upper": text.upper, "lower": text.lower}.get(style.case, lambda: text)()
        overlay = Image.new("RGBA", style.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(overlay)
        lines = [""]
        for word in written.replace("\n", " \n ").split(" "):
            if word == "\n" or draw.textlength(f"{lines[-1]} {word}", self._font) > (
                overlay.width * 0.88
            ):
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        body = "\n".join(line for line in lines if line)
        box = draw.multiline_textbbox((0, 0), body, self._font)
        left = (overlay.width - box[2]) / 2
        top = min(overlay.height * style.at, overlay.height - box[3] - 12)
        if style.plate is not None:
            plate = (left - 9, top - 6, left + box[2] + 9, top + box[3] + 9)
            draw.rounded_rectangle(plate, 6, fill=(*style.plate, 215))
        draw.multiline_text(
            (left, top), body, font=self._font, fill=(*style.color, 255), align="center",
            stroke_width=0 if style.plate else 3, stroke_fill=(0, 0, 0, 255),
        )  # fmt: skip
        return np.asarray(overlay)


Camera = Callable[[float], Rgb]


def _window(wide: Rgb, size: tuple[int, int], center: tuple[float, float], width: float) -> Rgb:
    """A part of `wide` as a frame: where its center is, and how wide, as shares."""
    w = width * wide.shape[1]
    h = w * size[1] / size[0]
    x, y = center[0] * wide.shape[1], center[1] * wide.shape[0]
    corners = np.array([[x - w / 2, y - h / 2], [x + w / 2, y - h / 2], [x - w / 2, y + h / 2]])
    target = np.array([[0, 0], [size[0], 0], [0, size[1]]], np.float32)
    move = cv2.getAffineTransform(corners.astype(np.float32), target)
    return np.asarray(cv2.warpAffine(wide, move, size, borderMode=cv2.BORDER_REFLECT), np.uint8)


def _pan(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    to = rng.choice((-0.08, 0.08))
    return lambda t: _window(wide, size, (0.5 + to * (t - 0.5), 0.5), 0.85)


def _blurpad(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    del rng
    blurred = cv2.GaussianBlur(_window(wide, size, (0.5, 0.5), 0.6), (0, 0), 12)
    behind = np.asarray(blurred, np.uint8)
    inner = (round(size[0] * 0.62), round(size[1] * 0.82))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2

    def frame(t: float) -> Rgb:
        whole = behind.copy()
        part = _window(wide, inner, (0.5, 0.5), 0.66 - 0.06 * t)
        whole[top : top + inner[1], left : left + inner[0]] = part
        return whole

    return frame


def _zoomcuts(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    widths = [rng.uniform(0.55, 0.95) for _ in range(3)]
    return lambda t: _window(wide, size, (0.5, 0.5), widths[min(2, int(t * 3))])


def _shaky(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    a, b = rng.uniform(4, 9), rng.uniform(5, 11)
    return lambda t: _window(
        wide, size, (0.5 + 0.02 * math.sin(a * t * 3), 0.5 + 0.02 * math.cos(b * t * 3)), 0.82
    )


def _slidein(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    side = rng.choice((-1, 1))
    return lambda t: _window(wide, size, (0.5 + side * 0.6 * max(0.0, 0.25 - t), 0.5), 0.8)


def _inset(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    """The scene in a window over what stands for somebody who talks."""
    behind = np.full((size[1], size[0], 3), [rng.randint(60, 190) for _ in range(3)], np.uint8)
    cv2.circle(behind, (size[0] // 2, size[1] // 3), size[0] // 4, (196, 160, 130), -1)
    cv2.ellipse(behind, (size[0] // 2, size[1]), (size[0] // 2, size[1] // 2), 0, 180, 360,
                (70, 80, 120), -1)  # fmt: skip
    inner = (round(size[0] * 0.72), round(size[1] * 0.45))
    left, top = rng.choice((8, size[0] - inner[0] - 8)), size[1] - inner[1] - 30

    def frame(t: float) -> Rgb:
        whole = behind.copy()
        part = _window(wide, inner, (0.5, 0.5 + 0.02 * t), 0.85)
        whole[top : top + inner[1], left : left + inner[0]] = part
        return whole

    return frame


def _splits(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    other = np.full_like(wide, rng.randint(20, 235))
    both = split(wide, other) if rng.random() < 0.5 else wide
    return lambda t: _window(both, size, (0.5, 0.5), 0.92 - 0.05 * t)


def _flash(wide: Rgb, size: tuple[int, int], rng: random.Random) -> Camera:
    del rng

    def frame(t: float) -> Rgb:
        part = _window(wide, size, (0.5, 0.5), 0.78 + 0.12 * t)
        bright = 160 * max(0.0, 0.12 - t) / 0.12
        return np.asarray(cv2.convertScaleAbs(part, alpha=1.0, beta=bright), np.uint8)

    return frame


_TEMPLATES: dict[str, Callable[[Rgb, tuple[int, int], random.Random], Camera]] = {
    "pan": _pan,
    "blurpad": _blurpad,
    "zoomcuts": _zoomcuts,
    "shaky": _shaky,
    "slidein": _slidein,
    "inset": _inset,
    "split": _splits,
    "flash": _flash,
}


def _wall(kind: str, size: tuple[int, int], rng: random.Random) -> Rgb:
    """A wall of a shop's own kind, larger than the frame."""
    width, height = (round(side * 1.2) for side in size)
    a, b = (np.array([rng.randint(30, 225) for _ in range(3)], np.float32) for _ in range(2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    scale = rng.uniform(25, 80)
    match kind:
        case "gradient":
            mix = y / height
        case "stripes":
            mix = (x // scale % 2) * 0.3
        case "checks":
            mix = ((x // scale + y // scale) % 2) * 0.35
        case "wood":
            mix = 0.5 + 0.4 * np.sin(x / 9 + 3 * np.sin(y / scale))
        case "spots":
            mix = (x % scale - scale / 2) ** 2 + (y % scale - scale / 2) ** 2 < (scale / 4) ** 2
        case "noise":
            small = np.random.default_rng(rng.randrange(2**31)).random((8, 6)).astype(np.float32)
            mix = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        case "grid":
            mix = ((x % scale < 2) | (y % scale < 2)) * 0.6
        case _:
            mix = np.where(y > height * rng.uniform(0.5, 0.7), 0.9, 0.2 * y / height)
    grain = np.random.default_rng(rng.randrange(2**31)).normal(0, 4, (height, width, 1))
    picture = a + (b - a) * np.asarray(mix, np.float32)[..., None] + grain
    return np.clip(picture, 0, 255).astype(np.uint8)


def _screen(wide: Rgb, style: Style, font: ImageFont.FreeTypeFont, rng: random.Random) -> Rgb:
    """A list as a phone or a computer shows it: lines of text that name nothing."""
    picture = Image.fromarray(np.full_like(wide, 245))
    draw = ImageDraw.Draw(picture)
    for row in range(3, picture.height // 40):
        text = rng.choice(style.chatter)[: rng.randint(8, 24)]
        draw.text((24, 40 * row), text, font=font, fill=(60, 60, 60))
        draw.line((16, 40 * row - 6, picture.width - 16, 40 * row - 6), fill=(210, 210, 210))
    return np.asarray(picture)


def _pattern(wide: Rgb, rng: random.Random) -> Rgb:
    """A wall of rings or tiles."""
    picture = wide.copy()
    step = rng.randint(30, 70)
    for y in range(0, picture.shape[0], step):
        for x in range(0, picture.shape[1], step):
            color = tuple(rng.randint(0, 255) for _ in range(3))
            cv2.circle(picture, (x, y), step // 3, color, rng.choice((-1, 3)))
    return picture


def _laid(frame: Rgb, overlay: Rgb) -> Rgb:
    """A frame under an overlay `(H, W, 4)`."""
    rows = np.flatnonzero(overlay[..., 3].any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    laid = frame.copy()
    alpha = overlay[top:bottom, :, 3:].astype(np.float32) / 255.0
    below = laid[top:bottom].astype(np.float32)
    laid[top:bottom] = (below + (overlay[top:bottom, :, :3] - below) * alpha).astype(np.uint8)
    return laid
