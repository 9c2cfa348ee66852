"""The run that a schedule starts: all that it needs is in the config, and its end is an exit code.

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

from prometheus_client import CollectorRegistry

from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.jobs.cli.exits import as_ours
from reelshelf.jobs.engines import make_engine
from reelshelf.jobs.metrics import check_metrics, registry_of, registry_of_error, write_metrics
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ConfigError, ExitCode, ReelshelfError
from reelshelf.schemas.run import Ending

EXIT_CODES = {
    Ending.PUBLISHED: ExitCode.DONE,
    Ending.NOTHING_NEW: ExitCode.NOTHING_TO_DO,
    Ending.GATE_REFUSED: ExitCode.GATE,
    Ending.TOO_MANY_FAILURES: ExitCode.FAILURES,
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
    """Run once, tell how it went, and write the metrics file if there is one. The exit code.

    A metrics file that cannot be written is found before the run; one that cannot be written any
    more after it is told, and changes no code. A run that ends with an error has metrics too.
    """
    metrics = Path(config.nightly.metrics) if config.nightly.metrics is not None else None
    if metrics is not None:
        check_metrics(metrics)
    began = dt.datetime.now(dt.UTC)
    try:
        result = ingest(request, config, make_engine, progress)
    except BaseException as error:
        seconds = (dt.datetime.now(dt.UTC) - began).total_seconds()
        _write(metrics, registry_of_error(exit_code_of(error), seconds))
        raise
    summary = _summary(result, config, began)
    tell(summary)
    _write(metrics, registry_of(summary, result))
    return summary.exit_code


def exit_code_of(error: BaseException) -> ExitCode:
    """The code that the command line ends with over this error."""
    if isinstance(error, ReelshelfError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    ours = as_ours(error)
    return ExitCode.BUG if ours is None else ours.exit_code


def _write(path: Path | None, registry: CollectorRegistry) -> None:
    if path is None:
        return
    try:
        write_metrics(registry, path)
    except ReelshelfError as error:
        # The night is what it is, and its code says so: whoever watches sees an old file.
        print(f"reelshelf nightly: no metrics: {error}", file=sys.stderr)


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
