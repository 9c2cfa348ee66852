"""The linker of a release: the one that made its links, from what the release pins."""

from collections.abc import Iterable, Iterator, Mapping

from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.link import LinkableVideo, Linker
from indexer.linking.sight import Sight
from indexer.store.backgrounds import read_background
from indexer.store.products import read_products
from indexer.store.tables import Store
from schemas.config import LinkingConfig
from schemas.keys import product_key
from schemas.release import Release

_MOST_COPIES = 32


def released_linker(store: Store, release: Release, config: LinkingConfig) -> Linker:
    """Catalogue, background and calibration as the release has them."""
    store = store.of(release.generation)
    versions = {table.name: table.version for table in release.tables}
    catalogue = LinkingCatalogue.of(read_products(store, versions))
    keys = [product_key(release.shop_id, item.product.sku) for item in catalogue.products]
    background = read_background(store, release.background_id)
    sight = Sight(catalogue, background) if background else None
    return Linker(catalogue, keys, sight, release.calibration, config)


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
    store: Store, release: Release, keys: Iterable[str]
) -> Iterator[list[tuple[str, LinkableVideo]]]:
    """Those of `keys` that the release holds, as (video id, video), each among its copies."""
    store = store.of(release.generation)
    versions = {table.name: table.version for table in release.tables}
    groups = copies_of(store.clusters(versions["videos"]), keys)
    for batch in store.videos_to_link(groups, versions):
        yield from batch
