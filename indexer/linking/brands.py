"""Brands named in a video: they raise the brand's products, and name none."""

from collections import defaultdict

from reelshelf.indexer.linking.texts import texts_of
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.schemas.links import LinkableVideo

_LONGEST = 4


class Brands:
    """The brands of a catalog as words, with the groups of each."""

    def __init__(self, catalog: CatalogIndex) -> None:
        self._analyzer = catalog.analyzer
        self._groups: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for place, item in enumerate(catalog.products):
            words = tuple(self._analyzer.words(item.product.brand or ""))[:_LONGEST]
            if words:
                self._groups[words].add(int(catalog.groups.of[place]))

    def raised(self, video: LinkableVideo) -> set[int]:
        """The groups whose brand some text of the video names."""
        if not self._groups:
            return set()
        found: set[int] = set()
        for text in dict.fromkeys(text for text, _ in texts_of(video)):
            words = self._analyzer.words(text)
            for start in range(len(words)):
                for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                    found |= self._groups.get(tuple(words[start:end]), set())
        return found
