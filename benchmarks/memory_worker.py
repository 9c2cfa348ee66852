"""One worker process for `benchmarks.memory`: decodes, or runs everything, and tells its memory."""

import argparse
import json
from pathlib import Path

import psutil

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.models.registry import load_models
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Indexed, VideoJob


def peak() -> int:
    """The most memory this process has held, in bytes; `ru_maxrss` would count its parent's too."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024


def main() -> None:
    """Work through the videos; one JSON line with the peak, and the memory after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["decode", "whole"])
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=1)
    args = parser.parse_args()
    work.use_one_thread()
    config = parse_config({})
    process, stored = psutil.Process(), []
    models = load_models(config) if args.mode == "whole" else None
    for i in range(args.times):
        path = args.videos[i % len(args.videos)]
        if models is None:
            decode_video(path, config.media)
        else:
            job = VideoJob(
                video_key("shop", str(i)), VideoSource(str(i), str(path)), stamp_of(path)
            )
            decoded = work.decode(job, config)
            assert isinstance(decoded, DecodedVideo), decoded
            (outcome,) = work.run_models([(job, decoded)], models, config, Meter())
            assert isinstance(outcome, Indexed), outcome
            del decoded, outcome
        stored.append(process.memory_info().rss)
    print(json.dumps({"peak": peak(), "held": stored}))


if __name__ == "__main__":
    main()
