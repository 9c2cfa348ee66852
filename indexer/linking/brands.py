"""Brands named in a video: they raise the brand's products, and name none."""

import numpy as np

from reelshelf.indexer.linking.texts import texts_of
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.lookup import Rows, numbered
from reelshelf.schemas.links import LinkableVideo

_LONGEST = 4


class Brands:
    """The brands of a catalog as words, and those of each group."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._analyzer = catalog.analyzer
        self._brands, of_product = numbered(
            [" ".join(words[:_LONGEST])] if words else [] for words in catalog.words.brands
        )
        groups = catalog.groups.of[of_product.owners()]
        self._of_group = Rows.of_pairs(groups, of_product.values, len(catalog.groups))

    def named(self, video: LinkableVideo) -> frozenset[int]:
        """The numbers of the brands that some text of the video names."""
        if not len(self._brands):
            return frozenset()
        found: set[int] = set()
        for text in dict.fromkeys(text for text, _ in texts_of(video)):
            words = self._analyzer.words(text)
            for start in range(len(words)):
                for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                    brand = self._brands.get(" ".join(words[start:end]))
                    if brand is not None:
                        found.add(brand)
        return frozenset(found)

    def is_of(self, group: int, brands: frozenset[int]) -> bool:
        """Whether a product of a group is of one of some brands."""
        return bool(brands) and not brands.isdisjoint(np.unique(self._of_group[group]).tolist())
