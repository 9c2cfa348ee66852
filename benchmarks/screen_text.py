"""Read lines of text drawn on portrait video: how many, by size, and at what cost.

    python -m benchmarks.screen_text [--lines N] [--out DIR] [--full]

Each line is drawn with Pillow's own typeface into a clip of two seconds, 1080 x 1920, on a calm
ground, on a busy one, and on one that moves; sizes take turns. Clips are encoded as H.264, decoded
and read by the shipped pipeline. A line counts as read where its letters and digits come out as
they were drawn.
"""

import tempfile
import time
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.extract.ocr import read_frames
from reelshelf.indexer.extract.work import use_one_thread
from reelshelf.indexer.media.decode import decode_video
from reelshelf.models.registry import load_text_reader
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.media import Pixels

_SIZES = (40, 52, 72)
_GROUNDS = ("calm", "busy", "moving")
_WIDTH, _HEIGHT, _FPS, _FRAMES = 1080, 1920, 10, 20
_FIRST = ("walnut", "cobalt", "crimson", "linen", "oak", "cotton", "brass", "velvet", "maple")
_SECOND = ("lamp", "vase", "kettle", "shirt", "table", "throw", "mirror", "basket", "clock", "rug")
_THIRD = ("free shipping", "today only", "new arrival", "last chance", "two for one", "order now")


def drawn(line: str, size: int, ground: str, rng: np.random.Generator) -> list[Pixels]:
    """The pictures of a clip that shows a line."""
    color = rng.integers(40, 210, 3)
    coarse = rng.integers(0, 255, (_HEIGHT // 32, _WIDTH // 32 + 8, 3), dtype=np.uint8)
    wide = (_WIDTH + 8 * 32, _HEIGHT)
    texture = np.asarray(Image.fromarray(coarse).resize(wide, Image.Resampling.BICUBIC))
    left, top = (int(rng.integers(low, high)) for low, high in ((20, 120), (100, 1700)))
    font = ImageFont.load_default(size)
    pictures = []
    for number in range(_FRAMES):
        if ground == "calm":
            picture = np.full((_HEIGHT, _WIDTH, 3), color, np.uint8)
        else:
            at = 12 * number if ground == "moving" else 0
            picture = texture[:, at : at + _WIDTH].copy()
        image = Image.fromarray(picture)
        ImageDraw.Draw(image).text(
            (left, top), line, font=font, fill="white", stroke_width=2, stroke_fill="black"
        )
        pictures.append(np.asarray(image))
    return pictures


def write(path: Path, pictures: list[Pixels]) -> None:
    """Encode a clip as phones do, at some megabits."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=_FPS, options={"crf": "23", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = _WIDTH, _HEIGHT, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, _FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def letters(text: str) -> str:
    """What has to be the same: letters and digits, in any case."""
    return "".join(c for c in text.casefold() if c.isalnum())


def measure(lines: int) -> dict[str, float]:
    """Draw, encode, decode and read."""
    use_one_thread()
    config = parse_config({"models": {"device": "cpu"}})
    reader = load_text_reader(config)
    reader.recognize([line.crop for line in reader.detect(np.zeros((320, 320, 3), np.uint8))])
    rng = np.random.default_rng(7)
    read: dict[int, list[bool]] = defaultdict(list)
    cpu = 0.0
    for number in range(lines):
        size, ground = _SIZES[number % 3], _GROUNDS[number // 3 % 3]
        words = [str(rng.choice(part)) for part in (_FIRST, _SECOND, _THIRD)]
        # A line that leaves the picture cannot be read.
        while ImageFont.load_default(size).getlength(" ".join([*words, "$999"])) > _WIDTH - 150:
            words.pop()
        line = f"{' '.join(words)} ${rng.integers(5, 999)}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            write(path, drawn(line, size, ground, rng))
            began = time.process_time()
            video = decode_video(path, config.media, detector=reader)
            found = read_frames(video.frames, reader, config.ocr, end_ms=video.end_ms)
            cpu += time.process_time() - began
        said = letters(" ".join(item.text for item in found.lines))
        read[size].append(letters(line) in said)
    figures = {f"read_at_{size}_px": float(np.mean(found)) for size, found in read.items()}
    return figures | {"lines": float(lines), "cpu_s_per_clip": cpu / lines}


def main() -> int:
    """Measure and print."""
    args = parse(parser_of(__doc__), lines=Count(18, 60))
    figures = measure(args.lines)
    asked = [
        Bar("lines of 40 px read", figures["read_at_40_px"], 0.85, at_least=True),
        Bar("lines of 52 px read", figures["read_at_52_px"], 0.95, at_least=True),
        Bar("lines of 72 px read", figures["read_at_72_px"], 0.95, at_least=True),
    ]
    return conclude("screen_text", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    raise SystemExit(main())
