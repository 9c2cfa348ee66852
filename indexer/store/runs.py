"""The log of runs: each is written down when it starts, and again when it ends.

A run that dies leaves its record as `running`. The next one that takes the lease knows that nobody
writes any more, and records it as `crashed` with the stage that it was last in.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import pyarrow as pa
from lancedb.util import value_to_sql

from reelshelf.indexer.store.rows import Cells, RunContext, now
from reelshelf.indexer.store.tables import Store, among
from reelshelf.schemas import tables
from reelshelf.schemas.config import Config, stored_config
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.errors import StoreError
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.outcomes import Tally
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Ending, Spent, Stage
from reelshelf.schemas.upgrades import calls_record, models_record, stage_names

_NO_MODELS, _DEVICES = "{}", "devices"


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, and what it came to. `release_id` is the release that is served then.

    `refused_by` are the conditions that kept it from publishing; `failure_rate` is that of the
    videos that it tried, None where it tried none itself. `cost` is None without prices. `rows` are
    how many it left in each table, None where that is not what the next run finds.
    """

    ending: Ending
    message: str | None = None
    release_id: str | None = None
    refused_by: tuple[GateCheck, ...] = ()
    tally: Tally = field(default_factory=lambda: Tally(0, 0, 0, 0))
    failure_rate: float | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    spent: Mapping[Stage, Spent] = field(default_factory=dict)
    devices: ModelDevices | None = None
    cost: float | None = None
    currency: str | None = None
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `source` says where its catalog and videos were; `stage` what it was last doing.

    `models` is None for a run that died before it had loaded any; `devices`, what these ran on, for
    one that loaded none or was made before it was told. While it runs, and where it
    crashed, `ended_at` is when that was written down.
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
    models: ModelRefs | None
    source: dict[str, str]
    calls: dict[str, int]
    spent: dict[Stage, Spent]
    cost: float | None
    cost_per_video: float | None
    currency: str | None
    stage: str | None
    failure_rate: float | None
    videos_gone: int
    rows: dict[str, int] | None = None
    devices: ModelDevices | None = None

    @property
    def loss(self) -> float | None:
        """The share of its videos that the shop lost by this run; None for one that read no source.

        What was refused was not lost.
        """
        if self.ending not in (Ending.PUBLISHED, Ending.NOTHING_NEW) or not self.tally.submitted:
            return None
        return self.videos_gone / (self.tally.submitted + self.videos_gone)

    @property
    def came_through(self) -> bool:
        """Whether it went through to its end, published or not, and so tells what a run takes."""
        return self.models is not None and self.ending not in (Ending.FAILED, Ending.CRASHED)

    @property
    def seconds(self) -> float:
        """Wall time from its start to its end."""
        return (self.ended_at - self.started_at).total_seconds()


def run_records(store: Store) -> list[RunRecord]:
    """All runs that came to an end by themselves, oldest first."""
    return [record for record in all_runs(store) if record.ending.is_end]


def all_runs(store: Store) -> list[RunRecord]:
    """All runs, those that are under way or died included, oldest first."""
    found = store.scan("runs", None).sort_by("started_at").to_pylist()
    return [_record(row) for row in found]


def _record(row: Cells) -> RunRecord:
    models = row["models"]
    spent = {k: v for k, v in stage_names(json.loads(row["spent"])).items() if k in set(Stage)}
    return RunRecord(
        run_id=row["run_id"],
        ending=Ending(row["status"]),
        message=row["message"],
        release_id=row["release_id"],
        refused_by=tuple(
            GateCheck.model_validate(c) for c in json.loads(row["refused_by"] or "[]")
        ),
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        tally=Tally(row["submitted"], row["indexed"], row["skipped"], row["failed"]),
        config=stored_config(row["config"], where=f"run {row['run_id']}"),
        models=(None if models == _NO_MODELS else ModelRefs.model_validate(models_record(models))),
        source=_source(json.loads(row["source"])),
        calls=calls_record(json.loads(row["calls"])),
        spent={Stage(k): Spent(**v) for k, v in spent.items()},
        cost=row["cost"],
        cost_per_video=row["cost_per_video"],
        currency=row["currency"],
        stage=row["stage"],
        failure_rate=row["failure_rate"],
        videos_gone=int(json.loads(row["planned"] or "{}").get("videos_gone", 0)),
        rows=json.loads(row["rows"]) if row["rows"] else None,
        devices=_devices(models),
    )


def _devices(models: str) -> ModelDevices | None:
    """What the models of a record ran on; it stands beside their refs."""
    found = json.loads(models).get(_DEVICES)
    return ModelDevices.model_validate(found) if found else None


