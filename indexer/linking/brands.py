"""Brands named in a video: they raise the brand's products, and name none."""

from collections import defaultdict
from collections.abc import Iterable

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
        for text in dict.fromkeys(_texts(video)):
            words = self._analyzer.words(text)
            for start in range(len(words)):
                for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                    found |= self._groups.get(tuple(words[start:end]), set())
        return found


def _texts(video: LinkableVideo) -> Iterable[str]:
    for segment in video.segments:
        yield from (line.text for line in segment.screen_text)
        yield from (said.text for said in segment.utterances)
        yield from (posted.text for posted in segment.post_text)
