"""Which groups of products are worth comparing with a video.

Matchers are exact and dear; a source of candidates is fast and may name too many, but should leave
out none that a matcher would find.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from reelshelf.indexer.linking.sounds import Sounds
from reelshelf.indexer.linking.visual_stats import GroupPictures, PlaceFor, in_memory
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Numbers
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import VisualStats


class CandidateSource(Protocol):
    """Names candidates by modality, each as numbers of groups in rising order."""

    def seen(self, frames: Vectors) -> Numbers:
        """Groups whose pictures may resemble one of some frames `(n, image_dim)`, whitened."""
        ...

    def meant(self, sentences: Vectors) -> Numbers:
        """Groups whose text may mean what one of some sentences `(n, text_dim)` does."""
        ...

    def sounding(self, heard: str) -> Numbers:
        """Groups whose name may sound like a part of what was heard, given as its sounds."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Comparable:
    """What matchers compare videos with: a catalog, and what was made of it for them.

    `pictures` are None where there are none, or no statistics to compare them by. The cells are
    those of the statistics, if these have any.
    """

    catalog: CatalogIndex
    pictures: GroupPictures | None
    sounds: Sounds
    picture_cells: bytes | None
    text_cells: bytes | None

    @classmethod
    def of(
        cls, catalog: CatalogIndex, stats: VisualStats | None, place_for: PlaceFor = in_memory
    ) -> "Comparable":
        """That of a catalog; `place_for` is of `GroupPictures`."""
        pictures = None
        if stats is not None and len(catalog.vectors.image):
            pictures = GroupPictures(catalog, stats, place_for)
        cells = (stats.picture_cells, stats.text_cells) if stats else (None, None)
        return cls(catalog, pictures, Sounds(catalog), *cells)


CandidateMaker: TypeAlias = Callable[[Comparable], CandidateSource]


class AllGroups:
    """Names every group: right, and as slow as the catalog is large."""

    def __init__(self, count: int) -> None:
        self._all = np.arange(count)

    @classmethod
    def of(cls, comparable: Comparable) -> "AllGroups":
        """Those of a catalog."""
        return cls(len(comparable.catalog.groups))

    def seen(self, frames: Vectors) -> Numbers:
        """All of them."""
        del frames
        return self._all

    def meant(self, sentences: Vectors) -> Numbers:
        """All of them."""
        del sentences
        return self._all

    def sounding(self, heard: str) -> Numbers:
        """All of them."""
        del heard
        return self._all
