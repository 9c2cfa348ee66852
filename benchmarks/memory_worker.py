"""One worker process for `benchmarks.memory`: decodes, runs the models, and tells its memory."""

import argparse
import json
from pathlib import Path

import psutil

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.models.registry import load_models
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Indexed, VideoJob


def main() -> None:
    """Work through the videos; one JSON line with the bytes held after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--times", type=int, default=1)
    args = parser.parse_args()
    work.use_one_thread()
    config = parse_config({})
    process, held = psutil.Process(), []
    models = load_models(config)
    for i in range(args.times):
        path = args.videos[i % len(args.videos)]
        job = VideoJob(video_key("shop", str(i)), VideoSource(str(i), str(path)), stamp_of(path))
        decoded = work.decode(job, config)
        assert isinstance(decoded, DecodedVideo), decoded
        (outcome,) = work.run_models([(job, decoded)], models, config, Meter())
        assert isinstance(outcome, Indexed), outcome
        del decoded, outcome
        held.append(process.memory_info().rss)
    print(json.dumps(held))


if __name__ == "__main__":
    main()
