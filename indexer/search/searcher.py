"""A searcher over one release.

It sees the tables, indexes and parameters of its release until it is closed, whatever is written
meanwhile. A query made with another encoder than the release's is refused.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelshelf.indexer.search.answering import Answering
from reelshelf.indexer.search.arrays import shared_arrays
from reelshelf.indexer.search.curation import Curation, Remark
from reelshelf.indexer.search.features import Ranker, shipped_ranker
from reelshelf.indexer.search.filters import Filter
from reelshelf.indexer.search.finding import Finder, QueryEncoders
from reelshelf.indexer.search.likeness import Likeness
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.moments import VECTORS, Moments
from reelshelf.indexer.search.product_results import ProductResults
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.requests import Like, SearchRequest, read_cursor
from reelshelf.indexer.search.results import Answer
from reelshelf.indexer.search.retrievers import (
    ByFrames,
    ByMeaning,
    ByProducts,
    ByWords,
    Retriever,
)
from reelshelf.indexer.search.segments import SearchedSegments
from reelshelf.indexer.search.suggestions import Suggestions, suggestions_of
from reelshelf.indexer.search.video_list import VideoLister
from reelshelf.indexer.search.video_results import VideoResults
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.indexer.search.why import Explaining, Why
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.indexer.text import analyzer_of
from reelshelf.models.protocols import ImageEncoder, TextEncoder
from reelshelf.schemas.config import SearchConfig
from reelshelf.schemas.errors import SpaceMismatch
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.media import Pixels
from reelshelf.schemas.release import ModelRef, Release
from reelshelf.schemas.rules import NO_RULES, Rules
from reelshelf.schemas.spaces import cosine_scale
from reelshelf.schemas.visual_stats import WhitenedSpace


@dataclass(frozen=True, slots=True)
class Wanted:
    """A product that a text asks for, and how surely: what is listed first comes nearest."""

    sku: str
    title: str
    category: tuple[str, ...]
    relevance: float


class Searcher:
    """Answers queries from one pinned release."""

    def __init__(
        self,
        snapshot: ReleaseSnapshot,
        encoders: QueryEncoders,
        config: SearchConfig | None = None,
        links: Sequence[ProductLink] | None = None,
        ranker: Ranker | None = None,
        rules: Rules = NO_RULES,
    ) -> None:
        """Open a release. `config`, `links` and `ranker` stand in for its own, to be tried out.

        Raises SpaceMismatch for other encoders than the release's, InputError for rules that this
        catalog cannot have.
        """
        release, models = snapshot.release, snapshot.release.models
        _same_space(encoders.text, models.text, release)
        _same_space(encoders.image, models.image, release)
        _same_space(encoders.joint_text, models.joint_text or models.image, release)
        self.release = release
        config = config or snapshot.config.search
        arrays = shared_arrays(snapshot)
        catalog, videos, own = arrays.catalog, arrays.videos, arrays.links
        self._columns = columns = catalog.columns
        above = snapshot.link_above
        if links is not None:
            own = SearchedLinks.of_records(links, videos, columns, above)
        moments: Moments = _in_lance(snapshot, videos)
        if arrays.moments is not None:
            moments = arrays.moments.with_indexes(snapshot, videos)
        stats = read_visual_stats(snapshot.store, release.visual_stats_id)
        space = WhitenedSpace(stats) if stats else None
        languages = (*catalog.analyzer.languages, *arrays.languages)
        knows = self._knows if encoders.text else None
        self._encoder = encoders.text
        self._products = ProductSearch(catalog, encoders.text, models.text.space, knows)
        self._by_words = ByWords(
            moments,
            analyzer_of(snapshot.config.text.analyzer, languages),
            self._products.relevance.weight,
        )
        known: Mapping[str, Retriever] = {
            "product": ByProducts(own),
            "lexical": self._by_words,
            "semantic": ByMeaning(moments, cosine_scale(models.text.space)),
            "visual": ByFrames(moments, space),
        }
        self._curation = Curation(rules, catalog, videos) if rules != NO_RULES else None
        self._finder = Finder(
            encoders,
            self._products,
            videos,
            own,
            Likeness(snapshot, catalog, videos, own, space, config.depth),
            {name: retriever for name, retriever in known.items() if getattr(config, name)},
            config.depth,
            self._curation,
        )
        sellable = np.zeros(len(columns), bool)
        sellable[own.sold_products] = True
        self._answering = Answering(
            release.release_id,
            self._finder,
            VideoLister(own, videos, columns, ranker or shipped_ranker(config), config),
            VideoResults(columns, own, videos),
            ProductResults(columns, own, videos, above),
            columns,
            sellable,
            config.rerank,
        )

    @property
    def unknown(self) -> Sequence[Remark]:
        """What rules name and this release does not have."""
        return tuple(self._curation.unknown) if self._curation else ()

    def analyze(self, text: str, *, correct: bool = True, language: str | None = None) -> Query:
        """How a text would be understood: corrected spelling, brand, category, price.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        return self._finder.analyze(text, correct, language, _now_ms())

    def _knows(self, word: str) -> bool:
        """Whether a word that the catalog does not have finds something all the same."""
        encoder = self._encoder
        return (encoder is not None and encoder.has_word(word)) or self._by_words.has(word)

    def suggestions(self, queries: Sequence[str] = ()) -> Suggestions:
        """What a shopper may be about to type; `queries` were asked before, most frequent first."""
        return suggestions_of(self._columns, queries)

    def wanted(self, text: str) -> list[Wanted]:
        """The products that a text asks for, the most relevant first.

        None where nothing in the catalog comes near it: then whatever is found is no answer.
        """
        asked = self._products.ask(self.analyze(text))
        if not self._products.answers(asked):
            return []
        listed, columns = self._products.list(asked), self._columns
        return [
            Wanted(columns.skus.at(place), columns.titles[place], columns.category(place), score)
            for place, score in zip(listed.places.tolist(), listed.scores.tolist(), strict=True)
        ]

    def search_text(
        self, text: str, *, k: int = 10, category: str | None = None, correct: bool = True
    ) -> Answer:
        """Videos for a shopper's words, best first.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        wanted = Filter(names=(("category", (category,)),) if category is not None else ())
        return self.search(SearchRequest(text, filter=wanted, page_size=k, correct=correct))

    def search_image(self, image: Pixels, *, k: int = 10, category: str | None = None) -> Answer:
        """Videos for a shopper's picture, `(H, W, 3)` uint8, best first."""
        wanted = Filter(names=(("category", (category,)),) if category is not None else ())
        return self.search(SearchRequest(image=image, filter=wanted, page_size=k))

    def search(self, request: SearchRequest) -> Answer:
        """Answer a request. Raises InputError where something in it cannot be understood."""
        page = read_cursor(request, self.release.release_id, _now_ms())
        found = self._finder.find(request.eased(page.without), page.now_ms)
        return self._answering.answer(found, page)

    def why(self, request: SearchRequest, of: Like) -> Why:
        """Where a video or a product stands in the answer to a request, or why it is not there.

        Raises InputError where something in the request cannot be understood.
        """
        now_ms = read_cursor(request, self.release.release_id, _now_ms()).now_ms
        found = self._finder.find(request, now_ms)
        return Explaining(self._finder, self._answering).why(found, now_ms, of)


def _now_ms() -> int:
    return int(dt.datetime.now(dt.UTC).timestamp() * 1000)


def _in_lance(snapshot: ReleaseSnapshot, videos: SearchedVideos) -> SearchedSegments:
    """The moments of a release that has too many for arrays."""
    indexes = {name: snapshot.release.index_of("segments", name) for name in VECTORS}
    has_terms = snapshot.config.text.analyzer == "icu"
    return SearchedSegments(snapshot.table("segments"), indexes, has_terms, videos)


def _same_space(
    encoder: TextEncoder | ImageEncoder | None, published: ModelRef, release: Release
) -> None:
    if encoder is None or encoder.ref.space == published.space:
        return
    raise SpaceMismatch(
        f"release {release.release_id} holds vectors of {published.space!r}, the query encoder "
        f"makes {encoder.ref.space!r}: search with the models of the release (profile "
        f"{release.profile!r})"
    )
