"""What is like a video, a moment or a product: the same question, asked by vectors that are stored.

A video is the mean of its moments, and what it sells; a moment its own vectors, and what is shown
then; a product its sentence and its pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from reelshelf.indexer.search.catalog import SearchedCatalog
from reelshelf.indexer.search.links import SearchedLinks
from reelshelf.indexer.search.relevance import Relevance
from reelshelf.indexer.search.requests import Like, UnknownThing
from reelshelf.indexer.search.videos import SearchedVideos
from reelshelf.indexer.store.nearest import nearest
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import among
from reelshelf.indexer.text import Numbers
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import WhitenedSpace

# So many products are like another.
_MOST = 200
# Cosines of product texts below the first say nothing, above the second the same.
_UNLIKE, _ALIKE = 0.3, 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Resembled:
    """What something is like: products that are asked for, and vectors as a question has them.

    `video` is the place of the video that it is, or is a moment of; `product` that of the product.
    """

    relevance: Relevance
    text: Vectors | None
    frame: Vectors | None
    video: int | None = None
    product: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """Looks up what things of a release are like."""

    snapshot: ReleaseSnapshot
    catalog: SearchedCatalog
    videos: SearchedVideos
    links: SearchedLinks
    space: WhitenedSpace | None
    depth: int

    def of(self, like: Like) -> Resembled:
        """What something is like. Raises InputError where the release does not have it."""
        return self._of_product(like.name) if like.kind == "product" else self._of_video(like)

    def by_picture(self, vector: Vectors) -> dict[int, float]:
        """Cosine to each near product's best picture, in the whitened space if there is one."""
        index = self.snapshot.release.index_of("product_images", "image_vector")
        if not index.rows:
            return {}
        pictures = self.snapshot.table("product_images")
        columns = ["sku", "image_vector"]
        hits = nearest(pictures, "image_vector", vector, index, self.depth, columns)
        cosines = np.array([1.0 - float(hit["_distance"]) for hit in hits])
        if self.space is not None and hits:
            found = np.array([hit["image_vector"] for hit in hits], np.float32)
            cosines = self.space.of_pictures(found) @ self.space.of_queries(vector)
        best: dict[int, float] = {}
        for hit, cosine in zip(hits, cosines.tolist(), strict=True):
            product = self.catalog.columns.skus[str(hit["sku"])]
            best[product] = max(cosine, best.get(product, -1.0))
        return best

    def _of_product(self, sku: str) -> Resembled:
        columns = self.catalog.columns
        place = columns.skus.get(sku)
        if place is None:
            raise UnknownThing(f"like product:{sku}: this release has no product of that SKU")
        text = self.catalog.facts.of_places(np.array([place]))[0]
        values = self._near(text)
        own = among("product_key", [product_key(self.snapshot.release.shop_id, sku)])
        pictures = self.snapshot.scan("product_images", ["image_vector"], own)
        looks = _mean(vector_matrix(pictures["image_vector"]))
        if looks is not None:
            for other, cosine in self.by_picture(looks).items():
                values[other] = max(values.get(other, 0.0), cosine)
        for other in columns.variants[int(columns.groups[place])].tolist():
            values[other] = 1.0
        return Resembled(_relevance(values), text, None, product=place)

    def _of_video(self, like: Like) -> Resembled:
        place = self.videos.with_ids([like.name])[0]
        if place is None:
            raise UnknownThing(f"like video:{like.name}: this release has no video of that id")
        columns = ["start_ms", "end_ms", "text_vector", "frame_vector"]
        key = self.videos.keys.at(place)
        moments = self.snapshot.scan("segments", columns, among("video_key", [key]))
        if like.at_ms is not None:
            moments = _at(moments, like.at_ms)
        text, frame = (_mean(vector_matrix(moments[name].drop_null())) for name in columns[2:])
        values: dict[int, float] = {}
        sold = self._sold(place, like.at_ms)
        about = _mean(self.catalog.facts.of_places(self.links.products[sold]))
        if about is not None:
            values = self._near(about)
        for link in sold.tolist():
            product = int(self.links.products[link])
            values[product] = max(values.get(product, 0.0), float(self.links.scores[link]))
        return Resembled(_relevance(values), text, frame, video=place)

    def _sold(self, video: int, at_ms: int | None) -> Numbers:
        """The sure links of a video; at a moment, those that show something then, if any do."""
        own = self.links.sold[video].astype(np.intp)
        if at_ms is None:
            return own
        then = [
            link
            for link in own.tolist()
            if any(span.start_ms <= at_ms < span.end_ms for span in self.links.records[link].spans)
        ]
        return np.array(then, np.intp) if then else own

    def _near(self, text: Vectors) -> dict[int, float]:
        """How near products are to a sentence."""
        if not text.size or not text.any():
            return {}
        places, cosines = self.catalog.facts.near(text)
        best = np.argsort(-cosines, kind="stable")[:_MOST]
        values = np.clip((cosines[best] - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
        return {
            place: value
            for place, value in zip(places[best].tolist(), values.tolist(), strict=True)
            if value > 0
        }


def _at(moments: pa.Table, at_ms: int) -> pa.Table:
    """The moments that an instant is in, or else the one that begins nearest."""
    starts, ends = moments["start_ms"].to_numpy(), moments["end_ms"].to_numpy()
    inside = np.flatnonzero((starts <= at_ms) & (at_ms < ends))
    if not len(inside) and len(starts):
        inside = np.array([np.abs(starts - at_ms).argmin()])
    return moments.take(pa.array(inside))


def _mean(vectors: Vectors) -> Vectors | None:
    """The mean of vectors, of unit length; None of none."""
    if not len(vectors):
        return None
    mean = vectors.mean(axis=0, dtype=np.float64)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _relevance(values: dict[int, float]) -> Relevance:
    places: Sequence[int] = sorted(values)
    return Relevance(
        np.array(places, np.intp), np.array([values[place] for place in places], np.float32)
    )
