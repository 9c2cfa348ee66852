"""Ids that people type or list, in the spelling in which a release holds them."""

from collections.abc import Iterable

from indexer.store.tables import Store
from indexer.text import as_known
from schemas.release import Release


def stored_videos(store: Store, release: Release, given: Iterable[str]) -> dict[str, str]:
    """Each video id as the release spells it; one that it does not have stays as given."""
    return as_known(given, lambda: _column(store, release, "videos", "video_id"))


def stored_skus(store: Store, release: Release, given: Iterable[str]) -> dict[str, str]:
    """Each SKU as the release spells it; one that it does not have stays as given."""
    return as_known(given, lambda: _column(store, release, "products", "sku"))


def _column(store: Store, release: Release, table: str, column: str) -> Iterable[str]:
    dataset = store.of(release.generation).dataset(table, release.table_version(table))
    for batch in dataset.to_batches(columns=[column]):
        yield from batch[column].to_pylist()
