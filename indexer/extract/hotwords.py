"""Titles that are likely to be said in a video: what a recognizer is told to listen for.

Names of products are rare words, and are misheard. A recognizer that is told of a few spells them
as the catalog does; told of many it begins to hear what nobody said. So a video is given the titles
it declares, those that its own text names, and those of a merchant who sells only a few.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.schemas.catalog import Product, VideoSource

# Titles for one video; products of a merchant beyond which none of them is likely; and in how many
# titles a word may stand to say which one is meant.
_MOST, _FEW_PRODUCTS, _RARE = 8, 12, 5


class Hotwords:
    """The titles of a catalog, by what a video may name them with. Made once for a run."""

    def __init__(self, products: Iterable[Product], analyzer: Analyzer) -> None:
        self._analyzer = analyzer
        self._titles: dict[str, str] = {}
        self._of_merchant: dict[str, list[str]] = defaultdict(list)
        self._with_word: dict[str, list[str]] = defaultdict(list)
        for product in products:
            self._titles[product.sku] = product.title
            own = self._of_merchant[product.merchant_id] if product.merchant_id else []
            if len(own) <= _FEW_PRODUCTS:
                own.append(product.title)
            for word in dict.fromkeys(analyzer.words(product.title)):
                # One more than is rare tells that the word is not.
                if not analyzer.is_stopword(word) and len(self._with_word[word]) <= _RARE:
                    self._with_word[word].append(product.title)

    def of(self, source: VideoSource) -> tuple[str, ...]:
        """Titles that are likely to be said, the likeliest first."""
        return tuple(islice(dict.fromkeys(self._likely(source)), _MOST))

    def _likely(self, source: VideoSource) -> Iterator[str]:
        yield from (self._titles[sku] for sku in source.merchant_skus if sku in self._titles)
        for word in dict.fromkeys(self._analyzer.words(source.own_text)):
            titles = self._with_word.get(word, ())
            if len(titles) <= _RARE:
                yield from titles
        own = self._of_merchant.get(source.merchant_id or "", ())
        if len(own) <= _FEW_PRODUCTS:
            yield from own
