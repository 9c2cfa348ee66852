"""A searcher over one release.

It sees the tables, indexes and parameters of its release until it is closed, whatever is written
meanwhile. A query made with another encoder than the release's is refused.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from lancedb.table import Table

from reelshelf.indexer.search import retrievers
from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.filters import in_category, in_price
from reelshelf.indexer.search.labels import Products
from reelshelf.indexer.search.links import LINK_COLUMNS, SearchedLinks
from reelshelf.indexer.search.query import Query, QueryAnalyzer
from reelshelf.indexer.search.ranking import Ranked, diversify, freshness
from reelshelf.indexer.search.relevance import ProductRelevance
from reelshelf.indexer.search.results import Answer, SearchHit, SoldProduct
from reelshelf.indexer.search.retrievers import Found, FullText
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.rows import Cells
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.visual_stats import read_visual_stats
from reelshelf.indexer.text.analyzer import analyzer_of
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.clean import clean_text
from reelshelf.models.protocols import ImageEncoder, TextEncoder
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import SearchConfig
from reelshelf.schemas.errors import ConfigError, InputError, SpaceMismatch
from reelshelf.schemas.links import ProductLink
from reelshelf.schemas.media import Pixels, Vectors
from reelshelf.schemas.release import ModelRef, Release, VectorIndex
from reelshelf.schemas.spaces import cosine_scale
from reelshelf.schemas.visual_stats import WhitenedSpace

_FEW = 3
# Relevance below which a text asks for no product; and the share of the best one's that is as good.
_WANTED, _AS_WANTED = 0.27, 0.6
# A query is answered from here on: by the relevance of a product, by the share of its words that a
# moment has (as `retrievers.by_words` scores it), or by the meaning of several words. Queries for
# what a shop does not have lie below all three (docs/linking-and-search.md).
_NEAR_PRODUCT, _NEAR_WORDS, _NEAR_MEANING = 0.2, 0.5, 0.5
# A query longer than this is cut: nobody types one, and each of its words is looked up.
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class QueryEncoders:
    """What turns queries into vectors; a searcher of words alone needs no image encoder."""

    text: TextEncoder | None = None
    image: ImageEncoder | None = None
    joint_text: TextEncoder | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A product that a text asks for, and how surely, in 0..1."""

    product: Product
    relevance: float


