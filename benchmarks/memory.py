"""Whether memory stays flat: long videos, many videos, and a stage that stands still.

A 30-minute clip against one of 30 seconds of the same pictures; a thousand videos through one
worker; and model workers that hang while decoders could go on for ever.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import ray

from benchmarks.harness import Bar, Count, TreeMeter, conclude, parse, parser_of
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import VideoJob
from tests.support.clips import BLUE, GREEN, RED, WHITE, write_clip
from tests.support.fakes import load_stalling
from tests.support.shops import write_lines

ROOT = Path(__file__).parent.parent
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 (only measured)
_COLORS = [RED, GREEN, BLUE, WHITE]


def clip(path: Path, seconds: int, size: tuple[int, int] = (640, 360)) -> Path:
    """Pictures that change every second, with sound."""
    colors = [_COLORS[i % 4] for i in range(seconds)]
    return write_clip(path, colors, size=size, sound=True)


def worker(mode: str, videos: list[Path], times: int) -> dict[str, list[int]]:
    """Run a worker process; its peak (a list of one) and what it held after each video."""
    command = [sys.executable, "-m", "benchmarks.memory_worker", mode, *map(str, videos)]
    command += ["--times", str(times)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return {"peak": [answer["peak"]], "held": answer["held"]}


def run_peak(folder: Path, video: Path) -> int:
    """Peak of the summed PSS of `reelshelf ingest` on one video, with one model worker."""
    write_lines(folder / "products.jsonl", [{"sku": "A", "title": "A crimson kettle"}])
    write_lines(folder / "videos.jsonl", [{"video_id": "v", "file": video.name}])
    settings = folder / "memory.toml"
    settings.write_text("[engine]\nmodel_workers = 1\ndecode_workers = 1\n")
    with tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "reelshelf.jobs.cli", "ingest", "--store", store, "--json"]
        command += ["--catalog", str(folder / "products.jsonl"), "--config", str(settings)]
        command += ["--videos", str(folder / "videos.jsonl")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        meter = TreeMeter(process.pid)
        code = process.wait()
        meter.stop()
    if code != 0:
        raise SystemExit(f"ingest of {video} ended with {code}")
    return meter.peak_pss


def long_against_short(folder: Path, minutes: int) -> dict[str, float]:
    """Peaks of a whole run, of decoding alone, and of decoding and models in one process."""
    short, long = clip(folder / "short.mp4", 30), clip(folder / "long.mp4", minutes * 60)
    figures = {}
    runs = [run_peak(folder, path) for path in (short, long)]
    figures["run_short_mb"], figures["run_long_mb"] = (peak / 1e6 for peak in runs)
    figures["run_long_over_short"] = runs[1] / runs[0]
    for mode in ("decode", "whole"):
        peaks = [worker(mode, [path], 1)["peak"][0] for path in (short, long)]
        figures[f"{mode}_short_mb"] = peaks[0] / 1e6
        figures[f"{mode}_long_mb"] = peaks[1] / 1e6
        figures[f"{mode}_long_over_short"] = peaks[1] / peaks[0]
    return figures


def many(folder: Path, count: int) -> dict[str, float]:
    """Growth of one worker from its hundredth video to its last."""
    videos = [clip(folder / f"many{i}.mp4", 1 + i % 3, (160, 96)) for i in range(6)]
    stored = worker("whole", videos, count)["held"]
    settled = stored[count // 10 - 1]
    return {
        "many_videos": float(count),
        "after_a_tenth_mb": settled / 1e6,
        "after_all_mb": stored[-1] / 1e6,
        "growth": stored[-1] / settled - 1,
    }


def stalled(folder: Path, seconds: float) -> dict[str, float]:
    """Memory of the object store and of the driver while models stand still."""
    path = clip(folder / "stall.mp4", 60)
    stamp = stamp_of(path)
    asked = 0

    def jobs() -> Iterator[VideoJob]:
        nonlocal asked
        while True:
            asked += 1
            yield VideoJob(video_key("shop", str(asked)), VideoSource(str(asked), str(path)), stamp)

    shm = psutil.disk_usage(_SHARED_MEMORY).used
    config = parse_config(
        {"engine": {"model_workers": 1, "decode_workers": 1, "model_deadline_s": seconds}}
    )
    with RayEngine(config, load_stalling) as engine:
        driver = psutil.Process().memory_info().rss
        outcomes = engine.index_videos(jobs())
        began = time.monotonic()
        next(outcomes)  # the first one that the deadline gives up
        waited = time.monotonic() - began
        used = psutil.disk_usage(_SHARED_MEMORY).used - shm
        grown = psutil.Process().memory_info().rss - driver
        store = ray.cluster_resources()["object_store_memory"]
    ray.shutdown()
    return {
        "stalled_s": waited,
        "stalled_videos_taken": float(asked),
        "stalled_store_mb": used / 1e6,
        "stalled_store_share": used / store,
        "stalled_driver_growth_mb": grown / 1e6,
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--stall", type=float, default=20.0, metavar="S")
    args = parse(parser, minutes=Count(5, 30), videos=Count(200, 1000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = long_against_short(folder, args.minutes)
        figures |= many(folder, args.videos)
        figures |= stalled(folder, args.stall)
    asked = [
        Bar("run, long over short", figures["run_long_over_short"], 1.2, at_least=False),
        Bar("decoder, long over short", figures["decode_long_over_short"], 1.2, at_least=False),
        Bar("one process, long over short", figures["whole_long_over_short"], 1.2, at_least=False),
        Bar("growth over many videos", figures["growth"], 0.05, at_least=False),
        # Two fifths may wait, whatever the source holds, and one video more.
        Bar("object store, stalled", figures["stalled_store_share"], 0.45, at_least=False),
    ]
    return conclude("memory", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
