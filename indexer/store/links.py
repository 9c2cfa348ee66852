"""Reading the links of a release."""

from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.products import product_titles
from reelshelf.indexer.store.rows import links_from
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.keys import product_key, video_key
from reelshelf.schemas.links import ProductLink


class Reads(Protocol):
    """Tables to read: the newest, or those that a release pins."""

    def scan(self, name: str, columns: list[str] | None, where: str | None = None) -> pa.Table:
        """Rows of a table."""
        ...


# What rows of links are counted by.
COUNTED_BY = ["video_key", "product_key", "group_id"]


def one_a_group(links: pa.Table) -> pa.Table:
    """Rows of links by their `COUNTED_BY`, the first for each video and group of variants.

    A group of which it is not known which variant is shown has a row for each of them.
    """
    names = pc.binary_join_element_wise(
        links["video_key"], pc.coalesce(links["group_id"], links["product_key"]), "\0"
    )
    places = pa.table({"name": names, "place": pa.array(range(links.num_rows), pa.int64())})
    first = places.group_by("name", use_threads=False).aggregate([("place", "min")])["place_min"]
    return links.take(first.combine_chunks().sort())


def count_links(tables: Reads, link_above: float) -> int:
    """How many links there are that count: of `link_above` and more, one a group."""
    return len(one_a_group(tables.scan("links", COUNTED_BY, f"score >= {link_above}")))


def released_links(
    snapshot: ReleaseSnapshot,
    *,
    video_id: str | None = None,
    sku: str | None = None,
    min_score: float = 0.0,
) -> list[tuple[str, str, ProductLink]]:
    """Links as (video id, product title, link), by video and falling score."""
    release = snapshot.release
    if video_id is not None:
        video_id = stored_videos(snapshot, [video_id])[video_id]
    if sku is not None:
        sku = stored_skus(snapshot, [sku])[sku]
    # Filters hold derived keys, never the id itself, whatever characters a stranger put into it.
    conditions = [f"score >= {float(min_score)!r}"]
    if video_id is not None:
        conditions.append(f"video_key = '{video_key(release.shop_id, video_id)}'")
    if sku is not None:
        conditions.append(f"product_key = '{product_key(release.shop_id, sku)}'")
    rows = snapshot.scan("links", None, " AND ".join(conditions))
    titles = product_titles(snapshot)
    found = zip(rows["video_id"].to_pylist(), links_from(rows), strict=True)
    result = [(video, titles.get(link.product_key, ""), link) for video, link in found]
    return sorted(result, key=lambda item: (item[0], -item[2].score, item[2].sku))
