"""What a release knows of one video, or of one product."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store import Cells, ReleaseSnapshot, links_from, product_records
from reelshelf.indexer.text import Strings, Texts, flat
from reelshelf.schemas.keys import poster_name, product_key, video_key
from reelshelf.schemas.links import ProductLink
from reelshelf.searcher.addresses import captions_link, media_link, picture_link, poster_link
from reelshelf.searcher.jobs import Located
from reelshelf.searcher.messages import (
    LineMessage,
    LinkIdMessage,
    LinkMessage,
    ProductMessage,
    VideoMessage,
    told,
    video_title,
)
from reelshelf.searcher.settings import MediaSettings

_VIDEO = ["video_id", "title", "duration_ms", "published_at", "kind", "path", "content_sha256"]
# So many links of one product or video are told; a staple may have thousands.
_MOST_LINKS = 200


class Details:
    """Looks things up by their ids. Filters hold derived keys, whatever is in an id."""

    def __init__(self, snapshot: ReleaseSnapshot, media: MediaSettings) -> None:
        self._snapshot, self._media = snapshot, media
        self._shop = snapshot.release.shop_id
        self._pictured: Strings | None = None

    def video(self, video_id: str) -> VideoMessage | None:
        """A video with its transcript and the products that it sells; None where it is unknown."""
        row = self._video_row(video_id)
        if row is None:
            return None
        where = self._of_video(video_id)
        segments = self._snapshot.scan("segments", ["start_ms", "end_ms", "utterances"], where)
        links = self._links(f"{where} AND score >= {self._snapshot.link_above}")
        titles = self.product_titles(link.sku for _, link in links)
        published = row["published_at"]
        return VideoMessage(
            release=self._snapshot.release.release_id,
            id=video_id,
            title=video_title(row["title"] or "", video_id, list(titles.values())),
            duration_ms=row["duration_ms"],
            published_at=published.isoformat() if published else None,
            kind="live" if row["kind"] == "live" else "video",
            media=self.media_address(video_id),
            poster=self.poster_address(video_id),
            captions=captions_link(video_id),
            transcript=tuple(_lines(segments)),
            products=tuple(self.link(video_id, link, titles) for _, link in links),
        )

    def product(self, sku: str) -> ProductMessage | None:
        """A product with the videos that sell it; None where it is unknown."""
        where = f"product_key = '{product_key(self._shop, sku)}'"
        rows = self._snapshot.scan("products", None, where)
        if not rows.num_rows:
            return None
        (product,) = product_records(rows)
        links = self._links(f"{where} AND score >= {self._snapshot.link_above}")
        titles = {sku: product.title}
        return ProductMessage(
            release=self._snapshot.release.release_id,
            id=sku,
            title=product.title,
            brand=product.brand,
            category=product.category,
            description=product.description,
            price=product.price,
            currency=product.currency,
            availability=product.availability,
            attributes=dict(product.attributes),
            pictures=self.picture_addresses(sku),
            variants=self._variants(sku, product.group_id),
            videos=tuple(self.link(video, link, titles) for video, link in links),
        )

    def has_link(self, video_id: str, sku: str) -> LinkIdMessage | None:
        """A link by its ids, if the release has it."""
        if not self._snapshot.count("links", self.of_link(video_id, sku)):
            return None
        return LinkIdMessage(video=video_id, sku=sku)

    def media(self, video_id: str) -> Located | None:
        """The file of a video, where files are handed out."""
        row = self._video_row(video_id) if self._media.serve else None
        return Located(row["path"], row["content_sha256"]) if row else None

    def poster(self, video_id: str) -> Located | None:
        """The file of the poster of a video; whether it has been made shows when it is read."""
        folder = self._media.posters if self._media.serve else None
        row = self._video_row(video_id) if folder is not None else None
        if folder is None or row is None:
            return None
        return Located(str(folder / poster_name(row["content_sha256"])), None)

    def picture(self, sku: str, number: int) -> Located | None:
        """The file of a picture of a product."""
        pictures = self._pictures_of(sku) if self._media.serve else []
        if not 0 <= number < len(pictures):
            return None
        uri, sha256 = pictures[number]
        path = Path(uri)
        if not path.is_absolute() and self._media.pictures is not None:
            path = self._media.pictures / path
        return Located(str(path), sha256)

    def media_address(self, video_id: str) -> str | None:
        """Where a video is handed out."""
        return media_link(video_id) if self._media.serve else None

    def poster_address(self, video_id: str) -> str | None:
        """Where the poster of a video is handed out, if it has been made."""
        has_posters = self._media.serve and self._media.posters is not None
        return poster_link(video_id) if has_posters else None

    def picture_address(self, sku: str) -> str | None:
        """Where the first picture of a product is handed out; None where it has none."""
        if not self._media.serve:
            return None
        if self._pictured is None:
            column = self._snapshot.scan("product_images", ["sku"])["sku"].unique().sort()
            self._pictured = Strings(Texts(column.cast(pa.large_string())))
        return picture_link(sku) if sku in self._pictured else None

    def picture_addresses(self, sku: str) -> tuple[str, ...]:
        """Where all pictures of a product are handed out."""
        count = len(self._pictures_of(sku)) if self._media.serve else 0
        return tuple(picture_link(sku, number) for number in range(count))

    def link(self, video_id: str, link: ProductLink, titles: Mapping[str, str]) -> LinkMessage:
        """A link as a message; `titles` are those of products by SKU."""
        return LinkMessage(
            video=video_id,
            sku=link.sku,
            title=titles.get(link.sku, link.sku),
            score=link.score,
            moments=tuple((span.start_ms, span.end_ms) for span in link.spans),
            evidence=told(link.evidence),
            modalities={name.value: score for name, score in link.scores if score},
            poster=self.picture_address(link.sku),
            corrected=link.override is not None,
        )

    def product_titles(self, skus: Iterable[str]) -> dict[str, str]:
        """The titles of some products by SKU, in their order."""
        keys = {product_key(self._shop, sku): sku for sku in skus}
        if not keys:
            return {}
        listed = ", ".join(f"'{key}'" for key in keys)
        rows = self._snapshot.scan("products", ["sku", "title"], f"product_key IN ({listed})")
        found = dict(zip(rows["sku"].to_pylist(), rows["title"].to_pylist(), strict=True))
        return {sku: found[sku] for sku in keys.values() if sku in found}

    def _video_row(self, video_id: str) -> Cells | None:
        rows = self._snapshot.scan("videos", _VIDEO, self._of_video(video_id)).to_pylist()
        return rows[0] if rows else None

    def of_link(self, video_id: str, sku: str) -> str:
        """The filter of a link."""
        return f"{self._of_video(video_id)} AND product_key = '{product_key(self._shop, sku)}'"

    def _of_video(self, video_id: str) -> str:
        return f"video_key = '{video_key(self._shop, video_id)}'"

    def _links(self, where: str) -> list[tuple[str, ProductLink]]:
        """Links with the ids of their videos, the surest first."""
        rows = self._snapshot.scan("links", None, where)
        rows = rows.sort_by([("score", "descending"), ("video_id", "ascending")])
        rows = rows.slice(0, _MOST_LINKS)
        return list(zip(rows["video_id"].to_pylist(), links_from(rows), strict=True))

    def _pictures_of(self, sku: str) -> list[tuple[str, str]]:
        where = f"product_key = '{product_key(self._shop, sku)}'"
        rows = self._snapshot.scan("product_images", ["uri", "content_sha256"], where)
        return sorted(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))

    def _variants(self, sku: str, group: str | None) -> tuple[str, ...]:
        if group is None:
            return ()
        # An expression, not a text: a group's name is a stranger's.
        rows = self._snapshot.dataset("products").to_table(["sku"], pc.field("group_id") == group)
        return tuple(other for other in sorted(rows["sku"].to_pylist()) if other != sku)


def _lines(segments: pa.Table) -> Iterable[LineMessage]:
    """What is said in a video, in order."""
    said = {
        (line["start_ms"], line["end_ms"], flat(line["text"]))
        for lines in segments["utterances"].to_pylist()
        for line in lines or ()
    }
    return [LineMessage(start_ms=start, end_ms=end, text=text) for start, end, text in sorted(said)]
