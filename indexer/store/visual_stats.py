"""Visual statistics measured in this shop: a release names its own, the next run starts there."""

import json

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas import tables
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.visual_stats import VisualStats


def save_visual_stats(store: Store, stats: VisualStats) -> None:
    """Append, unless it is there: its id is derived from what it holds."""
    row = {
        "background_id": stats.stats_id,
        "created_at": now(),
        "frame_mean": stats.frame_mean,
        "picture_mean": stats.picture_mean,
        "nuisance": stats.nuisance.ravel(),
        "shrinkage": stats.shrinkage,
        "noise": stats.noise_floor,
        "segments": stats.segments,
        "pictures": stats.pictures,
        "cohort": None if stats.cohort is None else stats.cohort.ravel(),
        "term_shares": None if stats.term_shares is None else json.dumps(dict(stats.term_shares)),
    }
    schema = tables.backgrounds_schema(len(stats.frame_mean))
    merge = store.merge("backgrounds", "background_id")
    merge.when_not_matched_insert_all().execute(pa.Table.from_pylist([row], schema=schema))


def read_visual_stats(store: Store, stats_id: str | None) -> VisualStats | None:
    """The statistics of that id; None for a release that had no pictures to compare."""
    found = known_visual_stats(store, stats_id)
    if found is None and stats_id is not None:
        raise StoreError(f"{store.uri}: visual statistics {stats_id} of a release are missing")
    return found


def known_visual_stats(store: Store, stats_id: str | None) -> VisualStats | None:
    """The same; None also where they are lost: then a run measures the shop anew."""
    if stats_id is None:
        return None
    row = next(
        (r for r in store.scan("backgrounds", None).to_pylist() if r["background_id"] == stats_id),
        None,
    )
    if row is None:
        return None
    frame_mean = np.array(row["frame_mean"], np.float32)
    shrinkage = np.array(row["shrinkage"], np.float32)
    return VisualStats(
        frame_mean=frame_mean,
        picture_mean=np.array(row["picture_mean"], np.float32),
        nuisance=np.array(row["nuisance"], np.float32).reshape(len(shrinkage), len(frame_mean)),
        shrinkage=shrinkage,
        noise_floor=row["noise"],
        segments=row["segments"],
        pictures=row["pictures"],
        cohort=None
        if row["cohort"] is None
        else np.array(row["cohort"], np.float32).reshape(-1, len(frame_mean)),
        term_shares=None if row["term_shares"] is None else json.loads(row["term_shares"]),
    )
