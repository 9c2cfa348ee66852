"""What the processes of `benchmarks.spread` do: a module that each of them can import."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks import link_growth
from reelshelf.indexer.extract import work
from reelshelf.indexer.index import linkers
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.store.catalog_files import catalog_in
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.registry import load_models
from reelshelf.schemas.config import Config
from reelshelf.schemas.outcomes import Indexed, VideoJob

PRODUCTS, VIDEOS_PER_PART = 10_000, 8


@dataclass(frozen=True, slots=True)
class LinkPart:
    """Made videos to link, by the linker of a folder."""

    folder: Path
    start: int


@cache
def _opened(folder: Path) -> tuple[Linker, link_growth.Videos]:
    catalog = catalog_in(folder / "catalog", "icu")
    shop = link_growth.Shop(PRODUCTS)
    made = link_growth.Videos(shop, catalog.vectors.image, catalog.facts_vectors)
    return linkers.opened(folder), made


def link_part(part: LinkPart) -> int:
    """Link some videos; how many were."""
    linker, made = _opened(part.folder)
    numbers = range(part.start, part.start + VIDEOS_PER_PART)
    return sum(len(linker.link([made.of(number)])) for number in numbers)


class _Loaded:
    """The engine of a bare process."""

    engine: LocalEngine | None = None


def load(config: Config) -> None:
    """Load the models of a bare process, which has one thread as a worker has."""
    work.use_one_thread()
    _Loaded.engine = LocalEngine(config, load_models).__enter__()


def index_one(job: VideoJob) -> int:
    """Index a video; whether it was."""
    assert _Loaded.engine is not None
    return sum(isinstance(outcome, Indexed) for outcome in _Loaded.engine.index_videos([job]))
