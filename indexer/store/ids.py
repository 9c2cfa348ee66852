"""Ids that people type or list, in the spelling in which a release holds them."""

from collections.abc import Iterable

from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text.clean import as_known


def stored_videos(snapshot: ReleaseSnapshot, given: Iterable[str]) -> dict[str, str]:
    """Each video id as the release spells it; one that it does not have stays as given."""
    return as_known(given, lambda: _column(snapshot, "videos", "video_id"))


def stored_skus(snapshot: ReleaseSnapshot, given: Iterable[str]) -> dict[str, str]:
    """Each SKU as the release spells it; one that it does not have stays as given."""
    return as_known(given, lambda: _column(snapshot, "products", "sku"))


def _column(snapshot: ReleaseSnapshot, table: str, column: str) -> Iterable[str]:
    for batch in snapshot.dataset(table).to_batches(columns=[column]):
        yield from batch[column].to_pylist()
