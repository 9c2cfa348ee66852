"""What of a store is older than today's code and defaults. All of it stays valid."""

from collections import Counter
from dataclasses import dataclass

from reelshelf.indexer.store.migration import kept_config
from reelshelf.indexer.store.releases import served_release
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import KEPT_SECTIONS, GivenConfig, kept_settings
from reelshelf.schemas.stages import (
    FIRST_PRODUCTS_VERSION,
    PRODUCTS_VERSION,
    STAGES,
)
from reelshelf.schemas.upgrades import Json


@dataclass(frozen=True, slots=True)
class OlderSetting:
    """A key that the store keeps otherwise than today's default; a key that is given is no default.

    Values are as a config file would have them.
    """

    key: str
    stored: str
    today: str


@dataclass(frozen=True, slots=True)
class OlderRows:
    """Rows that an older version of a stage has made."""

    stage: str
    rows: int
    stored: int
    today: int


@dataclass(frozen=True, slots=True)
class Outdated:
    """What `reindex --outdated` would make anew."""

    settings: tuple[OlderSetting, ...]
    versions: tuple[OlderRows, ...]


def outdated(store: Store, given: GivenConfig) -> Outdated:
    """Compare what a store was made with, and what made its rows, with today."""
    kept = kept_config(store) or {}
    same: Json = {name: kept[name] for name in ("shop_id", "profile") if name in kept}
    today = kept_settings(given.resolve(same))
    settings = []
    for section in ("models", *KEPT_SECTIONS):
        stored: dict[str, object] = dict(kept.get(section) or {})
        for key, value in today[section].items():
            if key in stored and stored[key] != value:
                name = f"{section}.{key}"
                settings.append(OlderSetting(name, _shown(stored[key]), _shown(value)))
    served = served_release(store)
    seen = store.of(served.generation) if served else store
    return Outdated(tuple(settings), tuple(_older_rows(seen)))


def _older_rows(store: Store) -> list[OlderRows]:
    today = {stage.name: stage.version for stage in STAGES}
    counts: Counter[tuple[str, int]] = Counter()
    for state in store.video_states().values():
        for stage, mark in state.fingerprints.items():
            if mark.version < today[stage]:
                counts[stage, mark.version] += 1
    found = [OlderRows(s, n, version, today[s]) for (s, version), n in sorted(counts.items())]
    for table in ("products", "product_images"):
        versions = store.scan(table, ["stage_version"])["stage_version"].to_pylist()
        older = Counter(v or FIRST_PRODUCTS_VERSION for v in versions)
        found += [
            OlderRows(table, n, version, PRODUCTS_VERSION)
            for version, n in sorted(older.items())
            if version < PRODUCTS_VERSION
        ]
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values() if part is not None)
    return "none" if value is None else str(value)
