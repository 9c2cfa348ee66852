"""Titles that are likely to be said in a video: what a recognizer is told to listen for.

Names of products are rare words, and are misheard. A recognizer that is told of a few spells them
as the catalog does; told of many it begins to hear what nobody said. So a video is given the titles
it declares, those that its own text names, and those of a merchant who sells only a few.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from reelshelf.indexer.text.analyzer import Analyzer
from reelshelf.schemas.catalog import Product, VideoSource

# Titles for one video; products of a merchant beyond which none of them is likely; and in how many
# titles a word may stand to say which one is meant.
_MOST, _FEW_PRODUCTS, _RARE = 8, 12, 5


class Hotwords:
    """The titles of a catalog, by what some videos may name them with. Made once for a run."""

    def __init__(
        self, products: Iterable[Product], analyzer: Analyzer, sources: Iterable[VideoSource]
    ) -> None:
        self._analyzer = analyzer
        self._titles: dict[str, str] = {}
        # Only what these videos ask for: a catalog has more words than anybody says.
        self._of_merchant: dict[str, list[str]] = {}
        self._with_word: dict[str, list[str]] = {}
        declared: set[str] = set()
        for source in sources:
            declared.update(source.merchant_skus)
            self._of_merchant.setdefault(source.merchant_id or "", [])
            for word in analyzer.words(source.own_text):
                if not analyzer.is_stopword(word):
                    self._with_word.setdefault(word, [])
        for product in products:
            if product.sku in declared:
                self._titles[product.sku] = product.title
            own = self._of_merchant.get(product.merchant_id) if product.merchant_id else None
            if own is not None and len(own) <= _FEW_PRODUCTS:
                own.append(product.title)
            if not self._with_word:
                continue
            for word in dict.fromkeys(analyzer.words(product.title)):
                # One more than is rare tells that the word is not.
                titles = self._with_word.get(word)
                if titles is not None and len(titles) <= _RARE:
                    titles.append(product.title)

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
