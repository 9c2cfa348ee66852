"""From a request to what it asks for, and to the moments and products that retrievers find."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reelshelf.indexer.search.curation import NOTHING_APPLIED, Applied, Curation
from reelshelf.indexer.search.filters import NO_FILTER, Filter, admitted
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.likeness import Likeness, Resembled
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.product_search import Asked, Listed, ProductSearch
from reelshelf.indexer.search.query import Query
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.requests import SearchRequest
from reelshelf.indexer.search.retrievers import Candidates, Question, Retriever
from reelshelf.indexer.search.videos import SearchedVideos, Videos
from reelshelf.models.protocols import ImageEncoder, TextEncoder
from reelshelf.schemas.errors import ConfigError

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


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a request asks for, and what retrievers found: by name, in the order of their config.

    `admitted`, `(products,)`, and `videos`, `(videos,)`, are inside of all filters; None where all
    are. `resembled` is what more is looked for of.
    """

    request: SearchRequest
    question: Question
    asked: Asked | None
    admitted: Products | None
    videos: Videos | None
    resembled: Resembled | None = None
    applied: Applied = NOTHING_APPLIED
    candidates: Mapping[str, Candidates] = field(default_factory=dict)

    @property
    def query(self) -> Query | None:
        """How a text was understood."""
        return self.asked.query if self.asked else None


@dataclass(frozen=True, slots=True, eq=False)
class Finder:
    """Finds, in one release. `retrievers` are asked for up to `depth` videos each."""

    encoders: QueryEncoders
    products: ProductSearch
    videos: SearchedVideos
    links: SearchedLinks
    likeness: Likeness
    retrievers: Mapping[str, Retriever]
    depth: int
    curation: Curation | None

    def analyze(self, text: str, correct: bool, language: str | None, now_ms: int) -> Query:
        """How a text is understood, with the synonyms that hold at an instant."""
        if self.curation is None:
            return self.products.analyze(text, correct=correct)
        synonyms = self.curation.synonyms(language, _instant(now_ms))
        return self.products.analyze(text, correct=correct, synonyms=synonyms)

    def find(self, request: SearchRequest, now_ms: int) -> Found:
        """What a request asks for, and what is found for it at an instant."""
        found = self.ask(request, now_ms)
        # Products are listed by what is known of them, whatever videos say.
        if request.rows == "products":
            return found
        candidates: dict[str, Candidates] = {
            name: own
            for name, retriever in self.retrievers.items()
            if (own := retriever.find(found.question, found.videos, self.depth)) is not None
        }
        return replace(found, candidates=candidates)

    def ask(self, request: SearchRequest, now_ms: int) -> Found:
        """What a request asks for: nothing is looked for in videos yet."""
        columns = self.products.catalog.columns
        inside = admitted(request.filter, columns, dated=request.rows == "products")
        asked = text = frame = resembled = None
        relevance = Relevance.none()
        if request.text is not None:
            asked = self._asked(request.text, request, inside, now_ms)
            inside, text = asked.admitted, asked.vector
            relevance = self.products.relevance.of_text(asked.near, inside)
            if self.encoders.joint_text is not None and not request.without:
                frame = self.encoders.joint_text.encode_texts([asked.query.text])[0]
        if request.image is not None:
            if self.encoders.image is None:
                raise ConfigError("this searcher was made without an image encoder")
            frame = self.encoders.image.encode_images([request.image])[0]
            pictures = self.likeness.by_picture(frame)
            alike = self.products.relevance.of_image(pictures, inside)
            # Of what looks so, the words say which; of what they ask for, the picture does.
            relevance = alike if asked is None else alike.both(relevance)
        if request.like is not None:
            resembled = self.likeness.of(request.like)
            relevance, text, frame = resembled.relevance, resembled.text, resembled.frame
        applied = self._applied(request, asked, now_ms)
        question = Question(
            asked.query if asked else None,
            text,
            frame,
            applied.on_relevance(relevance),
            request.image is not None,
        )
        videos = self._inside(self.selling(request.filter, inside), applied, resembled)
        return Found(request, question, asked, inside, videos, resembled, applied)

    def _asked(
        self, text: str, request: SearchRequest, inside: Products | None, now_ms: int
    ) -> Asked:
        if self.encoders.text is None:
            raise ConfigError("this searcher was made without a text encoder")
        query = self.analyze(text, request.correct, request.language, now_ms)
        return self.products.ask(query, inside, encode="vectors" not in request.without)

    def _applied(self, request: SearchRequest, asked: Asked | None, now_ms: int) -> Applied:
        if self.curation is None:
            return NOTHING_APPLIED
        texts = (request.text or "", asked.query.text, asked.query.corrected) if asked else ()
        return self.curation.apply(dict.fromkeys(texts), request.language, _instant(now_ms))

    def selling(self, wanted: Filter, inside: Products | None) -> Videos | None:
        """`(videos,)` that filters let in: by what they sell, and by themselves; None for all."""
        if inside is None and wanted.kind is None and wanted.published is None:
            return None
        found = np.ones(len(self.videos), bool)
        if inside is not None:
            found = self.links.sold.any_of(inside[self.links.sold_products])
        if wanted.kind is not None:
            found &= self.videos.lives == (wanted.kind == "live")
        if wanted.published is not None:
            found &= wanted.published.admit(self.videos.published)
        return found

    def _inside(
        self, videos: Videos | None, applied: Applied, resembled: Resembled | None
    ) -> Videos | None:
        """The same without what rules hide, and without what more is looked for of."""
        left_out = applied.hidden_videos.tolist()
        if resembled is not None and resembled.video is not None:
            left_out += self.videos.members[int(self.videos.clusters[resembled.video])].tolist()
        if not left_out:
            return videos
        found = np.ones(len(self.videos), bool) if videos is None else videos.copy()
        found[left_out] = False
        return found

    def listed(self, found: Found) -> Listed:
        """The products that are asked for, best first, after rules."""
        if found.asked is None or found.request.image is not None:
            listed = Listed.of(found.question.relevance)
            if found.resembled is not None and found.resembled.product is not None:
                groups = self.products.catalog.columns.groups
                other = groups[listed.places] != groups[found.resembled.product]
                listed = Listed(listed.places[other], listed.scores[other])
            if found.admitted is not None:
                inside = found.admitted[listed.places]
                listed = Listed(listed.places[inside], listed.scores[inside])
            return listed
        return found.applied.on_list(self.products.list(found.asked))

    def comes_near(self, found: Found) -> bool:
        """Whether anything that is let in comes near a query: a product, or what a moment says."""
        asked = found.asked
        if asked is None or self.products.answers(asked):
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

    def outside(self, found: Found) -> bool:
        """Whether something comes near a query where no filter leaves anything out."""
        if found.asked is None:
            return False
        query = found.asked.query
        if found.request.filter == NO_FILTER and query.price is None and not query.excluded:
            return False
        free = replace(found.asked, admitted=None)
        if found.request.rows == "products" or self.products.answers(free):
            return self.products.answers(free)
        question = Question(free.query, free.vector, None, Relevance.none())
        candidates: dict[str, Candidates] = {
            name: own
            for name in ("lexical", "semantic")
            if name in self.retrievers
            and (own := self.retrievers[name].find(question, None, 1)) is not None
        }
        return self.comes_near(replace(found, asked=free, candidates=candidates))


def _instant(now_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
