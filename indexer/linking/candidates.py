"""Which groups of products are worth comparing with a video.

Matchers are exact and dear; a source of candidates is fast and may name too many, but should leave
out none that a matcher would find.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from reelshelf.schemas.media import Vectors

Numbers = npt.NDArray[np.intp]


class CandidateSource(Protocol):
    """Names candidates by modality, each as numbers of groups in rising order."""

    def seen(self, frames: Vectors) -> Numbers:
        """Groups whose pictures may resemble one of some frames `(n, image_dim)`."""
        ...

    def meant(self, sentences: Vectors) -> Numbers:
        """Groups whose text may mean what one of some sentences `(n, text_dim)` does."""
        ...

    def sounding(self, heard: Sequence[str]) -> Numbers:
        """Groups whose name may sound like a part of what was heard."""
        ...


class AllGroups:
    """Names every group: right, and as slow as the catalog is large."""

    def __init__(self, count: int) -> None:
        self._all = np.arange(count)

    def seen(self, frames: Vectors) -> Numbers:
        """All of them."""
        del frames
        return self._all

    def meant(self, sentences: Vectors) -> Numbers:
        """All of them."""
        del sentences
        return self._all

    def sounding(self, heard: Sequence[str]) -> Numbers:
        """All of them."""
        del heard
        return self._all
