"""Upgrading a store in place, under its lease: columns that are missing, values by new names.

Nothing is extracted again. Columns are added empty, which writes no data; the fingerprints of
videos, failures and pictures get the names that today's code gives them
(`reelshelf.indexer.store.legacy`), which rewrites the rows of those tables once. The version that a
store says it has changes last: an upgrade that was killed is done again, and does nothing twice.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store import releases
from reelshelf.indexer.store.legacy import translations
from reelshelf.indexer.store.rows import STAGE_COLUMNS
from reelshelf.indexer.store.runs import run_records
from reelshelf.indexer.store.tables import (
    GENERATION_TABLES,
    SHARED_TABLES,
    Generation,
    Store,
    generation_table,
    missing_columns,
)
from reelshelf.schemas import tables
from reelshelf.schemas.config import (
    Config,
    kept_settings,
    parse_config,
    stored_config,
    with_first_defaults,
)
from reelshelf.schemas.upgrades import Json

_LAST_WITH_SECTIONS = 5
# Fingerprints that were made of whole sections, by table.
_FINGERPRINTS = {
    "videos": tuple(STAGE_COLUMNS.values()),
    "failures": ("stage_fingerprint",),
    "product_images": ("reading_fingerprint",),
}


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade does, or would do: new columns and tables, rows whose fingerprints change."""

    before: int
    after: int
    columns: tuple[str, ...]
    renamed: Mapping[str, int]
    tables: tuple[str, ...] = ()

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self.before < self.after or bool(self.columns or self.tables)


def upgrade_of(store: Store, config: Config | None = None) -> Upgrade:
    """What `upgrade` would do. Nothing is written."""
    columns, renamed, made = [], {}, []
    names = fingerprint_names(store, config)
    for generation in store.generations():
        seen = store.of(generation.number)
        for name in _tables(generation):
            table = generation_table(name, generation.number)
            if not seen.has_table(name):
                made.append(table)
                continue
            columns += [f"{table}.{field.name}" for field in missing_columns(seen, name)]
            if count := _count(seen, name, names):
                renamed[table] = count
    before = min(generation.schema_version for generation in store.generations())
    return Upgrade(before, tables.SCHEMA_VERSION, tuple(columns), renamed, tuple(made))


def upgrade(store: Store, config: Config | None = None) -> Upgrade:
    """Bring a store to today's schema; what was done.

    `store` must be guarded by its lease. `config` is that of the run which does it: a run that died
    in an older version has left no record of its own.
    """
    todo = upgrade_of(store, config)
    if not todo.is_needed:
        return todo
    names = fingerprint_names(store, config)
    for generation in store.generations():
        seen = store.of(generation.number)
        seen.make_missing()
        add_columns(seen, _tables(generation))
        for name in _tables(generation):
            _rename(seen, name, names)
    # Last, since this is what tells the next run that all of it is done.
    for generation in store.generations():
        cells: dict[str, str | int] = {"schema_version": tables.SCHEMA_VERSION}
        if generation.settings is None:
            kept = kept_settings(_made_with(store, generation, config))
            cells["settings"] = json.dumps(kept, sort_keys=True)
        store.change_generation(generation.number, **cells)
    return todo


def add_columns(store: Store, names: Iterable[str]) -> None:
    """Give tables of a generation the columns that they lack; no data is written."""
    for name in names:
        if missing := missing_columns(store, name):
            store.writable(name).add_columns(pa.schema(missing))


def fingerprint_names(store: Store, config: Config | None = None) -> dict[str, str]:
    """What fingerprints of this store are called now; empty where it has been upgraded."""
    generations = store.generations()
    if all(g.schema_version > _LAST_WITH_SECTIONS for g in generations):
        return {}
    runs = [(run.config, run.models) for run in run_records(store) if run.models]
    made = [(releases.config_of(r), r.models) for r in releases.list_releases(store)]
    first = with_first_defaults(config or parse_config({}))
    begun = [(first, generation.models) for generation in generations]
    return translations([*begun, *made, *runs])


def kept_config(store: Store) -> Json | None:
    """What the store keeps of the config that it was made with: of what is served, if anything is.

    An old store keeps the config of its served release, or else the first defaults.
    """
    served = releases.served_release(store)
    number = served.generation if served else store.generation
    generation = next(g for g in store.generations() if g.number == number)
    if generation.settings is not None:
        # Read as a record is: another version may have written it.
        kept = stored_config(json.dumps(generation.settings), where=f"settings of {store.uri}")
        return kept_settings(kept)
    if served is not None:
        return kept_settings(releases.config_of(served))
    return kept_settings(with_first_defaults(parse_config({})))


def keep_settings(store: Store, config: Config) -> None:
    """Have the store keep what a run makes its rows with from now on."""
    generation = next(g for g in store.generations() if g.number == store.generation)
    if generation.settings != (kept := kept_settings(config)):
        store.change_generation(generation.number, settings=json.dumps(kept, sort_keys=True))


def _made_with(store: Store, generation: Generation, config: Config | None) -> Config:
    """The config that the rows of a generation were made with, as far as anybody can tell."""
    own = [r for r in releases.listed_releases(store) if r.release.generation == generation.number]
    served = [item.release for item in own if item.serving] or [item.release for item in own[-1:]]
    if served:
        return releases.config_of(served[0])
    runs = [
        record.config
        for record in run_records(store)
        if record.models is not None and record.models.image == generation.models.image
    ]
    given = config or parse_config({"shop_id": generation.shop_id})
    return runs[-1] if runs else with_first_defaults(given)


def _tables(generation: Generation) -> tuple[str, ...]:
    """The tables of a generation; those that all share come with the first."""
    return (*GENERATION_TABLES, *SHARED_TABLES) if generation.number == 1 else GENERATION_TABLES


def _renamed_columns(store: Store, name: str, names: Mapping[str, str]) -> dict[str, list[str]]:
    """The fingerprints in each column of a table that have another name now."""
    columns = _FINGERPRINTS.get(name)
    if not columns or not names:
        return {}
    table = store.dataset(name).to_table(columns=list(columns))
    found = {
        column: sorted(names.keys() & set(pc.unique(table[column]).to_pylist()))
        for column in columns
    }
    return {column: old for column, old in found.items() if old}


def _among(columns: Mapping[str, list[str]]) -> str:
    """A filter on rows of which any fingerprint has another name now. All of it is hex digits."""
    parts = (f"{column} IN ({', '.join(map(repr, old))})" for column, old in columns.items())
    return " OR ".join(parts)


def _count(store: Store, name: str, names: Mapping[str, str]) -> int:
    columns = _renamed_columns(store, name, names)
    return int(store.dataset(name).count_rows(_among(columns))) if columns else 0


def _rename(store: Store, name: str, names: Mapping[str, str]) -> None:
    columns = _renamed_columns(store, name, names)
    if not columns:
        return
    values = {}
    for column, old in columns.items():
        # Lance's updates know no CASE. A fingerprint is replaced whole: all are as long.
        values[column] = column
        for value in old:
            values[column] = f"replace({values[column]}, '{value}', '{names[value]}')"
    store.writable(name).update(values, where=_among(columns))
