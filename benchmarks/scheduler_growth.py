"""What scheduling costs a driver while workers and videos grow, on a cluster that is simulated.

    python -m benchmarks.scheduler_growth [--out DIR] [--videos N] [--full]

The real scheduler and pools give N videos to 10, 100 and 1,000 decoders and a fifth as many model
workers. Time is simulated: a video takes a decoder about three seconds and the models half of one;
one decoder in ten thousand videos dies. CPU and memory are of the one process, with the simulation.
"""

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.jobs.engines.scheduling import Break
from reelshelf.schemas.config import EngineConfig
from reelshelf.schemas.outcomes import VideoJob
from tests.support.simulated import Behavior, SimulatedCluster, job

_MB = 1e6
_LOOKED_AT = 4096
_DIES = 1e-4


@dataclass(frozen=True, slots=True)
class Measured:
    """What one simulated run took."""

    decoders: int
    videos: int
    cpu_s: float
    grown_mb: float
    busy: float


def simulate(decoders: int, videos: int) -> Measured:
    """Schedule made videos. `busy` is the share of their time that decoders work."""
    rng = random.Random(3)  # noqa: S311 - the same in each run
    worked = 0.0

    def decode_s(_: VideoJob) -> float:
        nonlocal worked
        seconds = rng.uniform(1.0, 5.0)
        worked += seconds
        return seconds

    behavior = Behavior(
        start_s=10.0,
        decode_s=decode_s,
        model_s=lambda _: 0.5,
        size=50_000_000,
        breaks=lambda _: Break.DIED if rng.random() < _DIES else None,
    )
    cluster = SimulatedCluster(decoders, max(1, decoders // 5), behavior, nodes=50, keep=False)
    settings = EngineConfig(videos_per_batch=4)
    process, held = psutil.Process(), [0]

    def jobs() -> Iterator[VideoJob]:
        for number in range(videos):
            if number % _LOOKED_AT == 0 and number >= videos // 10:
                held.append(process.memory_info().rss)
            yield job(number)

    began = time.process_time()
    cluster.run(jobs(), settings, most_bytes=2000.0 * decoders * _MB)
    spent = time.process_time() - began
    assert cluster.counted == videos
    grown = (max(held) - held[1]) / _MB
    return Measured(decoders, videos, spent, grown, worked / (decoders * cluster.clock.now))


def main() -> int:
    """Measure, print a curve, judge."""
    args = parse(parser_of(__doc__), videos=Count(100_000, 1_000_000))
    table = Table("decoders", "model workers", "videos", "CPU s", "us a video", "MB grown", "busy")
    runs = []
    for decoders in (10, 100, 1000):
        run = simulate(decoders, args.videos)
        runs.append(run)
        table.add_row(
            str(decoders),
            str(max(1, decoders // 5)),
            f"{run.videos:,}",
            f"{run.cpu_s:.1f}",
            f"{1e6 * run.cpu_s / run.videos:.0f}",
            f"{run.grown_mb:.0f}",
            f"{run.busy:.2f}",
        )
    Console().print(table)
    last = runs[-1]
    bars = [
        Bar("CPU s at 1,000 decoders", last.cpu_s, 200.0, at_least=False),
        Bar("memory grown after a tenth, MB", last.grown_mb, 50.0, at_least=False),
        Bar("decoders busy", last.busy, 0.95, at_least=True),
    ]
    figures = {
        f"{name}_at_{run.decoders}": value
        for run in runs
        for name, value in (("cpu_s", run.cpu_s), ("mb", run.grown_mb), ("busy", run.busy))
    }
    return conclude("scheduler_growth", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
