"""One run of `benchmarks.long_video` with models that are fakes; what it asked of them as JSON."""

import argparse
import json
from pathlib import Path

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.config import Config, parse_config
from tests.support.fakes import load_fake_detector, load_fakes


def fake_engine(config: Config) -> Engine:
    """The engine of a real run."""
    return RayEngine(config, load_fakes, detector=load_fake_detector)


def main() -> None:
    """Run once, with the settings that are shipped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("store")
    args = parser.parse_args()
    config = parse_config({"gate": {"min_recall": 0.0}})
    products, videos = (str(args.folder / f"{name}.jsonl") for name in ("products", "videos"))
    result = ingest(IngestRequest(products, videos, args.store), config, fake_engine, NoProgress())
    print(json.dumps(result.or_raise().calls))


if __name__ == "__main__":
    main()
