"""Videos and products that were taken down.

What is erased is gone from the tables and from what is kept beside them, and stays out although the
source may still have it, until somebody lifts that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import pyarrow as pa
from lancedb.util import value_to_sql

from reelshelf.indexer.store.chunks import forget_chunks
from reelshelf.indexer.store.head import Lease, read_head
from reelshelf.indexer.store.products import delete_products
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import UNREADABLE, Store, among, cut_off, parts
from reelshelf.indexer.store.vanished import forget_kept
from reelshelf.schemas import tables
from reelshelf.schemas.release import Release

VIDEO, SKU = "video", "sku"
_OWN_ROWS = (
    ("videos", "video_key"),
    ("segments", "video_key"),
    ("vanished_videos", "video_key"),
    ("vanished_segments", "video_key"),
    ("products", "product_key"),
)
_REWRITTEN = (
    *("videos", "segments", "links", "products", "product_images", "failures"),
    *("vanished_videos", "vanished_segments", "chunks", "chunk_segments"),
)


@dataclass(frozen=True, slots=True)
class ErasedItem:
    """A video or a product that was erased. `input` is "video" or "sku"."""

    item_key: str
    input: str
    item_id: str
    reason: str | None


def erased_items(store: Store) -> Mapping[str, ErasedItem]:
    """All that is erased, by its key."""
    if not store.has_table("erased"):
        return {}
    columns = ["item_key", "input", "item_id", "reason"]
    return {r["item_key"]: ErasedItem(**r) for r in store.scan("erased", columns).to_pylist()}


def note_erased(store: Store, items: Sequence[ErasedItem]) -> None:
    """Have these items stay out from now on."""
    at = now()
    rows = [asdict(item) | {"erased_at": at} for item in items]
    merge = store.merge("erased", "item_key")
    merge.when_matched_update_all().when_not_matched_insert_all()
    merge.execute(pa.Table.from_pylist(rows, schema=tables.erased_schema()))
    store.sync("erased")


def lift(store: Store, items: Sequence[ErasedItem]) -> None:
    """Let these items be indexed again."""
    for part in parts([item.item_key for item in items]):
        store.writable("erased").delete(among("item_key", part))


def mark_holding(lease: Lease, held_by: Sequence[Release]) -> None:
    """Have nobody go back to these releases any more."""
    marked = {release.run_id for release in held_by}
    if marked:
        lease.change(lambda head: replace(head, erased=tuple(sorted({*head.erased, *marked}))))


def is_known(store: Store, item: ErasedItem) -> bool:
    """Whether any table or release has rows of an item, or had some when it was erased."""
    if item.item_key in erased_items(store):
        return True
    return bool(_present(store, [item])) or bool(holding(store, [item]))


def delete_erased(store: Store, lease: Lease) -> None:
    """Delete what is erased and still there, in every generation, and mark what holds it.

    A run that died over it, or a head that was lost, leaves either.
    """
    items = list(erased_items(store).values())
    if not items:
        return
    if not read_head(store).erased:
        mark_holding(lease, holding(store, items))
    if found := _present(store, items):
        for generation in store.generations():
            delete_items(store.of(generation.number), found)


def _present(store: Store, items: Sequence[ErasedItem]) -> list[ErasedItem]:
    """Those items that the newest tables of any generation have rows of, kept ones included."""
    found: set[str] = set()
    for generation in store.generations():
        seen = store.of(generation.number)
        for name, column in _OWN_ROWS:
            if seen.has_table(name):
                for part in parts([item.item_key for item in items]):
                    rows = seen.scan(name, [column], among(column, part))
                    found |= set(rows[column].to_pylist())
    return [item for item in items if item.item_key in found]


def delete_items(store: Store, items: Sequence[ErasedItem]) -> None:
    """Delete the rows of these items from every table of a generation, and rewrite its files."""
    videos = [item.item_key for item in items if item.input == VIDEO]
    products = [item.item_key for item in items if item.input == SKU]
    store.delete_videos(videos)
    delete_products(store, products)
    forget_kept(store, videos)
    forget_chunks(store, videos)
    for part in parts([item.item_id for item in items]):
        listed = ", ".join(value_to_sql(item_id) for item_id in part)
        store.writable("failures").delete(f"item_id IN ({listed})")
    for name in _REWRITTEN:
        if any(piece.num_deletions for piece in store.dataset(name).get_fragments()):
            # A deleted row only counts as absent until its file is written anew.
            store.writable(name).optimize.compact_files(materialize_deletions_threshold=0.0)
        for index in store.dataset(name).describe_indices():
            if index.index_type == "BTree":
                # It has the keys of all rows that it was made of, whatever became of these.
                (column,) = index.field_names
                store.writable(name).create_scalar_index(
                    column, "BTREE", name=index.name, replace=True
                )


def holding(store: Store, items: Sequence[ErasedItem]) -> list[Release]:
    """The published releases that hold rows of these items, or cannot be looked at."""
    keys = {
        ("videos", "video_key"): [item.item_key for item in items if item.input == VIDEO],
        ("products", "product_key"): [item.item_key for item in items if item.input == SKU],
    }
    return [
        release
        for release in list_releases(store)
        if any(_holds(store, release, *place, own) for place, own in keys.items())
    ]


def _holds(store: Store, release: Release, table: str, column: str, keys: Sequence[str]) -> bool:
    try:
        seen = store.of(release.generation).dataset(table, release.table_version(table))
        return any(seen.count_rows(among(column, part)) for part in parts(keys))
    except UNREADABLE as error:
        if store.is_remote:
            raise
        cut_off(error)
        return True  # nobody can tell, so nobody goes back there
