"""A run in three parts: what it works with, what it has found so far, and where it starts from.

None of them grows into another: what a run works with is fixed when it begins, outcomes are only
added, and the releases that it starts from are those of its beginning. Making a release takes
these three and no engine, so that `publish` needs none either.
"""

import logging
import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.pipeline.plan import PlanCounts
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.indexer.pipeline.progress import Stage as ProgressStage
from reelshelf.indexer.pipeline.scope import EVERYTHING, Scope
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.recovery import wrong_with_release
from reelshelf.indexer.store.releases import latest_in_generation, served_release
from reelshelf.indexer.store.rows import RunContext, now
from reelshelf.indexer.store.runs import RunEnd, note_stage
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.catalog import RejectedPicture, RejectedRow
from reelshelf.schemas.config import Config, CostConfig
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.outcomes import Failed, Skipped, Tally, Tries
from reelshelf.schemas.release import ModelRefs, Release
from reelshelf.schemas.run import Ending, Spent, Stage
from reelshelf.schemas.stages import (
    failure_fingerprint,
    picture_fingerprint,
    stage_fingerprints,
)

_LOG = logging.getLogger(__name__)


def row_context(run_id: str, config: Config, refs: ModelRefs) -> RunContext:
    """What every row of a run carries."""
    stages = stage_fingerprints(config, refs)
    return RunContext(
        run_id=run_id,
        shop_id=config.shop_id,
        started_at=now(),
        refs=refs,
        fingerprints=stages,
        failure_fingerprint=failure_fingerprint(stages, config),
        picture_fingerprint=picture_fingerprint(refs, config),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """What a run works with. Its store asks the lease before every write.

    `allow_shrink`: what left the source may be as much as it is.
    """

    config: Config
    store: Store
    lease: Lease
    context: RunContext
    progress: Progress
    scope: Scope = EVERYTHING
    allow_shrink: bool = False

    @property
    def refs(self) -> ModelRefs:
        """The models of this run."""
        return self.context.refs

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[ProgressStage]:
        """A stage under way: shown to whoever watches, and written into the run's record."""
        if total:
            note_stage(self.store, self.context.run_id, name)
        with log_context(stage=name), self.progress.stage(name, total) as stage:
            began = time.monotonic()
            _LOG.info("begins: %d to do", total)
            yield stage
            _LOG.info("done in %.1f s", time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The releases that a run starts from.

    `served` is what searchers see. `latest_in_generation` is the release of this generation that
    was made last: the tables are what it left them as. `served_store` is the store as seen through
    the generation that is served, where another one is being built. `damaged` says what is missing
    of the served release's files, if anything is.
    """

    served: Release | None
    latest_in_generation: Release | None
    served_store: Store | None = None
    damaged: str = ""

    @property
    def readable(self) -> Release | None:
        """The served release, where its rows can be compared with."""
        return None if self.damaged else self.served

    @classmethod
    def of(cls, store: Store) -> "Baseline":
        """Where a run that writes into the generation of `store` starts from."""
        served = served_release(store)
        damaged = wrong_with_release(store, served) if served is not None else ""
        if served is not None and damaged:
            _LOG.warning(
                "release %s, which is served, is damaged (%s): what this run makes is not compared "
                "with its rows",
                served.release_id,
                damaged,
            )
        beside = served is not None and served.generation != store.generation
        return cls(
            served,
            latest_in_generation(store),
            store.of(served.generation) if served is not None and beside else None,
            damaged,
        )

    def stored(
        self, store: Store, keys: Sequence[str], known: Container[str]
    ) -> Iterator[tuple[Store, list[str]]]:
        """Where what is stored of some inputs is to be read: in this generation, or the served."""
        own = [key for key in keys if key in known]
        if own:
            yield store, own
        rest = [key for key in keys if key not in known]
        if rest and self.served_store is not None:
            yield self.served_store, rest


@dataclass(slots=True)
class Outcomes:
    """What has become of a run's inputs so far.

    `source` says where catalog and videos come from; a run that only publishes has none. Then
    `counted` are the outcomes of the run that it publishes for, and `refused_rate` the failure rate
    that this one was refused for, if it was. `refused_products` are SKUs whose texts failed.
    """

    planned: PlanCounts = field(default_factory=PlanCounts)
    counted: Tally | None = None
    refused_rate: float | None = None
    submitted: int = 0
    indexed: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    rejected_pictures: list[RejectedPicture] = field(default_factory=list)
    refused_products: set[str] = field(default_factory=set)
    tries: Tries = field(default_factory=Tries)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def tally(self) -> Tally:
        """Outcomes so far."""
        return Tally(self.submitted, self.indexed, len(self.skipped), len(self.failed))

    @property
    def released_tally(self) -> Tally:
        """The outcomes that a release made now tells of."""
        return self.counted or self.tally

    @property
    def failed_ending(self) -> Ending:
        """How a run ends whose videos failed too much."""
        alone = self.tries.all_new_failed and not self.tries.away
        return Ending.ALL_NEW_FAILED if alone else Ending.TOO_MANY_FAILURES

    @property
    def failure_rate(self) -> float | None:
        """Of the videos that were tried, by this run or by the one that it publishes for.

        None where nobody knows: that one was not refused for it, and is older than its record.
        """
        return self.tries.failure_rate if self.counted is None else self.refused_rate


class Clock:
    """CPU seconds of this process since a run began, beside those that its workers report."""

    def __init__(self) -> None:
        self._began = time.process_time()

    def spent(self, workers: Mapping[Stage, Spent], *, in_process: bool) -> dict[Stage, Spent]:
        """Seconds by stage; what the driver used beside its workers is the rest.

        `in_process`: the workers' seconds are this process's own.
        """
        meter = Meter()
        meter.add(dict(workers))
        own = time.process_time() - self._began
        if in_process:
            own -= sum(seconds.cpu_s for seconds in workers.values())
        meter.add({Stage.REST: Spent(max(0.0, own))})
        return meter.spent


def run_end(
    outcomes: Outcomes,
    spent: Mapping[Stage, Spent],
    prices: CostConfig,
    ending: Ending,
    message: str | None,
    served: Release | None,
    refused_by: Sequence[GateCheck] = (),
    rows: Mapping[str, int] | None = None,
    devices: ModelDevices | None = None,
) -> RunEnd:
    """What the record of a run says of its end. `served` is the release that is served then."""
    return RunEnd(
        rows=rows,
        devices=devices,
        ending=ending,
        message=message,
        release_id=served.release_id if served else None,
        refused_by=tuple(refused_by),
        tally=outcomes.tally,
        failure_rate=outcomes.failure_rate,
        planned=asdict(outcomes.planned),
        calls=dict(outcomes.calls),
        spent=dict(spent),
        cost=cost_of(spent, prices),
        currency=prices.currency,
    )


def cost_of(spent: Mapping[Stage, Spent], prices: CostConfig) -> float | None:
    """What these seconds cost; None where no price is known."""
    if not prices.cpu_hour and not prices.gpu_hour:
        return None
    cpu = sum(seconds.cpu_s for seconds in spent.values())
    gpu = sum(seconds.gpu_s for seconds in spent.values())
    return (cpu * prices.cpu_hour + gpu * prices.gpu_hour) / 3600
