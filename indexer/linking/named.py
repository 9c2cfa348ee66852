"""How far a text names each product, whoever wrote or said it."""

import numpy as np

from reelshelf.indexer.linking.matches import discount_shared
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.names import find_names
from reelshelf.schemas.media import Vectors

_SOFTNESS = 0.05


def named(text: str, catalog: CatalogIndex) -> Vectors:
    """`(products,)` how far `text` names each product, less what rivals share."""
    coverage = np.zeros(len(catalog), np.float32)
    for match in find_names(text, catalog):
        coverage[match.product] = max(coverage[match.product], match.coverage)
    return discount_shared(coverage, _SOFTNESS)
