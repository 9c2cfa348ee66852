"""The log of runs, read back: what a store was made with, and what that took."""

import datetime as dt
import json
from dataclasses import dataclass

from indexer.store.tables import Store
from schemas.config import Config, parse_config
from schemas.errors import StoreError
from schemas.outcomes import Tally
from schemas.release import ModelRefs
from schemas.run import Spent, Stage


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One finished run. `source` says where its catalogue and videos were."""

    run_id: str
    started_at: dt.datetime
    ended_at: dt.datetime
    tally: Tally
    config: Config
    models: ModelRefs
    source: dict[str, str]
    calls: dict[str, int]
    spent: dict[Stage, Spent]


def run_records(store: Store) -> list[RunRecord]:
    """All finished runs, oldest first."""
    found = store.scan("runs", None).sort_by("started_at").to_pylist()
    return [
        RunRecord(
            run_id=row["run_id"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            tally=Tally(row["submitted"], row["indexed"], row["skipped"], row["failed"]),
            config=parse_config(json.loads(row["config"]), where=f"run {row['run_id']}"),
            models=ModelRefs.model_validate_json(row["models"]),
            source=json.loads(row["source"]),
            calls=json.loads(row["calls"]),
            spent={Stage(k): Spent(**v) for k, v in json.loads(row["spent"]).items()},
        )
        for row in found
    ]


def last_indexing(store: Store) -> RunRecord:
    """The last run that read a source. Raises StoreError where there was none."""
    found = [record for record in run_records(store) if record.source]
    if not found:
        raise StoreError(f"{store.uri}: no run has finished yet; begin with `reelshelf ingest`")
    return found[-1]
