"""Two workers of an engine beside two bare processes that do the same.

    python -m benchmarks.spread [BENCH_DIR] [--out DIR] [--rounds N] [--full]

Linking: made videos of a minute against 10,000 made products, in parts of some videos. Indexing:
the videos of a shop, decoded and put through the real models. One bare process, two bare processes
and two workers on Ray take turns, all of them started and loaded beforehand. What is compared is
how many times as fast two are as one: Ray's against that of bare processes. Nothing else may run.
"""

import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

import ray

from benchmarks import link_growth
from benchmarks.harness import (
    EXAMPLE_SHOP,
    Bar,
    Count,
    bench_folder,
    conclude,
    parse,
    parser_of,
)
from benchmarks.spread_worker import (
    PRODUCTS,
    VIDEOS_PER_PART,
    LinkPart,
    index_one,
    link_part,
    load,
)
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.models.registry import load_models
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.outcomes import Indexed, VideoJob

Item = TypeVar("Item")
# A way to do some items; how many came of it.
Way = Callable[[Sequence[Item]], int]

_WORKERS = 2


@contextmanager
def bare(
    count: int,
    function: Callable[[Item], int],
    warm: Sequence[Item],
    begin: Callable[[], None] | None = None,
) -> Iterator[Way[Item]]:
    """So many processes of this code and nothing else, which have done something already."""
    with ProcessPoolExecutor(count, get_context("spawn"), begin) as pool:
        deque(pool.map(function, warm), maxlen=0)
        yield lambda items: sum(pool.map(function, items))


def compare(ways: dict[str, Way[Item]], items: Sequence[Item], rounds: int) -> dict[str, float]:
    """Median seconds of each way to do all items; they take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.monotonic()
            done = way(items)
            taken[name].append(time.monotonic() - began)
            print(json.dumps({"way": name, "done": done, "s": taken[name][-1]}), flush=True)
    return {name: median(seconds) for name, seconds in taken.items()}


def linking(rounds: int, videos: int) -> dict[str, float]:
    """What two workers take to link, as Ray tasks."""
    with tempfile.TemporaryDirectory(prefix="reelshelf-spread-") as name, ExitStack() as stack:
        folder = Path(name)
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            pool.submit(link_growth.prepare, folder, PRODUCTS).result()
        items = [LinkPart(folder, start) for start in range(0, videos, VIDEOS_PER_PART)]
        warm = [LinkPart(folder, 10**6)] * (2 * _WORKERS)
        # Its tasks need Ray, and not the workers that hold models.
        ray.init(num_cpus=_WORKERS, include_dashboard=False, log_to_driver=False)
        stack.callback(ray.shutdown)
        engine = RayEngine(_config(), load_models)
        deque(engine.map_tasks(link_part, warm, 1), maxlen=0)
        ways: dict[str, Way[LinkPart]] = {
            "one": stack.enter_context(bare(1, link_part, warm)),
            "two": stack.enter_context(bare(_WORKERS, link_part, warm)),
            "ray": lambda parts: sum(engine.map_tasks(link_part, parts, 1)),
        }
        return compare(ways, items, rounds)


def _config() -> Config:
    return parse_config(
        {"engine": {"model_workers": _WORKERS, "decode_workers": _WORKERS, "decode_memory_gb": 1}}
    )


def indexing(folder: Path, rounds: int, videos: int) -> dict[str, float]:
    """What two workers take to decode a shop's videos and to run the models over them."""
    lines = (folder / "videos.jsonl").read_text(encoding="utf-8").splitlines()
    paths = [folder / json.loads(line)["file"] for line in lines][:videos]
    jobs = [
        VideoJob(video_key("shop", path.stem), VideoSource(path.stem, str(path)), stamp_of(path))
        for path in paths
    ]
    config = _config()
    with ExitStack() as stack:
        warm = jobs[: 2 * _WORKERS]
        engine = stack.enter_context(RayEngine(config, load_models))
        ways: dict[str, Way[VideoJob]] = {
            "one": stack.enter_context(bare(1, index_one, warm, partial(load, config))),
            "two": stack.enter_context(bare(_WORKERS, index_one, warm, partial(load, config))),
            "ray": lambda own: sum(isinstance(o, Indexed) for o in engine.index_videos(own)),
        }
        # Until all of its workers are up.
        ways["ray"](jobs)
        return compare(ways, jobs, rounds)


def main() -> int:
    """Measure, compare, judge."""
    # A process does one thing, and two of them do not fight for cores. Ray's tasks have one thread.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    args = parse(parser, rounds=Count(1, 3), linked=Count(256, 1024), indexed=Count(24, 72))
    found = {
        "linking": linking(args.rounds, args.linked),
        "indexing": indexing(args.bench, args.rounds, args.indexed),
    }
    figures: dict[str, float] = {}
    asked = []
    for what, seconds in found.items():
        own = {f"{what}_{way}_s": taken for way, taken in seconds.items()}
        bare_speed_up, ray_speed_up = (seconds["one"] / seconds[way] for way in ("two", "ray"))
        own |= {f"{what}_speed_up_bare": bare_speed_up, f"{what}_speed_up_ray": ray_speed_up}
        figures |= own
        asked.append(
            Bar(f"{what}: of bare speed-up", ray_speed_up / bare_speed_up, 0.9, at_least=True)
        )
    return conclude("spread", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
