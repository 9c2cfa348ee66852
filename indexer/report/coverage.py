"""Supply: what is linked to what, what is new, what is old, what there is twice."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.report.facts import (
    ColdStart,
    Coverage,
    Covered,
    DuplicateCluster,
    Listing,
    NewProduct,
    StaleVideo,
    UncoveredProduct,
)
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.schemas.release import Release

NO_CATEGORY, NO_MERCHANT = "(no category)", "(no merchant)"
# As schema.org and the feeds of marketplaces write it, letters only.
_NOT_SOLD = frozenset(["outofstock", "soldout", "discontinued", "unavailable", "notavailable"])
_LISTED_COPIES = 8


@dataclass(frozen=True, slots=True)
class _Product:
    product_key: str
    sku: str
    title: str
    category: str
    merchant: str
    first_seen_at: dt.datetime
    published_at: dt.datetime | None
    sold: bool


def coverage(
    snapshot: ReleaseSnapshot,
    releases: Sequence[Release],
    stale_after: dt.timedelta,
    at: dt.datetime,
) -> Coverage:
    """Supply of a release. `releases` are all that are kept, oldest first, up to this one."""
    products = _products(snapshot)
    links = snapshot.scan("links", ["video_key", "product_key", "score"])
    strong = links.filter(pc.field("score") >= snapshot.link_above)
    linked_products = set(strong["product_key"].to_pylist())
    linked_videos = set(strong["video_key"].to_pylist())
    bare = [p for p in products if p.product_key not in linked_products]
    bare.sort(key=lambda p: (p.category, p.sku))
    quality = snapshot.release.quality
    clusters = _duplicates(snapshot)
    return Coverage(
        videos=quality.videos,
        linked=quality.videos_linked,
        undecided=len(set(links["video_key"].to_pylist()) - linked_videos),
        products=quality.products,
        products_linked=quality.products_linked,
        products_with_picture=quality.products_with_picture,
        categories=_covered((p.category, p.product_key in linked_products) for p in products),
        merchants=_covered((p.merchant, p.product_key in linked_products) for p in products),
        without_video=Listing.of(
            [
                UncoveredProduct(p.sku, p.title, p.category, p.merchant, p.first_seen_at)
                for p in bare
            ]
        ),
        cold_start=_cold_start(products, linked_products, releases, snapshot.release.generation),
        stale=_stale(snapshot, products, strong, at - stale_after),
        duplicates=Listing.of(clusters),
        copies=sum(cluster.size - 1 for cluster in clusters),
    )


def _products(snapshot: ReleaseSnapshot) -> list[_Product]:
    columns = ["product_key", "sku", "title", "category", "merchant_id"]
    columns += ["first_seen_at", "published_at", "availability"]
    return [
        _Product(
            row["product_key"],
            row["sku"],
            row["title"],
            top_category(row["category"]),
            row["merchant_id"] or NO_MERCHANT,
            row["first_seen_at"],
            row["published_at"],
            not _is_sold_out(row["availability"]),
        )
        for row in snapshot.scan("products", columns).to_pylist()
    ]


def top_category(path: Sequence[str] | None) -> str:
    """The first step of a product's category, by which reports group."""
    return path[0] if path else NO_CATEGORY


def _is_sold_out(availability: str | None) -> bool:
    said = (availability or "").rstrip("/").rpartition("/")[2]
    return "".join(c for c in said.casefold() if c.isalpha()) in _NOT_SOLD


def _covered(products: Iterable[tuple[str, bool]]) -> Listing[Covered]:
    """Groups by how many of their products lack a video."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, linked in products:
        counts[name][0] += 1
        counts[name][1] += linked
    rows = [Covered(name, *both) for name, both in counts.items()]
    return Listing.of(sorted(rows, key=lambda row: (row.linked - row.products, row.name)))


def _cold_start(
    products: Sequence[_Product], linked: set[str], releases: Sequence[Release], generation: int
) -> ColdStart | None:
    """Products that came after the oldest release that is kept; None where there are none.

    A product is searchable from the first release on that was made after a run first saw it.
    """
    # Another encoder's tables begin with all products at once.
    own = [release for release in releases if release.generation == generation]
    made = [dt.datetime.fromisoformat(release.created_at) for release in own]
    found = []
    for product in products:
        place = next((i for i, at in enumerate(made) if at >= product.first_seen_at), None)
        if not place:
            continue  # as old as the oldest release, or newer than the last
        told = product.published_at
        # A date before the last release tells when it was made, not when it came into this shop.
        known = told if told and made[place - 1] < told <= made[place] else product.first_seen_at
        hours = (made[place] - known).total_seconds() / 3600
        name = own[place].release_id
        is_linked = product.product_key in linked
        found.append(NewProduct(product.sku, product.title, known, name, hours, is_linked))
    if not found:
        return None
    found.sort(key=lambda new: (-new.known_at.timestamp(), new.sku))
    waits = [new.hours for new in found]
    return ColdStart(
        products=Listing.of(found),
        median_hours=median(waits),
        p90_hours=float(np.percentile(waits, 90)),
        linked=sum(new.linked for new in found),
    )


def _stale(
    snapshot: ReleaseSnapshot, products: Sequence[_Product], strong: pa.Table, before: dt.datetime
) -> Listing[StaleVideo]:
    """Videos that sell nothing that can be bought, or are old; those that mislead buyers first."""
    sold = {product.product_key: product.sold for product in products}
    sells: dict[str, list[bool]] = defaultdict(list)
    pairs = zip(strong["video_key"].to_pylist(), strong["product_key"].to_pylist(), strict=True)
    for video, product in pairs:
        sells[video].append(sold.get(product, False))
    found: list[tuple[int, StaleVideo]] = []
    columns = ["video_key", "video_id", "title", "published_at"]
    for row in snapshot.scan("videos", columns).to_pylist():
        published = row["published_at"]
        offers = sells.get(row["video_key"])
        if offers and not any(offers):
            order, why = 0, "sells only what is not available"
        elif published is not None and published < before:
            order, why = 1, "was published long ago"
        else:
            continue
        found.append((order, StaleVideo(row["video_id"], row["title"] or "", published, why)))
    found.sort(key=lambda item: (item[0], str(item[1].published_at), item[1].video_id))
    return Listing.of([video for _, video in found])


def _duplicates(snapshot: ReleaseSnapshot) -> list[DuplicateCluster]:
    """Clusters of two and more, the largest first."""
    found = snapshot.scan("videos", ["video_id", "duplicate_cluster"])
    sizes = Counter(found["duplicate_cluster"].to_pylist())
    members: dict[str, list[str]] = defaultdict(list)
    for row in found.to_pylist():
        if sizes[row["duplicate_cluster"]] > 1:
            members[row["duplicate_cluster"]].append(row["video_id"])
    clusters = [
        DuplicateCluster(tuple(sorted(videos)[:_LISTED_COPIES]), len(videos))
        for videos in members.values()
    ]
    return sorted(clusters, key=lambda cluster: (-cluster.size, cluster.videos))
