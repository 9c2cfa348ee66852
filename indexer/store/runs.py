"""The log of runs, read back: what a store was made with, what that took, and how it ended."""

import datetime as dt
import json
from dataclasses import dataclass

from indexer.store.rows import Cells
from indexer.store.tables import Store
from schemas.config import Config, parse_config
from schemas.errors import StoreError
from schemas.gate import GateCheck
from schemas.outcomes import Tally
from schemas.release import ModelRefs
from schemas.run import Ending, Spent, Stage


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run that reached its end. `source` says where its catalogue and videos were.

    `release_id` is the release that was served when it ended, its own if it published one.
    `refused_by` are the conditions that kept it from publishing. `cost` is None without prices.
    """

    run_id: str
    ending: Ending
    message: str | None
    release_id: str | None
    refused_by: tuple[GateCheck, ...]
    started_at: dt.datetime
    ended_at: dt.datetime
    tally: Tally
    config: Config
    models: ModelRefs
    source: dict[str, str]
    calls: dict[str, int]
    spent: dict[Stage, Spent]
    cost: float | None
    cost_per_video: float | None
    currency: str | None

    @property
    def seconds(self) -> float:
        """Wall time from its start to its end."""
        return (self.ended_at - self.started_at).total_seconds()


def run_records(store: Store) -> list[RunRecord]:
    """All runs that reached their end, oldest first."""
    found = store.scan("runs", None).sort_by("started_at").to_pylist()
    return [_record(row) for row in found]


def _record(row: Cells) -> RunRecord:
    return RunRecord(
        run_id=row["run_id"],
        ending=Ending(row["status"]),
        message=row["message"],
        release_id=row["release_id"],
        refused_by=tuple(GateCheck.model_validate(c) for c in json.loads(row["refused_by"])),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        tally=Tally(row["submitted"], row["indexed"], row["skipped"], row["failed"]),
        config=parse_config(json.loads(row["config"]), where=f"run {row['run_id']}"),
        models=ModelRefs.model_validate_json(row["models"]),
        source=json.loads(row["source"]),
        calls=json.loads(row["calls"]),
        spent={Stage(k): Spent(**v) for k, v in json.loads(row["spent"]).items()},
        cost=row["cost"],
        cost_per_video=row["cost_per_video"],
        currency=row["currency"],
    )


def last_indexing(store: Store) -> RunRecord:
    """The last run that read a source. Raises StoreError where there was none."""
    found = [record for record in run_records(store) if record.source]
    if not found:
        raise StoreError(f"{store.uri}: no run has finished yet; begin with `reelshelf ingest`")
    return found[-1]
