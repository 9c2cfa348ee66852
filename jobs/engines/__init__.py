"""Which engine the config asks for."""

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.registry import load_models
from reelshelf.schemas.config import Config


def make_engine(config: Config) -> Engine:
    """The configured engine with the configured models, not started yet."""
    if config.engine.kind == "local":
        return LocalEngine(config, load_models)
    from reelshelf.jobs.engines.ray.engine import RayEngine

    return RayEngine(config, load_models)
