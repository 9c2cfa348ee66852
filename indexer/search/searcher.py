"""A searcher over one release.

It sees the tables, indexes and parameters of its release until it is closed, whatever is written
meanwhile. A query made with another encoder than the release's is refused.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from indexer.linking.catalogue import LinkingCatalogue
from indexer.search import routes
from indexer.search.results import SearchHit, SoldProduct
from indexer.search.routes import Found
from indexer.store.rows import links_from
from indexer.store.tables import Store
from models.protocols import ImageEncoder, TextEncoder
from schemas.config import SearchConfig, parse_config
from schemas.errors import ConfigError, SpaceMismatch
from schemas.links import ProductLink
from schemas.media import Pixels, Vectors
from schemas.release import ModelRef, Release, VectorIndex

_FEW = 3


@dataclass(frozen=True, slots=True)
class QueryEncoders:
    """What turns queries into vectors; a searcher of words alone needs no image encoder."""

    text: TextEncoder | None = None
    image: ImageEncoder | None = None
    joint_text: TextEncoder | None = None


class Searcher:
    """Answers queries from one pinned release."""

    def __init__(
        self, store: Store, release: Release, encoders: QueryEncoders, config: SearchConfig
    ) -> None:
        models = release.models
        _same_space(encoders.text, models.text, release)
        _same_space(encoders.image, models.image, release)
        _same_space(encoders.joint_text, models.joint_text or models.image, release)
        self.release = release
        self._encoders = encoders
        self._config = config
        self._link_above = parse_config(json.loads(release.config)).linking.link_above
        versions = {table.name: table.version for table in release.tables}
        self._catalogue = LinkingCatalogue.of(store.read_products(versions))
        self._segments = store.table("segments", versions["segments"])
        self._pictures = store.table("product_images", versions["product_images"])
        self._links = links_from(store.table("links", versions["links"]).to_arrow())
        videos = store.table("videos", versions["videos"]).to_lance()
        names = videos.to_table(columns=["video_key", "video_id"]).to_pylist()
        self._names = {row["video_key"]: row["video_id"] for row in names}

    def search_text(
        self, text: str, *, k: int = 10, category: str | None = None
    ) -> list[SearchHit]:
        """Videos for a shopper's words, best first."""
        if self._encoders.text is None:
            raise ConfigError("this searcher was made without a text encoder")
        config = self._config
        vector = self._encoders.text.encode_texts([text])[0]
        relevance = routes.products_for_text(text, vector, self._catalogue)
        found = {
            "product": (config.product, self._linked(relevance, category)),
            "words": (config.words, routes.by_words(self._segments, text, config.depth)),
            "meaning": (config.meaning, self._near("text_vector", vector)),
        }
        if self._encoders.joint_text is not None:
            seen = self._encoders.joint_text.encode_texts([text])[0]
            found["frame"] = (config.frame, self._near("frame_vector", seen))
        return self._fuse(found, k, category)

    def search_image(
        self, image: Pixels, *, k: int = 10, category: str | None = None
    ) -> list[SearchHit]:
        """Videos for a shopper's picture, `(H, W, 3)` uint8, best first."""
        if self._encoders.image is None:
            raise ConfigError("this searcher was made without an image encoder")
        vector = self._encoders.image.encode_images([image])[0]
        relevance = routes.products_for_image(
            self._likeness_to_products(vector), len(self._catalogue)
        )
        found = {
            "product": (self._config.product, self._linked(relevance, category)),
            "frame": (self._config.frame, self._near("frame_vector", vector)),
        }
        return self._fuse(found, k, category)

    def _linked(self, relevance: Vectors, category: str | None) -> list[Found]:
        wanted = relevance if category is None else relevance * self._in_category(category)
        return routes.by_links(wanted, self._catalogue, self._links)

    def _near(self, column: str, vector: Vectors) -> list[Found]:
        index = self._index("segments", column)
        if not index.rows:
            return []
        return routes.by_vector(self._segments, column, vector, index, self._config.depth)

    def _likeness_to_products(self, vector: Vectors) -> dict[int, float]:
        """Cosine to each near product's best picture, centred as the release's links were."""
        index = self._index("product_images", "image_vector")
        if not index.rows:
            return {}
        hits = routes.nearest(
            self._pictures, "image_vector", vector, index, self._config.depth,
            ["sku", "image_vector"],
        )  # fmt: skip
        background = self.release.background
        mean = np.array(background.picture_mean if background else 0.0, np.float32)
        query = _unit(vector - mean)
        best: dict[int, float] = {}
        for hit in hits:
            product = self._catalogue.index_of[str(hit["sku"])]
            cosine = float(query @ _unit(np.array(hit["image_vector"], np.float32) - mean))
            best[product] = max(cosine, best.get(product, -1.0))
        return best

    def _fuse(
        self, found: dict[str, tuple[float, list[Found]]], k: int, category: str | None
    ) -> list[SearchHit]:
        """Weighted sum of each route's best score for a video (CombSUM; Fox and Shaw 1994)."""
        best: dict[str, dict[str, tuple[float, Found]]] = defaultdict(dict)
        for route, (weight, items) in found.items():
            for item in items:
                score = weight * item.score
                known = best[item.video_key].get(route)
                if known is None or score > known[0]:
                    best[item.video_key][route] = (score, item)
        sold = self._sold(best.keys())
        if category is not None:
            inside = self._in_category(category)
            best = {
                key: by_route
                for key, by_route in best.items()
                if any(inside[self._catalogue.index_of[link.sku]] for link in sold[key])
            }
        hits = [self._hit(key, by_route, sold[key]) for key, by_route in best.items()]
        return sorted(hits, key=lambda hit: (-hit.score, hit.video_id))[:k]

    def _hit(
        self, key: str, by_route: dict[str, tuple[float, Found]], links: Sequence[ProductLink]
    ) -> SearchHit:
        score = sum(points for points, _ in by_route.values())
        _, moment = max(by_route.values(), key=lambda pair: pair[0])
        link = next((f.link for _, f in by_route.values() if f.link is not None), None)
        products = self._catalogue.products
        return SearchHit(
            video_id=self._names[key],
            score=score,
            start_ms=moment.start_ms,
            end_ms=moment.end_ms,
            products=tuple(
                SoldProduct(
                    sold.sku,
                    products[self._catalogue.index_of[sold.sku]].product.title,
                    sold.score,
                )
                for sold in links
            ),
            routes=tuple(sorted(((r, p) for r, (p, _) in by_route.items()), key=lambda x: -x[1])),
            evidence=link.evidence[:_FEW] if link else (),
            text=moment.text,
        )

    def _sold(self, keys: Iterable[str]) -> dict[str, list[ProductLink]]:
        sold: dict[str, list[ProductLink]] = {key: [] for key in keys}
        for link in self._links:
            if link.score >= self._link_above and link.video_key in sold:
                sold[link.video_key].append(link)
        for links in sold.values():
            links.sort(key=lambda link: (-link.score, link.sku))
        return sold

    def _in_category(self, category: str) -> Vectors:
        wanted = category.casefold()
        return np.array(
            [
                any(wanted == part.casefold() for part in item.product.category)
                for item in self._catalogue.products
            ],
            np.float32,
        )

    def _index(self, table: str, column: str) -> VectorIndex:
        for index in self.release.indexes:
            if (index.table, index.column) == (table, column):
                return index
        raise KeyError(f"release {self.release.release_id} has no index on {table}.{column}")


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


def _unit(vector: Vectors) -> Vectors:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
