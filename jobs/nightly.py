"""The run that a schedule starts: everything it needs stands in the config, its end is a number.

One line of JSON for programs, one line for people, an exit code for the scheduler, and metrics in
Prometheus's text format for whoever watches. A night that was missed needs no catching up of its
own: a plan is the difference to the source as it is now.
"""

import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.plan import PlanCounts
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.jobs.engines import make_engine
from reelshelf.jobs.metrics import write_metrics
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ConfigError, GateRefused, ReelshelfError, TooManyFailures
from reelshelf.schemas.run import Ending

NOTHING_TO_DO = 7

EXIT_CODES = {
    Ending.PUBLISHED: 0,
    Ending.NOTHING_NEW: NOTHING_TO_DO,
    Ending.GATE_REFUSED: GateRefused.exit_code,
    Ending.TOO_MANY_FAILURES: TooManyFailures.exit_code,
}


@dataclass(frozen=True, slots=True)
class NightlySummary:
    """What a night came to. Times are seconds; `spent` is by stage, CPU and GPU."""

    ending: str
    exit_code: int
    message: str | None
    run_id: str
    release_id: str | None
    started_at: str
    seconds: float
    planned: dict[str, int]
    outcomes: dict[str, int]
    failures: dict[str, int]
    refused_rows: int
    refused_pictures: int
    calls: dict[str, int]
    spent: dict[str, dict[str, float]]
    cost: float | None
    cost_per_video: float | None
    currency: str | None

    @property
    def line(self) -> str:
        """The night in one line for people."""
        outcomes = self.outcomes
        counts = (
            f"{outcomes['indexed']} indexed, {outcomes['skipped']} unchanged or skipped, "
            f"{outcomes['failed']} failed of {outcomes['submitted']} videos in {self.seconds:.0f} s"
        )
        ends = {
            Ending.PUBLISHED: f"published {self.release_id}",
            Ending.NOTHING_NEW: f"nothing to do, {self.release_id} stays",
            Ending.GATE_REFUSED: "gate refused",
            Ending.TOO_MANY_FAILURES: "too many failures",
        }
        why = f": {self.message}" if self.message else ""
        return f"{ends[Ending(self.ending)]}; {counts}{why}"


def request_of(config: Config, *, verify: bool) -> IngestRequest:
    """What the config's [nightly] names. Raises ConfigError where it leaves something out."""
    nightly = config.nightly
    missing = [name for name in ("catalog", "videos", "store") if not getattr(nightly, name)]
    if missing:
        names = ", ".join(f"nightly.{name}" for name in missing)
        raise ConfigError(f"nightly: the config does not say {names}; see docs/operations.md")
    return IngestRequest(
        str(nightly.catalog), str(nightly.videos), str(nightly.store), verify=verify
    )


def run_nightly(
    config: Config,
    request: IngestRequest,
    progress: Progress,
    tell: Callable[[NightlySummary], None],
) -> int:
    """Run once, tell how it went, then write the metrics file if there is one. The exit code.

    A metrics file that cannot be written is told, and changes no code.
    """
    began = dt.datetime.now(dt.UTC)
    result = ingest(request, config, make_engine, progress)
    summary = _summary(result, config, began)
    tell(summary)
    if config.nightly.metrics is not None:
        try:
            write_metrics(summary, result, Path(config.nightly.metrics))
        except ReelshelfError as error:
            # The night is what it is, and its code says so: whoever watches sees an old file.
            print(f"reelshelf nightly: no metrics: {error}", file=sys.stderr)
    return summary.exit_code


def _summary(result: IngestResult, config: Config, began: dt.datetime) -> NightlySummary:
    cost, indexed = result.cost, result.tally.indexed
    return NightlySummary(
        ending=result.ending.value,
        exit_code=EXIT_CODES[result.ending],
        message=result.message,
        run_id=result.run_id,
        release_id=result.release.release_id if result.release else None,
        started_at=began.isoformat(timespec="seconds"),
        seconds=round((dt.datetime.now(dt.UTC) - began).total_seconds(), 1),
        planned=asdict(result.planned),
        outcomes=asdict(result.tally),
        failures=dict(Counter(item.kind.value for item in result.failed)),
        refused_rows=len(result.rejected),
        refused_pictures=len(result.rejected_pictures),
        calls=result.calls,
        spent={
            stage.value: {name: round(value, 2) for name, value in asdict(seconds).items()}
            for stage, seconds in sorted(result.spent.items())
        },
        cost=round(cost, 4) if cost is not None else None,
        cost_per_video=round(cost / indexed, 6) if cost is not None and indexed else None,
        currency=config.cost.currency if cost is not None else None,
    )


def plan_lines(counts: PlanCounts) -> list[tuple[str, int]]:
    """A plan as rows of a table, without those that are zero."""
    named = [(name.replace("_", " "), count) for name, count in asdict(counts).items()]
    return [(name, count) for name, count in named if count]
