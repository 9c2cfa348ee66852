"""The tables of a release, read at the versions that it names."""

import pyarrow as pa

from indexer.store.releases import config_of
from indexer.store.tables import Store
from schemas.release import Release


class Pinned:
    """A release with the store it lies in."""

    def __init__(self, store: Store, release: Release) -> None:
        self.store = store.of(release.generation)
        self.release = release
        self.link_above = config_of(release).linking.link_above

    def table(self, name: str, columns: list[str], where: str | None = None) -> pa.Table:
        """Some columns of a table."""
        dataset = self.store.dataset(name, self.release.table_version(name))
        return dataset.to_table(columns=columns, filter=where)

    def strong_links(self, columns: list[str]) -> pa.Table:
        """Some columns of the links that count."""
        return self.table("links", columns, f"score >= {self.link_above}")
