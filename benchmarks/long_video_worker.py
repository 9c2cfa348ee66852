"""One run of `benchmarks.long_video` with models that are fakes; tells each chunk that is done."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.indexer.pipeline.indexing import CHUNKS
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import Stage
from reelshelf.jobs.engines.ray.engine import RayEngine
from reelshelf.schemas.config import Config, parse_config
from tests.support.fakes import load_fake_detector, load_fakes

CHUNK_DONE = "chunk done"


class _Chunks:
    def advance(self, count: int = 1) -> None:
        """Tell each."""
        for _ in range(count):
            print(CHUNK_DONE, flush=True)


class _Silent:
    def advance(self, count: int = 1) -> None:
        """Of other stages nothing is told."""


class ToldChunks:
    """Tells the chunks of long videos that are done."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:  # noqa: ARG002
        """Begin a stage."""
        yield _Chunks() if name == CHUNKS else _Silent()


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
    result = ingest(IngestRequest(products, videos, args.store), config, fake_engine, ToldChunks())
    result.or_raise()


if __name__ == "__main__":
    main()
