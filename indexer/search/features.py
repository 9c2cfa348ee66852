"""What is known of each found video, as a matrix; and rankers, which make scores of it.

A ranker sees features and nothing else, so that another one can be tried on the same release. The
shipped one weighs them: a weighted sum of what each retriever gives (CombSUM; Fox and Shaw,
"Combination of Multiple Searches", 1994), of the authority of what is sold and the freshness of the
video. The last two are small and neutral for what has no history: they order what is otherwise
equal and bury nothing that is new. Features without a weight are there for rankers that learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reelshelf.indexer.search.links import MODALITIES
from reelshelf.schemas.config import SearchConfig
from reelshelf.schemas.media import Vectors

RETRIEVERS = ("product", "lexical", "semantic", "visual")
FEATURES = (
    *RETRIEVERS,
    "authority",
    "freshness",
    "link",
    *(f"link_{modality}" for modality in MODALITIES),
    "price_fit",
    "variant_known",
)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMatrix:
    """`values`, `(videos, features)`, of the features in `names`.

    Of retrievers: the score of a video's best moment, 0 where it was not found. `authority` is in
    -1..1, `freshness` in 0..1. `link` is the probability of the link that led to a video and
    `link_...` the same by one modality alone; `price_fit` is 1 in the middle of an asked price
    range and 0 at its ends; `variant_known` tells that the video shows the very variant. All 0
    without a link.
    """

    names: tuple[str, ...]
    values: Vectors

    def column(self, name: str) -> Vectors:
        """`(videos,)` one feature."""
        return self.values[:, self.names.index(name)]


class Ranker(Protocol):
    """Scores found videos by their features."""

    @property
    def name(self) -> str:
        """What the ranker is called."""
        ...

    def parts(self, features: FeatureMatrix) -> Vectors:
        """`(videos, features)` what each feature adds to a score, which is their sum."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """The shipped ranker: each feature times its weight; one that is not named has none."""

    weights: Mapping[str, float]
    name: str = "weighted sum"

    def parts(self, features: FeatureMatrix) -> Vectors:
        """`(videos, features)` features times weights."""
        weights = [self.weights.get(name, 0.0) for name in features.names]
        return np.asarray(features.values * np.array(weights, np.float32), np.float32)


def shipped_ranker(config: SearchConfig) -> WeightedSum:
    """The ranker of the weights in a config."""
    weighed = (*RETRIEVERS, "authority", "freshness")
    return WeightedSum({name: getattr(config, name) for name in weighed})