class Searcher:
    """Answers queries from one pinned release."""

    def __init__(
        self,
        snapshot: ReleaseSnapshot,
        encoders: QueryEncoders,
        config: SearchConfig | None = None,
        links: Sequence[ProductLink] | None = None,
    ) -> None:
        """Open a release. `config` and `links` stand in for its own, to try others out."""
        store, release = snapshot.store, snapshot.release
        models = release.models
        _same_space(encoders.text, models.text, release)
        _same_space(encoders.image, models.image, release)
        _same_space(encoders.joint_text, models.joint_text or models.image, release)
        self.release = release
        self._encoders = encoders
        self._config = config or snapshot.config.search
        self._link_above = snapshot.link_above
        kind = snapshot.config.text.analyzer
        self._catalog = CatalogIndex.of(read_products(store, snapshot.versions), kind)
        self._searched = SearchedCatalog.of(self._catalog)
        self._columns = self._searched.columns
        self._analyzer = QueryAnalyzer(self._searched, self._knows if encoders.text else None)
        self._relevance = ProductRelevance(self._searched, models.text.space)
        stats = read_visual_stats(store, release.visual_stats_id)
        self._space = WhitenedSpace(stats) if stats else None
        self._segments = snapshot.table("segments")
        languages = (*self._catalog.analyzer.languages, *_languages(self._segments))
        self._full_text = FullText(self._segments, analyzer_of(kind, languages))
        self._pictures = snapshot.table("product_images")
        if links is None:
            released = snapshot.scan("links", LINK_COLUMNS)
            self._links = SearchedLinks.of_table(released, self._catalog)
        else:
            self._links = SearchedLinks.of_records(links, self._catalog)
        self._videos = store.video_facts(snapshot.versions["videos"])
        self._members: dict[str, list[str]] = defaultdict(list)
        for key, facts in sorted(self._videos.items()):
            self._members[facts.cluster].append(key)
        # Places of the links that are sure, and of products that the catalog has.
        sure = self._links.scores >= self._link_above
        self._surely = np.flatnonzero(sure & (self._links.products >= 0))
        self._sold = self._sales()
        self._sellable = set(self._links.products[self._surely].tolist())

    def _sales(self) -> dict[str, list[int]]:
        """What each video sells by its key: places of links, surest first."""
        links = self._links
        sold: dict[str, list[int]] = defaultdict(list)
        for place in self._surely.tolist():
            sold[links.video_keys[place]].append(place)
        for sales in sold.values():
            skus = {p: self._catalog.sku(int(links.products[p])) for p in sales}
            sales.sort(key=lambda place: (-links.scores[place], skus[place]))
        return sold

    def _sold_by(self, video_key: str) -> tuple[SoldProduct, ...]:
        """What a video sells; a group of which the variant is not known is one of it."""
        links = self._links
        own: dict[tuple[str, int], list[int]] = defaultdict(list)
        for place in self._sold.get(video_key, ()):
            group = links.groups[place] if links.unknown[place] else ""
            own[group, -1 if group else place].append(place)
        return tuple(self._sold_product(places) for places in own.values())

    def _sold_product(self, places: Sequence[int]) -> SoldProduct:
        links = self._links
        products = [self._catalog.products[links.products[place]].product for place in places]
        return SoldProduct(
            products[0].sku,
            products[0].title,
            float(links.scores[places[0]]),
            links.groups[places[0]] or None,
            tuple(product.sku for product in products) if links.unknown[places[0]] else (),
            bool(links.corrected[places[0]]),
        )

    def analyze(self, text: str, *, correct: bool = True) -> Query:
        """How a text would be understood: corrected spelling, brand, category, price.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        plain = clean_text(text)
        if not plain:
            raise InputError("the query is empty: type what you are looking for")
        query = self._analyzer.analyze(plain[:_LONGEST], correct=correct)
        if len(plain) <= _LONGEST:
            return query
        note = f"only its first {_LONGEST} characters were looked at"
        return replace(query, notes=(*query.notes, note))

    def _knows(self, word: str) -> bool:
        """Whether a word that the catalog does not have finds something all the same."""
        encoder = self._encoders.text
        return (encoder is not None and encoder.has_word(word)) or self._full_text.has(word)

    def wanted(self, text: str) -> list[Wanted]:
        """The products that a text asks for, the most relevant first.

        None where nothing in the catalog comes near it: then whatever is found is no answer.
        """
        if self._encoders.text is None:
            raise ConfigError("this searcher was made without a text encoder")
        query = self.analyze(text)
        vector = self._encoders.text.encode_texts([query.text])[0]
        admitted = self._admitted(None, query)
        broad = self._relevance.broad(query)
        relevance = self._relevance.of_text(query, vector, admitted, broad)
        best = float(relevance.max(initial=0.0))
        least = max(_WANTED, best * _AS_WANTED)
        products = self._catalog.products
        return [
            Wanted(products[place].product, float(relevance[place]))
            for place in np.argsort(-relevance, kind="stable").tolist()
            if relevance[place] >= least
        ]

    def search_text(
        self, text: str, *, k: int = 10, category: str | None = None, correct: bool = True
    ) -> Answer:
        """Videos for a shopper's words, best first.

        Where not `correct`, words are taken as they are. Raises InputError where there is no text.
        """
        if self._encoders.text is None:
            raise ConfigError("this searcher was made without a text encoder")
        config = self._config
        query = self.analyze(text, correct=correct)
        vector = self._encoders.text.encode_texts([query.text])[0]
        admitted = self._admitted(category, query)
        broad = self._relevance.broad(query)
        relevance = self._relevance.of_text(query, vector, admitted, broad)
        found = {
            "product": (config.product, self._linked(relevance)),
            "lexical": (config.lexical, self._worded(query)),
            "semantic": (config.semantic, self._near("text_vector", vector)),
        }
        if self._encoders.joint_text is not None:
            seen = self._encoders.joint_text.encode_texts([query.text])[0]
            found["visual"] = (config.visual, self._near("frame_vector", seen))
        allowed = self._selling(admitted)
        hits = tuple(self._rank(found, k, allowed, self._each_of(broad, admitted)))
        worded, meant = (found[name][1] for name in ("lexical", "semantic"))
        if hits and _comes_near(query, relevance, worded, meant, allowed):
            return Answer(hits, (), query)
        everywhere = self._of_all(query, vector, broad) if allowed is not None else None
        outside = everywhere is not None and _comes_near(query, everywhere, worded, meant)
        return Answer((), hits, query, outside_filters=outside)

    def search_image(self, image: Pixels, *, k: int = 10, category: str | None = None) -> Answer:
        """Videos for a shopper's picture, `(H, W, 3)` uint8, best first."""
        if self._encoders.image is None:
            raise ConfigError("this searcher was made without an image encoder")
        vector = self._encoders.image.encode_images([image])[0]
        admitted = self._admitted(category, None)
        relevance = self._relevance.of_image(self._similarity_to_products(vector), admitted)
        found = {
            "product": (self._config.product, self._linked(relevance)),
            "visual": (self._config.visual, self._shown(vector)),
        }
        return Answer(tuple(self._rank(found, k, self._selling(admitted))))

    def _linked(self, relevance: Vectors) -> list[Found]:
        return retrievers.by_links(relevance, self._links)

    def _worded(self, query: Query) -> list[Found]:
        """Full text for the words as typed and as corrected: a transcript may have either."""
        texts = [query.text]
        # Full text ignores case: what differs in nothing else is asked once.
        if query.corrected.casefold() != query.text.casefold():
            texts.append(query.corrected)
        weight, depth = self._relevance.weight, self._config.depth
        found = [self._full_text.by_words(text, weight, depth) for text in texts]
        return [item for items in found for item in items]

    def _near(self, column: str, vector: Vectors) -> list[Found]:
        index = self.release.index_of("segments", column)
        if not index.rows:
            return []
        found = retrievers.by_vector(self._segments, column, vector, index, self._config.depth)
        if column != "text_vector":
            return found
        scale = cosine_scale(self.release.models.text.space)
        return [replace(item, score=item.score / scale) for item in found]

    def _similarity_to_products(self, vector: Vectors) -> dict[int, float]:
        """Cosine to each near product's best picture, centered."""
        index = self.release.index_of("product_images", "image_vector")
        if not index.rows:
            return {}
        hits = self._likest(self._pictures, "image_vector", vector, index, ["sku"])
        best: dict[int, float] = {}
        for hit, cosine in hits:
            product = self._catalog.index_of[str(hit["sku"])]
            best[product] = max(cosine, best.get(product, -1.0))
        return best

    def _shown(self, vector: Vectors) -> list[Found]:
        """Moments that look like a picture."""
        index = self.release.index_of("segments", "frame_vector")
        if not index.rows:
            return []
        columns = ["video_key", "start_ms", "end_ms", "text"]
        return [
            Found(hit["video_key"], max(0.0, cosine), hit["start_ms"], hit["end_ms"], hit["text"])
            for hit, cosine in self._likest(self._segments, "frame_vector", vector, index, columns)
        ]

    def _likest(
        self, table: Table, column: str, vector: Vectors, index: VectorIndex, columns: list[str]
    ) -> list[tuple[Cells, float]]:
        """The nearest rows, each with its cosine in the whitened space.

        A release without product pictures has no such space; its cosines are plain.
        """
        hits = nearest(table, column, vector, index, self._config.depth, [*columns, column])
        if self._space is None or not hits:
            return [(hit, 1.0 - float(hit["_distance"])) for hit in hits]
        found = np.array([hit[column] for hit in hits], np.float32)
        of_its_kind = self._space.of_pictures if column == "image_vector" else self._space.of_frames
        cosines = of_its_kind(found) @ self._space.of_queries(vector)
        return list(zip(hits, cosines.tolist(), strict=True))

    def _admitted(self, category: str | None, query: Query | None) -> Vectors:
        """`(products,)` 1 for products inside the filters, 0 outside."""
        inside = np.ones(len(self._catalog), bool)
        if category is not None:
            inside &= in_category(category, self._columns)
        if query is not None and query.price is not None:
            inside &= in_price(query.price, self._columns)
        for unwanted in query.excluded if query is not None else ():
            inside &= ~self._relevance.named(unwanted)
        return inside.astype(np.float32)

    def _selling(self, admitted: Vectors) -> set[str] | None:
        """Keys of the videos that sell an admitted product; None where all products are."""
        if admitted.all():
            return None
        links = self._links
        surely = self._surely[admitted[links.products[self._surely]] > 0]
        return {links.video_keys[place] for place in surely.tolist()}

    def _of_all(self, query: Query, vector: Vectors, broad: Products | None) -> Vectors:
        """Relevance where no filter leaves anything out."""
        everything = np.ones(len(self._catalog), np.float32)
        return self._relevance.of_text(query, vector, everything, broad)

    def _each_of(self, broad: Products | None, admitted: Vectors) -> frozenset[str]:
        """SKUs that a broad query asks for and that some video surely sells: each is shown."""
        if broad is None:
            return frozenset()
        places = np.flatnonzero(broad & (admitted > 0)).tolist()
        products = self._catalog.products
        return frozenset(products[p].product.sku for p in places if p in self._sellable)

    def _rank(
        self,
        found: dict[str, tuple[float, list[Found]]],
        k: int,
        allowed: set[str] | None,
        each_of: frozenset[str] = frozenset(),
    ) -> list[SearchHit]:
        best: dict[str, dict[str, tuple[float, Found]]] = defaultdict(dict)
        for retriever, (weight, items) in found.items():
            for item in items:
                if allowed is not None and item.video_key not in allowed:
                    continue
                score = weight * item.score
                known = best[item.video_key].get(retriever)
                if known is None or score > known[0]:
                    best[item.video_key][retriever] = (score, item)
        now = dt.datetime.now(dt.UTC)
        ranked = [self._ranked(key, by_retriever, now) for key, by_retriever in best.items()]
        return [
            self._hit(item, copies, best[item.video_key])
            for item, copies in diversify(ranked, self._config.diversity_penalty, k, each_of)
        ]

    def _ranked(
        self, key: str, by_retriever: dict[str, tuple[float, Found]], now: dt.datetime
    ) -> Ranked:
        config, video = self._config, self._videos[key]
        link = _carrier(by_retriever)
        parts = [(retriever, points) for retriever, (points, _) in by_retriever.items()]
        product = self._links.products[link] if link is not None else None
        if product is not None:
            standing = float(self._columns.authority[product])
            parts.append(("authority", config.authority * standing))
        fresh = freshness(video.published_at, now, config.freshness_days)
        parts.append(("freshness", config.freshness * fresh))
        return Ranked(
            video_key=key,
            cluster=video.cluster,
            score=sum(points for _, points in parts),
            parts=tuple(sorted(((n, p) for n, p in parts if p), key=lambda x: -x[1])),
            sku=self._catalog.products[product].product.sku if product is not None else None,
        )

    def _hit(
        self, item: Ranked, copies: Sequence[str], by_retriever: dict[str, tuple[float, Found]]
    ) -> SearchHit:
        _, moment = max(by_retriever.values(), key=lambda pair: pair[0])
        link = _carrier(by_retriever)
        # Copies that no retriever found belong to the cluster all the same.
        cluster = [k for k in self._members[item.cluster] if k != item.video_key]
        ordered = [*copies, *(key for key in cluster if key not in copies)]
        return SearchHit(
            video_id=self._videos[item.video_key].video_id,
            copies=tuple(self._videos[key].video_id for key in ordered),
            score=item.score,
            start_ms=moment.start_ms,
            end_ms=moment.end_ms,
            products=self._sold_by(item.video_key),
            retrievers=item.parts,
            evidence=self._links.record(link).evidence[:_FEW] if link is not None else (),
            text=moment.text,
        )


