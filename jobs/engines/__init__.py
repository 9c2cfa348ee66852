"""Which engine the config asks for.

Each engine is imported where it is made: a Ray worker must not pay for what only the driver needs.
"""

from typing import TYPE_CHECKING

from reelshelf.models.registry import load_models
from reelshelf.schemas.config import Config

if TYPE_CHECKING:
    from reelshelf.indexer.pipeline.engine import Engine

__all__ = ["make_engine"]


def make_engine(config: Config) -> "Engine":
    """The configured engine with the configured models, not started yet."""
    if config.engine.kind == "local":
        from reelshelf.jobs.engines.local import LocalEngine

        return LocalEngine(config, load_models)
    from reelshelf.jobs.engines.ray.engine import RayEngine

    return RayEngine(config, load_models)
