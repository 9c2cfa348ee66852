"""Take-downs: a video or a product leaves what is served at once, in a release of its own.

That release is the one that is served, without the rows in question: nothing else in it is new, and
the gate is not asked. What runs have written since and not published stays unpublished.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reelshelf.indexer.pipeline.run import row_context
from reelshelf.indexer.sources.catalog import CatalogRead
from reelshelf.indexer.sources.packed import Packed
from reelshelf.indexer.sources.videos import VideosRead
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.erased import (
    SKU,
    VIDEO,
    ErasedItem,
    delete_erased,
    delete_items,
    erased_items,
    holding,
    is_known,
    lift,
    mark_holding,
    note_erased,
)
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.links import count_links
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import RunEnd, end_run
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.stepping import as_released
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import recorded, writing
from reelshelf.schemas.catalog import Product, RejectedRow
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.keys import product_key, video_key
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.outcomes import Skipped
from reelshelf.schemas.release import ModelRefs, Release, VectorIndex
from reelshelf.schemas.run import Ending


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, the release that is served now, and those that hold it still.

    `release` is None where nothing is served, or what is served held none of it.
    """

    items: tuple[ErasedItem, ...]
    release: Release | None
    held_by: tuple[Release, ...]


def erase(
    uri: str,
    config: Config,
    *,
    videos: Sequence[str] = (),
    skus: Sequence[str] = (),
    reason: str | None = None,
) -> Erased:
    """Erase videos and products, and publish what is left of the served release.

    Raises ConfigError for an id that neither the tables nor a release know.
    """
    run_id = str(uuid.uuid4())
    with (
        log_context(run_id=run_id),
        writing(Store.open(uri, config.storage), run_id, config) as (store, lease),
        recorded(store, run_id, config, {}, now()),
    ):
        items = _known_items(store, videos, skus, reason)
        held_by = holding(store, items)
        # First: whatever becomes of this run, the next ones leave them out, and nobody goes back.
        note_erased(store, items)
        mark_holding(lease, held_by)
        store.sync("head")
        releases.clear_unpublished(store)
        served = releases.served_release(store)
        made = None
        if served is not None and served in held_by:
            seen = store.of(served.generation)
            made = _publish_without(seen, served, items, run_id, lease)
        delete_erased(store, lease)
        refs = served.models if served else store.generations()[-1].models
        name = made.release_id if made else served.release_id if served else None
        ending = Ending.PUBLISHED if made else Ending.NOTHING_NEW
        end = RunEnd(ending, release_id=name, rows=_rows_of(store, refs))
        end_run(store, row_context(run_id, config, refs), end)
        return Erased(tuple(items), made, tuple(held_by))


def _known_items(
    store: Store, videos: Sequence[str], skus: Sequence[str], reason: str | None
) -> list[ErasedItem]:
    """What is to be erased, spelled as the store spells it. Raises ConfigError for what is not."""
    shop_id = store.generations()[0].shop_id
    if releases.served_release(store) is not None:
        snapshot = ReleaseSnapshot.served(store)
        videos = list(stored_videos(snapshot, videos).values())
        skus = list(stored_skus(snapshot, skus).values())
    items = [ErasedItem(video_key(shop_id, name), VIDEO, name, reason) for name in videos]
    items += [ErasedItem(product_key(shop_id, name), SKU, name, reason) for name in skus]
    for item in items:
        if not is_known(store, item):
            what = "video" if item.input == VIDEO else "product"
            raise ConfigError(
                f"erase: --{item.input} {item.item_id!r}: neither the store nor a release has such "
                f"a {what}"
            )
    return items


def _rows_of(store: Store, refs: ModelRefs) -> dict[str, int] | None:
    """How many rows there are now in the tables for these models."""
    number = store.generation_of(refs)
    return store.of(number).row_counts() if number is not None else None


def lift_erased(
    uri: str, config: Config, *, videos: Sequence[str] = (), skus: Sequence[str] = ()
) -> tuple[ErasedItem, ...]:
    """Let items be indexed again, by the next run that finds them in the source."""
    with writing(Store.open(uri, config.storage), str(uuid.uuid4()), config) as (store, _):
        named = {(VIDEO, video) for video in videos} | {(SKU, sku) for sku in skus}
        known = {(item.input, item.item_id): item for item in erased_items(store).values()}
        if unknown := sorted(named - known.keys()):
            raise ConfigError(f"erase: {unknown[0][0]} {unknown[0][1]!r} is not erased")
        found = tuple(known[name] for name in sorted(named))
        lift(store, found)
        return found


def without_erased(
    catalog: CatalogRead, videos: VideosRead, erased: Mapping[str, ErasedItem], shop_id: str
) -> tuple[CatalogRead, VideosRead]:
    """What the shop hands over, less what was taken down. Each item that is left out is told."""
    if not erased:
        return catalog, videos
    kept, out = [], []
    for source in videos.videos:
        item = erased.get(video_key(shop_id, source.video_id))
        if item is None:
            kept.append(source)
        else:
            out.append(Skipped(source.video_id, _told(item)))
    refused = []

    def left() -> Iterator[Product]:
        for product in catalog.products:
            item = erased.get(product_key(shop_id, product.sku))
            if item is None:
                yield product
            else:
                refused.append(RejectedRow("catalog", 0, product.sku, _told(item)))

    products = Packed(Product, left())
    return (
        replace(catalog, products=products, rejected=(*catalog.rejected, *refused)),
        replace(videos, videos=tuple(kept), skipped=(*videos.skipped, *out)),
    )


def _told(item: ErasedItem) -> str:
    return "erased" + (f": {item.reason}" if item.reason else "")


def _publish_without(
    store: Store, served: Release, items: Sequence[ErasedItem], run_id: str, lease: Lease
) -> Release:
    """Publish what is served without these items; unpublished work is put back afterwards."""
    with as_released(store, lease, served):
        delete_items(store, items)
        made = _less_items(store, served, items, run_id)
        releases.publish(store, made, lease, in_place_of=served.run_id)
    return made


def _less_items(store: Store, served: Release, items: Sequence[ErasedItem], run_id: str) -> Release:
    """The record of the served release with the tables as they are now."""
    count = store.count
    quality = served.quality.model_copy(
        update={
            "videos": count("videos"),
            "products": count("products"),
            "segments": count("segments"),
            "links": count_links(store, releases.config_of(served).linking.link_above),
        }
    )
    names = ", ".join(f"{item.input} {item.item_id}" for item in items)
    return releases.in_place_of(store, served, run_id).model_copy(
        update={
            "indexes": [_counted(store, index) for index in served.indexes],
            "quality": quality,
            "forced": f"erased {names}" + (f": {items[0].reason}" if items[0].reason else ""),
        }
    )


def _counted(store: Store, index: VectorIndex) -> VectorIndex:
    rows = store.count(index.table, f"{index.column} IS NOT NULL")
    return index.model_copy(update={"rows": rows, "rebuilt": None})
