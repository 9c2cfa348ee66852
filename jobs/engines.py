"""Which engine the config asks for."""

from jobs.engine import Engine
from jobs.local import LocalEngine
from models.registry import load_models
from schemas.config import Config


def make_engine(config: Config) -> Engine:
    """The configured engine with the configured models, not started yet."""
    if config.engine.kind == "local":
        return LocalEngine(config, load_models)
    from jobs.ray_engine import RayEngine

    return RayEngine(config, load_models)
