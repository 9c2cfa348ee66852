"""A searcher over one release.

It sees the tables, indexes and parameters of its release until it is closed, whatever is written
meanwhile. A query made with another encoder than the release's is refused.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reelshelf.indexer.search.arrays import shared_arrays
from reelshelf.indexer.search.facets import count_facets
from reelshelf.indexer.search.features import Ranker, shipped_ranker
from reelshelf.indexer.search.filters import Filter, admitted
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.moments import VECTORS, Moments
from reelshelf.indexer.search.product_results import ProductResults
from reelshelf.indexer.search.product_search import Asked, Listed, ProductSearch
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.requests import Page, SearchRequest, next_cursor, read_cursor
from reelshelf.indexer.search.results import Answer, Facet
from reelshelf.indexer.search.retrievers import (
    ByFrames,
    ByMeaning,
    ByProducts,
    ByWords,
    Candidates,
    Question,
    Retriever,
)
from reelshelf.indexer.search.segments import SearchedSegments
from reelshelf.indexer.search.video_list import list_videos
from reelshelf.indexer.search.video_results import VideoResults
from reelshelf.indexer.search.videos import Places, Videos
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.indexer.text import analyzer_of
from reelshelf.models.protocols import ImageEncoder, TextEncoder
from reelshelf.schemas.config import SearchConfig
from reelshelf.schemas.errors import ConfigError, SpaceMismatch
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef, Release
from reelshelf.schemas.spaces import cosine_scale
from reelshelf.schemas.visual_stats import WhitenedSpace

# A query is answered by what a moment says from here on, too: by the share of the query's words
# that it has (as `ByWords` scores it), or by the meaning of several words. Queries for what a shop
# does not have lie below both (docs/linking-and-search.md).
_NEAR_WORDS, _NEAR_MEANING = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class QueryEncoders:
    """What turns queries into vectors; a searcher of words alone needs no image encoder."""

    text: TextEncoder | None = None
    image: ImageEncoder | None = None
    joint_text: TextEncoder | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A product that a text asks for, and how surely: what is listed first comes nearest."""

    sku: str
    title: str
    category: tuple[str, ...]
    relevance: float


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What a request asks for, and what retrievers found: by name, in the order of their config.

    `admitted`, `(products,)`, and `videos`, `(videos,)`, are inside of all filters; None where all
    are.
    """

    question: Question
    asked: Asked | None
    admitted: Products | None
    videos: Videos | None
    candidates: Mapping[str, Candidates]


class Searcher:
    """Answers queries from one pinned release."""

    def __init__(
        self,
        snapshot: ReleaseSnapshot,
        encoders: QueryEncoders,
        config: SearchConfig | None = None,
        links: Sequence[ProductLink] | None = None,
        ranker: Ranker | None = None,
    ) -> None:
        """Open a release. `config`, `links` and `ranker` stand in for its own, to be tried out."""
        store, release = snapshot.store, snapshot.release
        models = release.models
        _same_space(encoders.text, models.text, release)
        _same_space(encoders.image, models.image, release)
        _same_space(encoders.joint_text, models.joint_text or models.image, release)
        self.release = release
        self._encoders = encoders
        self._config = config or snapshot.config.search
        self._ranker = ranker or shipped_ranker(self._config)
        arrays = shared_arrays(snapshot)
        self._catalog, self._videos = arrays.catalog, arrays.videos
        self._columns = columns = self._catalog.columns
        above = snapshot.link_above
        self._links = arrays.links
        if links is not None:
            self._links = SearchedLinks.of_records(links, self._videos, columns, above)
        self._products = ProductSearch(
            self._catalog,
            encoders.text,
            models.text.space,
            self._knows if encoders.text else None,
        )
        kind = snapshot.config.text.analyzer
        moments: Moments | None = arrays.moments
        if moments is None:
            indexes = {name: release.index_of("segments", name) for name in VECTORS}
            table = snapshot.table("segments")
            moments = SearchedSegments(table, indexes, kind == "icu", self._videos)
        stats = read_visual_stats(store, release.visual_stats_id)
        self._space = WhitenedSpace(stats) if stats else None
        self._pictures = snapshot.table("product_images")
        languages = (*self._catalog.analyzer.languages, *arrays.languages)
        analyzer = analyzer_of(kind, languages)
        self._by_words = ByWords(moments, analyzer, self._products.relevance.weight)
        known: Mapping[str, Retriever] = {
            "product": ByProducts(self._links),
            "lexical": self._by_words,
            "semantic": ByMeaning(moments, cosine_scale(models.text.space)),
            "visual": ByFrames(moments, self._space),
        }
        self._retrievers = {name: own for name, own in known.items() if getattr(self._config, name)}
        self._video_results = VideoResults(columns, self._links, self._videos)
        self._product_results = ProductResults(columns, self._links, self._videos, above)
        counting = self._links.counting
        self._sellable = np.zeros(len(columns), bool)
        self._sellable[self._links.products[counting]] = True

    def analyze(self, text: str, *, correct: bool = True) -> Query:
        """How a text would be understood: corrected spelling, brand, category, price.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        return self._products.analyze(text, correct=correct)

    def _knows(self, word: str) -> bool:
        """Whether a word that the catalog does not have finds something all the same."""
        encoder = self._encoders.text
        return (encoder is not None and encoder.has_word(word)) or self._by_words.has(word)

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
        now_ms = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
        page = read_cursor(request, self.release.release_id, now_ms)
        found = self._find(request)
        if request.rows == "products":
            return self._answer_products(request, page, found)
        return self._answer_videos(request, page, found)

    def _find(self, request: SearchRequest) -> _Found:
        """What the request asks for, and the moments that retrievers find for it."""
        wanted, dated = request.filter, request.rows == "products"
        filtered = inside = admitted(wanted, self._columns, dated=dated)
        asked = frame = None
        relevance = Relevance.none()
        if request.text is not None:
            if self._encoders.text is None:
                raise ConfigError("this searcher was made without a text encoder")
            query = self.analyze(request.text, correct=request.correct)
            asked = self._products.ask(query, filtered)
            inside = asked.admitted
            relevance = self._products.relevance.of_text(asked.near, inside)
            if self._encoders.joint_text is not None:
                frame = self._encoders.joint_text.encode_texts([query.text])[0]
        if request.image is not None:
            if self._encoders.image is None:
                raise ConfigError("this searcher was made without an image encoder")
            frame = self._encoders.image.encode_images([request.image])[0]
            alike = self._products.relevance.of_image(self._similarity_to_products(frame), inside)
            # Of what looks so, the words say which; of what they ask for, the picture does.
            relevance = alike if asked is None else alike.both(relevance)
        question = Question(
            asked.query if asked else None,
            asked.vector if asked else None,
            frame,
            relevance,
            request.image is not None,
        )
        videos = self._selling(wanted, inside)
        # Products are listed by what is known of them, whatever videos say.
        retrievers = self._retrievers if request.rows == "videos" else {}
        candidates: dict[str, Candidates] = {
            name: own
            for name, retriever in retrievers.items()
            if (own := retriever.find(question, videos, self._config.depth)) is not None
        }
        return _Found(question, asked, inside, videos, candidates)

    def _answer_videos(self, request: SearchRequest, page: Page, found: _Found) -> Answer:
        listed = list_videos(
            found.candidates,
            found.asked.query.price if found.asked else None,
            self._links,
            self._videos,
            self._columns,
            self._ranker,
            self._config,
            page.now_ms,
            self._each_of(found.asked),
        )
        shown = listed.page(page.offset, request.page_size)
        if request.sort == "newest":
            newest = np.argsort(-self._videos.published[listed.videos].astype(float), kind="stable")
            shown = listed.page_of(newest, page.offset, request.page_size)
        hits = tuple(map(self._video_results.hit, shown))
        query = found.asked.query if found.asked else None
        if found.asked is not None and not (hits and self._comes_near(found.asked, found)):
            outside = found.videos is not None and self._outside(found.asked)
            return Answer((), hits, query, outside_filters=outside)
        return Answer(
            hits,
            (),
            query,
            facets=self._facets_of_videos(request, listed.videos, found),
            total=len(listed),
            next_cursor=next_cursor(request, self.release.release_id, page, len(listed)),
        )

    def _each_of(self, asked: Asked | None) -> frozenset[int]:
        """The products of a broad query that videos sell: each is shown before any comes again."""
        if asked is None or asked.near.broad is None:
            return frozenset()
        places = asked.near.places[asked.near.broad & asked.inside]
        return frozenset(places[self._sellable[places]].tolist())

    def _answer_products(self, request: SearchRequest, page: Page, found: _Found) -> Answer:
        asked = found.asked
        if asked is None or request.image is not None:
            listed = Listed.of(found.question.relevance)
        else:
            listed = self._products.list(asked)
        query = asked.query if asked else None
        results = self._product_results.ordered(listed, request.sort)
        hits = self._product_results.hits(results, page.offset, request.page_size)
        if asked is not None and not self._products.answers(asked):
            free = replace(asked, admitted=None)
            return Answer((), hits, query, outside_filters=self._products.answers(free))
        groups = self._columns.groups[listed.places].astype(np.intp)
        return Answer(
            hits,
            query=query,
            facets=count_facets(request.facets, listed.places, groups, self._columns),
            total=len(results),
            next_cursor=next_cursor(request, self.release.release_id, page, len(results)),
        )

    def _similarity_to_products(self, vector: Vectors) -> dict[int, float]:
        """Cosine to each near product's best picture, in the whitened space if there is one."""
        index = self.release.index_of("product_images", "image_vector")
        if not index.rows:
            return {}
        columns = ["sku", "image_vector"]
        hits = nearest(self._pictures, "image_vector", vector, index, self._config.depth, columns)
        cosines = np.array([1.0 - float(hit["_distance"]) for hit in hits])
        if self._space is not None and hits:
            pictures = np.array([hit["image_vector"] for hit in hits], np.float32)
            cosines = self._space.of_pictures(pictures) @ self._space.of_queries(vector)
        best: dict[int, float] = {}
        for hit, cosine in zip(hits, cosines.tolist(), strict=True):
            product = self._columns.skus[str(hit["sku"])]
            best[product] = max(cosine, best.get(product, -1.0))
        return best

    def _selling(self, wanted: Filter, inside: Products | None) -> Videos | None:
        """`(videos,)` that filters let in: by what they sell, and by themselves."""
        videos = self._videos
        if inside is None and wanted.kind is None and wanted.published is None:
            return None
        found = np.ones(len(videos), bool)
        if inside is not None:
            counting = self._links.counting
            found[:] = False
            found[self._links.videos[counting[inside[self._links.products[counting]]]]] = True
        if wanted.kind is not None:
            found &= videos.lives == (wanted.kind == "live")
        if wanted.published is not None:
            found &= wanted.published.admit(videos.published)
        return found

    def _comes_near(self, asked: Asked, found: _Found) -> bool:
        """Whether anything that is let in comes near a query: a product, or what a moment says."""
        if self._products.answers(asked):
            return True
        words = asked.query.corrected.split()

        def nearest_of(name: str) -> float:
            own = found.candidates.get(name)
            return float(own.scores.max(initial=0.0)) if own is not None else 0.0

        if not words:
            return False
        if nearest_of("lexical") >= _NEAR_WORDS:
            return True
        # The vector of a single word lies near any short sentence.
        return len(words) > 1 and nearest_of("semantic") >= _NEAR_MEANING

    def _outside(self, asked: Asked) -> bool:
        """Whether something comes near a query where no filter leaves anything out."""
        free = replace(asked, admitted=None)
        if self._products.answers(free):
            return True
        question = Question(asked.query, asked.vector, None, Relevance.none())
        candidates: dict[str, Candidates] = {
            name: own
            for name in ("lexical", "semantic")
            if name in self._retrievers
            and (own := self._retrievers[name].find(question, None, 1)) is not None
        }
        return self._comes_near(free, _Found(question, free, None, None, candidates))

    def _facets_of_videos(
        self, request: SearchRequest, videos: Places, found: _Found
    ) -> tuple[Facet, ...]:
        if not request.facets:
            return ()
        places, sizes = self._links.sold.places(videos)
        products = self._links.products[self._links.sold.values[places]]
        results = np.repeat(np.arange(len(videos)), sizes)
        kept = slice(None) if found.admitted is None else found.admitted[products]
        return count_facets(request.facets, products[kept], results[kept], self._columns)


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
