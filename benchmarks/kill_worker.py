"""The run that `benchmarks.kills` kills: one ingest on a standing Ray node, its result as JSON."""

import argparse
import json
from dataclasses import asdict

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.jobs.engines import make_engine
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.config import Config, parse_config
from tests.support.fakes import load_fakes


def main() -> None:
    """Run once. `real` has real models; `empty` runs in this process, with default settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog")
    parser.add_argument("videos")
    parser.add_argument("store")
    parser.add_argument("address")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--kind", choices=["fake", "real", "empty"], default="fake")
    args = parser.parse_args()
    engine = {
        "address": args.address,
        "videos_per_commit": args.batch,
        "videos_per_batch": 2,
        "model_workers": 1,
        "decode_workers": 1,
    }
    config = parse_config({"engine": engine, "gate": {"min_recall": 0.0}})
    if args.kind == "empty":
        config = parse_config({"engine": {"kind": "local"}, "index": {"kind": "ivf_pq"}})

    def fake_engine(settings: Config) -> Engine:
        kind = LocalEngine if args.kind == "empty" else RayEngine
        return kind(settings, load_fakes)

    request = IngestRequest(args.catalog, args.videos, args.store)
    engine_for = make_engine if args.kind == "real" else fake_engine
    result = ingest(request, config, engine_for, NoProgress())
    print(
        json.dumps(
            {
                "ending": result.ending.value,
                "tally": asdict(result.tally),
                "planned": asdict(result.planned),
            }
        )
    )


if __name__ == "__main__":
    main()
