"""What a searcher makes of a release once: arrays that all processes of a node map.

They depend on the rows of the release and on this code alone, so a release of an older version of
reelshelf has them like any other: made when it is first opened on a node, by whoever comes first.
"""

import logging
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from lancedb.table import Table

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.links import LINK_COLUMNS, SearchedLinks
from reelshelf.indexer.search.moments import VECTORS, MomentArrays
from reelshelf.indexer.search.videos import VIDEO_COLUMNS, SearchedVideos
from reelshelf.indexer.store import shared
from reelshelf.indexer.store.catalog_files import new_mapped, read_catalog
from reelshelf.indexer.store.link_file import write_links
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.keys import file_sha256, fingerprint
from reelshelf.schemas.media import Vectors

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class SearchArrays:
    """A release as arrays. `languages` are those that moments are in.

    `moments` is None where the release has too many: they are searched by its indexes.
    """

    catalog: SearchedCatalog
    videos: SearchedVideos
    links: SearchedLinks
    moments: MomentArrays | None
    languages: tuple[str, ...]


def shared_arrays(snapshot: ReleaseSnapshot) -> SearchArrays:
    """The arrays of a release, mapped: made if this node does not have them."""

    def make(folder: Path) -> SearchArrays:
        _LOG.info("arrays of release %s are made in %s", snapshot.release.release_id, folder)
        return derived(snapshot, folder)

    store = snapshot.store
    name = fingerprint([_code(), store.uri, store.generation, _depends_on(snapshot)])
    found = shared.opened(shared.prepared("search", name, make, store.storage))
    assert isinstance(found, SearchArrays)
    return found


def derived(snapshot: ReleaseSnapshot, folder: Path) -> SearchArrays:
    """The arrays of a release, made from its rows; vectors lie in files of a folder.

    The catalog is read product by product from files beside them, which are gone afterwards.
    """
    files = iter(range(len(VECTORS) + 1))

    def new(shape: tuple[int, ...]) -> Vectors:
        return new_mapped(folder / f"vectors-{next(files)}.npy", shape, np.float32)

    catalog_folder = folder / "catalog"
    catalog_folder.mkdir()
    catalog = SearchedCatalog.of(
        read_catalog(snapshot, snapshot.config.text.analyzer, catalog_folder), new
    )
    shutil.rmtree(catalog_folder)
    videos = SearchedVideos.of_table(snapshot.scan("videos", VIDEO_COLUMNS))
    links = write_links(snapshot, LINK_COLUMNS, folder / "links.arrow")
    segments = snapshot.table("segments")
    return SearchArrays(
        catalog,
        videos,
        SearchedLinks.of_rows(links, videos, catalog.columns, snapshot.link_above),
        MomentArrays.read(snapshot, videos, folder, new) if MomentArrays.fits(snapshot) else None,
        tuple(_languages(segments)),
    )


def _depends_on(snapshot: ReleaseSnapshot) -> dict[str, str | float]:
    """What rows a release holds, and what is made of them."""
    store = snapshot.store
    contents = {
        name: store.content_of(name, snapshot.versions[name])
        for name in ("products", "product_images", "videos", "links", "segments")
    }
    config = snapshot.config
    return {**contents, "analyzer": config.text.analyzer, "link_above": snapshot.link_above}


@cache
def _code() -> str:
    """Names the code of what is pickled: another one could not open it."""
    rooms = ("search", "text")
    files = [file for room in rooms for file in (Path(__file__).parent.parent / room).glob("*.py")]
    return fingerprint({f"{f.parent.name}/{f.name}": file_sha256(f) for f in files})


def _languages(segments: Table) -> list[str]:
    """The languages that moments are in, in the memory of a piece of the column."""
    found: set[str] = set()
    for batch in segments.to_lance().to_batches(columns=["language"]):
        found.update(code for code in batch["language"].unique().to_pylist() if code)
    return sorted(found)
