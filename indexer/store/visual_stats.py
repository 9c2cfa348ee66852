"""Statistics measured in this shop: a release names its own, the next run starts there."""

import json

import numpy as np
import pyarrow as pa

from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.tables import Store, among
from reelshelf.schemas import tables
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.visual_stats import CatalogCounts, VisualStats


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
        "cohort": _flat(stats.cohort),
        "term_shares": None if stats.term_shares is None else json.dumps(dict(stats.term_shares)),
        "picture_cohort": _flat(stats.picture_cohort),
        "counts": None if stats.counts is None else stats.counts.as_json(),
        "picture_cells": stats.picture_cells,
        "text_cells": stats.text_cells,
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
    found = store.scan("backgrounds", None, among("background_id", [stats_id])).to_pylist()
    if not found:
        return None
    row = found[0]
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
        cohort=_shaped(row["cohort"], len(frame_mean)),
        term_shares=None if row["term_shares"] is None else json.loads(row["term_shares"]),
        picture_cohort=_shaped(row["picture_cohort"], len(frame_mean)),
        counts=None if row["counts"] is None else CatalogCounts.from_json(row["counts"]),
        picture_cells=row["picture_cells"],
        text_cells=row["text_cells"],
    )


def _flat(vectors: Vectors | None) -> Vectors | None:
    return None if vectors is None else vectors.ravel()


def _shaped(values: list[float] | None, dim: int) -> Vectors | None:
    return None if values is None else np.array(values, np.float32).reshape(-1, dim)