def _carrier(by_retriever: dict[str, tuple[float, Found]]) -> int | None:
    """The place of the link that led to a video, if one did."""
    return next((found.link for _, found in by_retriever.values() if found.link is not None), None)


def _comes_near(
    query: Query,
    relevance: Vectors,
    worded: Sequence[Found],
    meant: Sequence[Found],
    allowed: set[str] | None = None,
) -> bool:
    """Whether anything in the shop comes near a query: a product, or what a moment says.

    `allowed` are the keys of videos that count; None where all do.
    """
    asked = query.corrected.split()
    if not asked and query.price is None:
        return False
    if relevance.max(initial=0.0) >= _NEAR_PRODUCT:
        return True

    def nearest(found: Sequence[Found]) -> float:
        within = (f.score for f in found if allowed is None or f.video_key in allowed)
        return max(within, default=0.0)

    if nearest(worded) >= _NEAR_WORDS:
        return True
    # The vector of a single word lies near any short sentence.
    return len(asked) > 1 and nearest(meant) >= _NEAR_MEANING


def _languages(segments: Table) -> list[str]:
    """The languages that moments are in, in the memory of a piece of the column."""
    found: set[str] = set()
    for batch in segments.to_lance().to_batches(columns=["language"]):
        found.update(code for code in batch["language"].unique().to_pylist() if code)
    return sorted(found)


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
