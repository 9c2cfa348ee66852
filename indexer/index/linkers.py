"""Linkers that processes share: made once on a node, as files that each of them maps.

A linker is arrays and little else. What a node has made stays until another catalog is linked on
it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from reelshelf.indexer.index.candidates import FLAT_UP_TO, candidates_among, candidates_for
from reelshelf.indexer.linking import link as linking
from reelshelf.indexer.linking.link import Linker
from reelshelf.indexer.linking.visual_stats import PlaceFor, in_memory
from reelshelf.indexer.store import shared
from reelshelf.indexer.store.catalog_files import new_mapped, read_catalog
from reelshelf.indexer.store.snapshot import PinnedTables
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.indexer.text.analyzer import AnalyzerKind
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.config import Config, LinkingConfig, StorageConfig
from reelshelf.schemas.keys import file_sha256, fingerprint

_LOG = logging.getLogger(__name__)
_CATALOG, _PICTURES = "catalog", "pictures.npy"


@dataclass(frozen=True, slots=True)
class LinkerRecipe:
    """All that a linker is made from, as a process anywhere needs it to make one.

    `versions` are those of the products and their pictures, `contents` names what these hold, and
    `stats_id` visual statistics.
    """

    uri: str
    storage: StorageConfig | None
    generation: int
    versions: Mapping[str, int]
    contents: Mapping[str, str]
    shop_id: str
    analyzer: AnalyzerKind
    stats_id: str | None
    calibration: Calibration
    config: LinkingConfig
    text_space: str

    @classmethod
    def of(
        cls,
        pinned: PinnedTables,
        config: Config,
        stats_id: str | None,
        calibration: Calibration,
        text_space: str,
    ) -> "LinkerRecipe":
        """That of a linker for the products of some versions of the tables."""
        store = pinned.store
        versions = {name: pinned.versions[name] for name in ("products", "product_images")}
        return cls(
            store.uri,
            store.storage,
            store.generation,
            versions,
            {name: store.content_of(name, version) for name, version in versions.items()},
            config.shop_id,
            config.text.analyzer,
            stats_id,
            calibration,
            config.linking,
            text_space,
        )

    @property
    def name(self) -> str:
        """Names what comes out: the same for the same recipe and code."""
        return fingerprint(
            [
                linking.VERSION,
                _code(),
                dict(self.contents),
                self.shop_id,
                self.analyzer,
                self.stats_id,
                self.calibration.model_dump(mode="json"),
                self.config.model_dump(mode="json"),
                self.text_space,
            ]
        )

    @property
    def pinned(self) -> PinnedTables:
        """The tables, opened by whoever asks."""
        return PinnedTables(Store(self.uri, self.storage, self.generation), self.versions)


@cache
def _code() -> str:
    """Names the code of what is pickled: another one could not open it."""
    rooms = ("index", "linking", "text")
    files = [file for room in rooms for file in (Path(__file__).parent.parent / room).glob("*.py")]
    return fingerprint({f"{f.parent.name}/{f.name}": file_sha256(f) for f in files})


class _Last:
    """The linker that this process has made or opened last."""

    def __init__(self) -> None:
        self.name: str | None = None
        self.linker: Linker | None = None

    def of(self, name: str, make: Callable[[], Linker]) -> Linker:
        """The one of that name."""
        if self.name != name or self.linker is None:
            # Before another is made: two large ones would not fit.
            self.name, self.linker = None, None
            self.linker = make()
            self.name = name
        return self.linker


_WHOLE, _AMONG = _Last(), _Last()


def linker_of(recipe: LinkerRecipe) -> Linker:
    """The linker of a recipe; that of a large catalog from files, which are made where missing."""

    def make() -> Linker:
        return opened(prepared(recipe)) if is_large(recipe) else _made(recipe, folder=None)

    return _WHOLE.of(recipe.name, make)


def linker_among(recipe: LinkerRecipe, skus: Sequence[str]) -> Linker:
    """One for some of the products of a recipe alone, and the variants of these."""
    name = fingerprint([recipe.name, list(skus)])
    return _AMONG.of(name, lambda: linker_of(recipe).among(skus, candidates_among))


def is_large(recipe: LinkerRecipe) -> bool:
    """Whether the catalog is so large that its linker is made once for all processes."""
    return recipe.pinned.count("products") > FLAT_UP_TO


def prepared(recipe: LinkerRecipe) -> Path:
    """The folder with the files of a linker, made if this node does not have it.

    It stays while this process runs.

    Raises StoreError where the folder for all of them is somebody else's.
    """

    def make(folder: Path) -> Linker:
        _LOG.info("a linker is prepared in %s", folder)
        return _made(recipe, folder)

    return shared.prepared("linkers", recipe.name, make, recipe.storage)


def _made(recipe: LinkerRecipe, folder: Path | None) -> Linker:
    """A new linker: in memory, or with its large arrays in files of a folder."""
    pinned = recipe.pinned
    place_for: PlaceFor = in_memory
    stats = read_visual_stats(pinned.store, recipe.stats_id)
    if folder is not None:
        (folder / _CATALOG).mkdir()
        place_for = partial(new_mapped, folder / _PICTURES)
    counts = stats.counts if stats else None
    place = None if folder is None else folder / _CATALOG
    catalog = read_catalog(pinned, recipe.analyzer, place, counts)
    return Linker(
        catalog,
        recipe.shop_id,
        stats,
        recipe.calibration,
        recipe.config,
        recipe.text_space,
        candidates_for,
        place_for,
    )


def opened(folder: Path) -> Linker:
    """The linker that lies in a folder of this user's; its arrays are mapped."""
    found = shared.opened(folder)
    assert isinstance(found, Linker)
    return found
