"""Whether memory stays flat: many videos, and a stage that stands still.

A thousand videos through one worker; and model workers that hang while decoders could go on for
ever. Of long videos see `benchmarks.long_video`.
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

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import VideoJob
from tests.support.clips import BLUE, GREEN, RED, WHITE, write_clip
from tests.support.fakes import load_stalling

ROOT = Path(__file__).parent.parent
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 (only measured)
_COLORS = [RED, GREEN, BLUE, WHITE]


def clip(path: Path, seconds: int, size: tuple[int, int] = (640, 360)) -> Path:
    """Pictures that change every second, with sound."""
    colors = [_COLORS[i % 4] for i in range(seconds)]
    return write_clip(path, colors, size=size, sound=True)


def worker(videos: list[Path], times: int) -> list[int]:
    """Run a worker process; what it held after each video."""
    command = [sys.executable, "-m", "benchmarks.memory_worker", *map(str, videos)]
    command += ["--times", str(times)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    held: list[int] = json.loads(done.stdout.splitlines()[-1])
    return held


def many(folder: Path, count: int) -> dict[str, float]:
    """Growth of one worker from its hundredth video to its last."""
    videos = [clip(folder / f"many{i}.mp4", 1 + i % 3, (160, 96)) for i in range(6)]
    stored = worker(videos, count)
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
    args = parse(parser, videos=Count(200, 1000))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = many(folder, args.videos)
        figures |= stalled(folder, args.stall)
    asked = [
        Bar("growth over many videos", figures["growth"], 0.05, at_least=False),
        # Two fifths may wait, whatever the source holds, and one video more.
        Bar("object store, stalled", figures["stalled_store_share"], 0.45, at_least=False),
    ]
    return conclude("memory", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
