"""Tables at fixed versions: of a release, opened, or of one that is to be made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import lance
import pyarrow as pa
from lancedb.table import Table

from reelshelf.indexer.store.releases import config_of, find_release, require_served
from reelshelf.indexer.store.tables import DATA_TABLES, Store, read_columns
from reelshelf.schemas.config import Config, StorageConfig
from reelshelf.schemas.release import Release, TableVersion


@dataclass(frozen=True, slots=True)
class PinnedTables:
    """The tables of one generation, each at one version. What is read here never changes."""

    store: Store
    versions: Mapping[str, int]

    @classmethod
    def at(cls, store: Store, pinned: Iterable[TableVersion]) -> "PinnedTables":
        """The tables of a store at the versions that were pinned."""
        return cls(store, {table.name: table.version for table in pinned})

    @classmethod
    def newest(cls, store: Store) -> "PinnedTables":
        """The tables of a store as they are now."""
        return cls(store, {name: store.dataset(name).version for name in DATA_TABLES})

    def table(self, name: str) -> Table:
        """A table at its version, to search in."""
        return self.store.table(name, self.versions[name])

    def dataset(self, name: str) -> lance.LanceDataset:
        """The same as Lance's own dataset."""
        return self.store.dataset(name, self.versions[name])

    def scan(self, name: str, columns: list[str] | None, where: str | None = None) -> pa.Table:
        """Rows of a table. A column that this version of it does not have is null."""
        return read_columns(name, self.dataset(name), columns, where)

    def count(self, name: str, where: str | None = None) -> int:
        """How many rows a table has."""
        return int(self.dataset(name).count_rows(where))


@dataclass(frozen=True, slots=True)
class ReleaseSnapshot(PinnedTables):
    """A release with the store it lies in, seen through the generation it is of.

    `config` is the one it was made with.
    """

    release: Release
    config: Config

    @classmethod
    def of(cls, store: Store, release: Release) -> "ReleaseSnapshot":
        """The snapshot of a release of this store."""
        return cls(
            store=store.of(release.generation),
            versions={table.name: table.version for table in release.tables},
            release=release,
            config=config_of(release),
        )

    @classmethod
    def served(cls, store: Store) -> "ReleaseSnapshot":
        """The release that searchers are to open. Raises StoreError where there is none."""
        return cls.of(store, require_served(store))

    @classmethod
    def open(
        cls, uri: str, storage: StorageConfig | None = None, name: str | None = None
    ) -> "ReleaseSnapshot":
        """Open a release of the store at `uri`: the one of that name, or the one that is served.

        Raises StoreError where there is no store or no release, ConfigError for an unknown name.
        """
        store = Store.open(uri, storage)
        return cls.of(store, find_release(store, name)) if name else cls.served(store)

    @property
    def link_above(self) -> float:
        """The score from which a link counts as one."""
        return self.config.linking.link_above

    def strong_links(self, columns: list[str]) -> pa.Table:
        """Some columns of the links that count."""
        return self.scan("links", columns, f"score >= {self.link_above}")
