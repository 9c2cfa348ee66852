"""A run under way: what it works with, what it has found so far, and its record."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from indexer.metering import Meter
from indexer.plan import PlanCounts
from indexer.scope import EVERYTHING, Scope
from indexer.store.head import Lease
from indexer.store.rows import RunContext, now
from indexer.store.tables import Store
from jobs.engine import Engine
from jobs.progress import Progress
from schemas.catalog import RejectedPicture, RejectedRow
from schemas.config import Config, CostConfig
from schemas.gate import GateCheck
from schemas.outcomes import Failed, Skipped, Tally, Tries
from schemas.release import ModelRefs, Release
from schemas.run import Spent, Stage


@dataclass(slots=True)
class Run:
    """One run. Its store asks the lease before every write.

    `previous` is the release that is served, `last` the one of this generation that was made last:
    the tables are what it left them as. `base` is the store as seen through the generation that is
    served, where another one is being built. `source` is where videos and catalogue come from.
    `counted` are the outcomes of the run before, for one that only publishes, and `refused_rate`
    the failure rate that it was refused for, if it was.
    """

    config: Config
    engine: Engine
    store: Store
    lease: Lease
    context: RunContext
    progress: Progress
    previous: Release | None
    last: Release | None
    base: Store | None
    source: Mapping[str, str]
    planned: PlanCounts
    scope: Scope = EVERYTHING
    counted: Tally | None = None
    refused_rate: float | None = None
    failed: list[Failed] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    rejected_pictures: list[RejectedPicture] = field(default_factory=list)
    submitted: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    indexed: int = 0
    tries: Tries = field(default_factory=Tries)
    calls: Counter[str] = field(default_factory=Counter)
    began_cpu_s: float = field(default_factory=time.process_time)

    @property
    def tally(self) -> Tally:
        """Outcomes so far."""
        return Tally(self.submitted, self.indexed, len(self.skipped), len(self.failed))

    @property
    def failure_rate(self) -> float | None:
        """Of the videos that were tried, by this run or by the one that it publishes for.

        None where that was not refused for it: its record does not say how many had failed.
        """
        return self.tries.failure_rate if self.counted is None else self.refused_rate

    @property
    def refs(self) -> ModelRefs:
        """The models of this run."""
        return self.context.refs

    def donors(self, keys: Sequence[str], known: set[str]) -> Iterator[tuple[Store, list[str]]]:
        """Where what is held of some inputs is to be read: in this generation, or in the served."""
        own = [key for key in keys if key in known]
        if own:
            yield self.store, own
        rest = [key for key in keys if key not in known]
        if rest and self.base is not None:
            yield self.base, rest

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Seconds by stage so far; what the driver used beside its workers is the rest."""
        meter = Meter()
        meter.add(self.engine.spent)
        own = time.process_time() - self.began_cpu_s
        if self.config.engine.kind == "local":
            own -= sum(seconds.cpu_s for seconds in self.engine.spent.values())
        meter.add({Stage.REST: Spent(max(0.0, own))})
        return meter.spent

    def record(
        self,
        status: str,
        message: str | None,
        release_id: str | None,
        refused_by: Sequence[GateCheck],
    ) -> None:
        """Append this run to the store's log."""
        tally = self.tally
        spent = self.spent
        cost = cost_of(spent, self.config.cost)
        self.store.write_run(
            self.context.common
            | {
                "status": status,
                "started_at": self.context.started_at,
                "ended_at": now(),
                "submitted": tally.submitted,
                "indexed": tally.indexed,
                "skipped": tally.skipped,
                "failed": tally.failed,
                "config": self.config.model_dump_json(),
                "models": self.refs.model_dump_json(),
                "planned": json.dumps(asdict(self.planned)),
                "calls": json.dumps(dict(self.calls), sort_keys=True),
                "spent": json.dumps({s.value: asdict(v) for s, v in sorted(spent.items())}),
                "source": json.dumps(dict(self.source)),
                "refused_by": json.dumps([check.model_dump() for check in refused_by]),
                "message": message,
                "release_id": release_id,
                "cost": cost,
                "cost_per_video": cost / tally.indexed if cost and tally.indexed else None,
                "currency": self.config.cost.currency if cost is not None else None,
            }
        )


def cost_of(spent: dict[Stage, Spent], prices: CostConfig) -> float | None:
    """What these seconds cost; None where no price is known."""
    if not prices.cpu_hour and not prices.gpu_hour:
        return None
    cpu = sum(seconds.cpu_s for seconds in spent.values())
    gpu = sum(seconds.gpu_s for seconds in spent.values())
    return (cpu * prices.cpu_hour + gpu * prices.gpu_hour) / 3600
