"""Backgrounds measured in this shop. A release names its own; the next run starts from it."""

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas import tables
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.visual_stats import VisualStats


def save_visual_stats(store: Store, background: VisualStats) -> None:
    """Append, unless it is there: its id is derived from what it holds."""
    row = {
        "background_id": background.stats_id,
        "created_at": now(),
        "frame_mean": background.frame_mean,
        "picture_mean": background.picture_mean,
        "nuisance": background.nuisance.ravel(),
        "shrinkage": background.shrinkage,
        "noise": background.noise,
        "segments": background.segments,
        "pictures": background.pictures,
    }
    schema = tables.backgrounds_schema(len(background.frame_mean))
    merge = store.merge("backgrounds", "background_id")
    merge.when_not_matched_insert_all().execute(pa.Table.from_pylist([row], schema=schema))


def read_visual_stats(store: Store, background_id: str | None) -> VisualStats | None:
    """The background of that id; None for a release that had no pictures to compare."""
    if background_id is None:
        return None
    rows = [
        row
        for row in store.table("backgrounds").to_arrow().to_pylist()
        if row["background_id"] == background_id
    ]
    if not rows:
        raise StoreError(f"{store.uri}: background {background_id} of a release is missing")
    row = rows[0]
    frame_mean = np.array(row["frame_mean"], np.float32)
    shrinkage = np.array(row["shrinkage"], np.float32)
    return VisualStats(
        frame_mean=frame_mean,
        picture_mean=np.array(row["picture_mean"], np.float32),
        nuisance=np.array(row["nuisance"], np.float32).reshape(len(shrinkage), len(frame_mean)),
        shrinkage=shrinkage,
        noise=row["noise"],
        segments=row["segments"],
        pictures=row["pictures"],
    )