def _source(stored: dict[str, str]) -> dict[str, str]:
    """Where a run read from. The catalog has another spelling in records of schema 5."""
    return {"catalog" if name == "catalogue" else name: uri for name, uri in stored.items()}


def last_indexing(store: Store) -> RunRecord:
    """The last run that read a source to its end. Raises StoreError where there was none."""
    found = [record for record in run_records(store) if record.source and record.came_through]
    if not found:
        raise StoreError(f"{store.uri}: no run has finished yet; begin with `reelshelf ingest`")
    return found[-1]


def begin_run(
    store: Store, run_id: str, config: Config, source: Mapping[str, str], at: dt.datetime
) -> None:
    """Write down that a run has begun."""
    cells = _begun(run_id, config, source, at) | _end_cells(RunEnd(Ending.RUNNING))
    _write(store, cells | {"ended_at": at, "stage": "start"})


def close_dead_runs(store: Store) -> None:
    """Record runs that nobody ended as crashed, with the stage that each was last in.

    `store` is guarded by a lease that was just taken: whoever has a running record is dead.
    """
    for row in store.scan("runs", None).to_pylist():
        if row["status"] == Ending.RUNNING:
            stage = f" in stage {row['stage']!r}" if row["stage"] else ""
            message = f"was killed or lost its machine{stage}; a later run found it so"
            crashed = {"status": Ending.CRASHED.value, "ended_at": now(), "message": message}
            _write(store, row | crashed)


def note_stage(store: Store, run_id: str, stage: str) -> None:
    """Write down what a run is doing now."""
    runs = store.writable("runs")
    runs.update({"stage": value_to_sql(stage)}, where=among("run_id", [run_id]))


def end_run(store: Store, context: RunContext, end: RunEnd) -> None:
    """Write down how a run ended. The stage that it was last in stays."""
    for row in _own(store, context.run_id):
        models = context.refs.model_dump(mode="json")
        if end.devices is not None:
            models[_DEVICES] = end.devices.model_dump(mode="json")
        told = {"models": json.dumps(models), "ended_at": now()}
        _write(store, row | context.common | told | _end_cells(end))


def forget_rows(store: Store) -> None:
    """After this nobody knows how many rows there are to be: a run did not leave them."""
    store.writable("runs").update({"rows": "CAST(NULL AS STRING)"})


def rows_left(store: Store) -> dict[str, int] | None:
    """How many rows the last run left in each table of its generation; None where nobody knows."""
    ended = run_records(store)
    last = ended[-1] if ended else None
    if last is None or last.models is None or store.generation_of(last.models) != store.generation:
        return None
    return last.rows


def fail_run(store: Store, run_id: str, message: str) -> None:
    """Write down that a run ended with an error, or was interrupted."""
    for row in _own(store, run_id):
        failed = {"status": Ending.FAILED.value, "message": message[:2000], "ended_at": now()}
        _write(store, row | failed)


def _own(store: Store, run_id: str) -> list[Cells]:
    rows: list[Cells] = store.scan("runs", None, among("run_id", [run_id])).to_pylist()
    return rows


def _write(store: Store, cells: Cells) -> None:
    table = pa.Table.from_pylist([cells], schema=tables.runs_schema())
    merge = store.merge("runs", "run_id").when_matched_update_all()
    merge.when_not_matched_insert_all().execute(table)


def _begun(run_id: str, config: Config, source: Mapping[str, str], at: dt.datetime) -> Cells:
    return {
        "shop_id": config.shop_id,
        "schema_version": tables.SCHEMA_VERSION,
        "run_id": run_id,
        "started_at": at,
        "config": config.model_dump_json(),
        "models": _NO_MODELS,
        "source": json.dumps(dict(source)),
    }


def _end_cells(end: RunEnd) -> Cells:
    tally, indexed = end.tally, end.tally.indexed
    return {
        "status": end.ending.value,
        "submitted": tally.submitted,
        "indexed": indexed,
        "skipped": tally.skipped,
        "failed": tally.failed,
        "planned": json.dumps(dict(end.planned)),
        "calls": json.dumps(dict(end.calls), sort_keys=True),
        "spent": json.dumps({s.value: asdict(v) for s, v in sorted(end.spent.items())}),
        "refused_by": json.dumps([check.model_dump() for check in end.refused_by]),
        "message": end.message,
        "release_id": end.release_id,
        "cost": end.cost,
        "cost_per_video": end.cost / indexed if end.cost and indexed else None,
        "currency": end.currency if end.cost is not None else None,
        "failure_rate": end.failure_rate,
        "rows": None if end.rows is None else json.dumps(dict(end.rows)),
    }
