"""Products meant but not named: "a loud clock with two bells".

The text of a segment and the description of a product are compared as sentences. As with sight,
likeness alone is not enough: what is said must be closer to this product than to its rivals.
"""

from dataclasses import dataclass

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from schemas.config import MeaningConfig
from schemas.media import Vectors


@dataclass(frozen=True, slots=True)
class Meant:
    """A product that a segment's words may mean."""

    segment: int
    product: int
    score: float


def find_meant(
    texts: Vectors, segments: list[int], catalogue: LinkingCatalogue, config: MeaningConfig
) -> list[Meant]:
    """Products meant by segments, given text vectors `(n, dim)` and the segments they belong to."""
    if not segments:
        return []
    similarity = texts @ catalogue.text_vectors.T
    likely = 1.0 / (1.0 + np.exp(-config.slope * (similarity - config.midpoint)))
    rivals = np.exp((similarity - similarity.max(axis=1, keepdims=True)) / config.rivalry)
    scores = likely * rivals / rivals.sum(axis=1, keepdims=True)
    rows, products = np.nonzero(scores >= config.keep_above)
    return [
        Meant(segments[row], int(product), float(scores[row, product]))
        for row, product in zip(rows.tolist(), products.tolist(), strict=True)
    ]
