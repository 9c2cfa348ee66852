"""The config of a run: what is given, else what the store was made with, else today's defaults."""

from reelshelf.indexer.store.migration import kept_config
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import KEPT_SECTIONS, MODEL_RESOURCES, Config, GivenConfig


def config_for(given: GivenConfig, uri: str) -> Config:
    """The config of a run into the store at `uri`, which may still have to be made."""
    storage = given.storage
    kept = kept_config(Store.open(uri, storage)) if Store.exists(uri, storage) else None
    return given.resolve(kept)


def config_of_today(given: GivenConfig, last: Config) -> Config:
    """The config of a run that is to do today's defaults: nothing of the store's own settings.

    What is no property of the store (engine, storage, limits of the gate) stays as the last run had
    it, where `given` does not say otherwise.
    """
    values = last.model_dump(mode="json", exclude={*KEPT_SECTIONS, "models"})
    resources = last.models.model_dump(mode="json", include=set(MODEL_RESOURCES))
    base = values | {"models": resources}
    return GivenConfig(given.values, given.where).resolve(base)
