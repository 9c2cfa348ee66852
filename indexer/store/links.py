"""Reading the links of a release."""

from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.products import product_titles
from reelshelf.indexer.store.rows import links_from
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.keys import product_key, video_key
from reelshelf.schemas.links import ProductLink


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
