"""How often models are called on whole clips with a GPU's batches: counted on a CPU.

Clips go through the engine in one process with real models. Settings: 16 pictures, 4 frames to be
searched, 8 windows and 64 lines at once, 32 videos at once. A call of the picture encoder's network
is one of four views a picture.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import EXAMPLE_SHOP, Bar, Count, bench_folder, conclude, parse, parser_of
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.ocr import PaddleReader
from reelshelf.models.offline_visual import OfflineVisual
from reelshelf.models.protocols import ModelSet
from reelshelf.models.registry import load_models
from reelshelf.models.whisper import Whisper
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import Indexed, VideoJob

PICTURES, FRAMES, WINDOWS, LINES, VIDEOS = 16, 4, 8, 64, 32
CONFIG = parse_config(
    {
        "models": {
            "device": "cpu",
            "picture_batch": PICTURES,
            "frame_batch": FRAMES,
            "window_batch": WINDOWS,
            "line_batch": LINES,
        },
        "engine": {"kind": "local", "videos_per_batch": VIDEOS},
    }
)


def counted(function: Callable[..., Any], asked: Counter[str], name: str) -> Callable[..., Any]:
    """A function that counts its calls."""

    def call(*args: object) -> object:
        asked[name] += 1
        return function(*args)

    return call


def load_counted(config: Config, asked: Counter[str]) -> ModelSet:
    """The models of the offline profile, whose networks count what they are asked."""
    models = load_models(config)
    image, asr, ocr = models.image, models.asr, models.ocr
    assert isinstance(image, OfflineVisual)
    assert isinstance(asr, Whisper)
    assert isinstance(ocr, PaddleReader)
    image._seen = counted(image._seen, asked, "encoder")  # type: ignore[method-assign]
    asr._segments = counted(asr._segments, asked, "whisper")  # type: ignore[method-assign]
    for network, name in ((ocr._engine.text_det, "detector"), (ocr._engine.text_rec, "recognizer")):
        network.session.session = _Counting(network.session.session, asked, name)
    return replace(models, image=image, asr=asr, ocr=ocr)


class _Counting:
    """A session of ONNX Runtime that counts its calls."""

    def __init__(self, session: Any, asked: Counter[str], name: str) -> None:
        self._session, self._asked, self._name = session, asked, name

    def run(self, *args: object) -> object:
        self._asked[self._name] += 1
        return self._session.run(*args)

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)


def measure(clips: Sequence[Path]) -> dict[str, float]:
    """Index the clips and count."""
    asked: Counter[str] = Counter()
    jobs = [
        VideoJob(video_key("shop", str(n)), VideoSource(str(n), str(path)), stamp_of(path))
        for n, path in enumerate(clips)
    ]
    with LocalEngine(CONFIG, lambda config: load_counted(config, asked)) as engine:
        asked.clear()
        outcomes = list(engine.index_videos(jobs))
    done = [outcome.video.calls for outcome in outcomes if isinstance(outcome, Indexed)]
    frames = sum(calls.frames_encoded for calls in done)
    searched = sum(calls.frames_detected for calls in done)
    lines = sum(calls.lines_recognized for calls in done)
    packed = math.ceil(len(done) / VIDEOS) * math.ceil(VIDEOS / WINDOWS)
    return {
        "clips": float(len(done)),
        "frames": float(frames),
        "encoder_calls": float(asked["encoder"]),
        "encoder_calls_at_most": 1.1 * math.ceil(frames / PICTURES),
        "detector_calls": float(asked["detector"]),
        "detector_calls_at_most": 1.2 * math.ceil(searched / FRAMES),
        "lines": float(lines),
        "recognizer_calls": float(asked["recognizer"]),
        "whisper_calls": float(asked["whisper"]),
        "whisper_calls_at_most": float(packed),
    }


def main() -> int:
    """Count and print."""
    parser = parser_of(__doc__)
    found = bench_folder("dev")
    parser.add_argument("bench", type=Path, nargs="?", default=found or EXAMPLE_SHOP)
    args = parse(parser, clips=Count(10, 60))
    folder = args.bench / "videos"
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".mp4", ".mov", ".webm"))
    clips = [files[n % len(files)] for n in range(args.clips)]
    figures = measure(clips)
    asked = [
        Bar(
            f"{what} calls",
            figures[f"{what}_calls"],
            figures[f"{what}_calls_at_most"],
            at_least=False,
        )
        for what in ("encoder", "detector", "whisper")
    ]
    return conclude("gpu_calls", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    raise SystemExit(main())
