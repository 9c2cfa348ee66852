"""Overrides of links by people. They are of the shop, not of a generation or a release."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import pyarrow as pa

from reelshelf.indexer.store.tables import Store, among, parts
from reelshelf.schemas import tables
from reelshelf.schemas.keys import child_key
from reelshelf.schemas.overrides import Override, Verdict

_COLUMNS = ["video_key", "video_id", "verdict", "sku", "group_id", "who", "why", "at"]


def override_key(item: Override) -> str:
    """One override counts for each video and target: a later one takes its place."""
    kind = "sku" if item.sku is not None else "group" if item.group_id is not None else "rest"
    return child_key(item.video_key, "override", kind, item.sku or item.group_id or "")


def read_overrides(store: Store) -> list[Override]:
    """All of them, by video and target."""
    if not store.has_table("overrides"):
        return []
    rows = store.scan("overrides", _COLUMNS).to_pylist()
    found = [Override(**row | {"verdict": Verdict(row["verdict"])}) for row in rows]
    return sorted(found, key=lambda item: (item.video_id, item.sku or "", item.group_id or ""))


def were_any(store: Store) -> bool:
    """Whether anybody has ever said anything, also where all of it was taken back."""
    return store.has_table("overrides") and store.dataset("overrides").version > 1


def write_overrides(store: Store, items: Iterable[Override]) -> None:
    """Add or replace some."""
    rows = {override_key(item): asdict(item) for item in items}
    table = pa.Table.from_pylist(
        [{"override_key": key, **row} for key, row in rows.items()],
        schema=tables.overrides_schema(),
    )
    merge = store.merge("overrides", "override_key")
    merge.when_matched_update_all().when_not_matched_insert_all().execute(table)
    store.sync("overrides")


def delete_overrides(store: Store, items: Sequence[Override]) -> None:
    """Take some back."""
    for part in parts([override_key(item) for item in items]):
        store.writable("overrides").delete(among("override_key", part))
    store.sync("overrides")
