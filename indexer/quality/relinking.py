"""The linker of a release: the one that made its links, from what the release pins."""

from collections.abc import Iterable, Iterator, Mapping

from reelshelf.indexer.index.linkers import LinkerRecipe, linker_of
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.links import LinkableVideo

_MOST_COPIES = 32


def released_linker(snapshot: ReleaseSnapshot) -> Linker:
    """The linker with catalog, statistics and calibration as the release has them."""
    return linker_of(released_recipe(snapshot))


def released_recipe(snapshot: ReleaseSnapshot) -> LinkerRecipe:
    """What that linker is made from."""
    release = snapshot.release
    return LinkerRecipe.of(
        snapshot,
        snapshot.config,
        release.visual_stats_id,
        release.calibration,
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
