"""The run that a schedule starts: all that it needs is in the config, and its end is an exit code.

One line of JSON for programs, one line for people, an exit code for the scheduler, and metrics in
Prometheus's text format for whoever watches. A night that was missed needs no catching up of its
own: a plan is the difference to the source as it is now.
"""

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.jobs.cli.exits import as_ours
from reelshelf.jobs.engines import make_engine
from reelshelf.jobs.metrics import check_metrics, registry_of, registry_of_error, write_metrics
from reelshelf.jobs.summary import NightlySummary, summary_of
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ConfigError, ExitCode, ReelshelfError


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
    summary = summary_of(result, config, began)
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
