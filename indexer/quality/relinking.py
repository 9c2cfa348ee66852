"""The linker of a release: the one that made its links, from what the release pins."""

from collections.abc import Iterable, Iterator, Mapping

from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.links import LinkableVideo

_MOST_COPIES = 32


def released_linker(snapshot: ReleaseSnapshot) -> Linker:
    """The linker with catalog, statistics and calibration as the release has them."""
    return linker_with(snapshot, snapshot.release.calibration)


def linker_with(snapshot: ReleaseSnapshot, calibration: Calibration) -> Linker:
    """The linker of a release, but for its calibration."""
    store, release = snapshot.store, snapshot.release
    kind = snapshot.config.text.analyzer
    catalog = CatalogIndex.of(read_products(store, snapshot.versions), kind)
    keys = [product_key(release.shop_id, item.product.sku) for item in catalog.products]
    stats = read_visual_stats(store, release.visual_stats_id)
    return Linker(
        catalog,
        keys,
        stats,
        calibration,
        snapshot.config.linking,
        release.models.text.space,
    )


def copies_of(clusters: Mapping[str, str], keys: Iterable[str]) -> list[list[str]]:
    """The groups that videos are linked in: each with its duplicates, those of huge clusters apart.

    `clusters` names the cluster of every video there is by key; groups and keys come in order.
    """
    wanted = {clusters[key] for key in keys if key in clusters}
    members: dict[str, list[str]] = {}
    for key in sorted(clusters):
        if clusters[key] in wanted:
            members.setdefault(clusters[key], []).append(key)
    return [
        group[start : start + _MOST_COPIES]
        for group in members.values()
        for start in range(0, len(group), _MOST_COPIES)
    ]


def released_videos(
    snapshot: ReleaseSnapshot, keys: Iterable[str]
) -> Iterator[list[tuple[str, LinkableVideo]]]:
    """Those of `keys` that the release holds, as (video id, video), each among its copies."""
    store, versions = snapshot.store, snapshot.versions
    groups = copies_of(store.clusters(versions["videos"]), keys)
    for batch in store.videos_to_link(groups, versions):
        yield from batch
