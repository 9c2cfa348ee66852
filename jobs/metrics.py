"""A run's figures in Prometheus's text format, for node_exporter's textfile collector.

Labels are our own words (stages, kinds, outcomes): nothing that a stranger wrote becomes one.
"""

import errno
import tempfile
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.jobs.cli.exits import cannot_write
from reelshelf.jobs.summary import NightlySummary
from reelshelf.schemas.errors import ExitCode


class _Gauges:
    """Gauges of one registry: a job that ends has no counters that anybody could scrape twice."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

    def __call__(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"reelshelf_{name}", text, labels, registry=self.registry)

    def end(self, exit_code: int, seconds: float) -> None:
        """What every run has."""
        self("last_run_exit_code", "Exit code of the last run.").set(exit_code)
        self("last_run_seconds", "Wall time of the last run.").set(seconds)
        self("last_run_end_timestamp_seconds", "When the last run ended.").set_to_current_time()


def registry_of_error(exit_code: ExitCode, seconds: float) -> CollectorRegistry:
    """A run that ended with an error: its code and its time, and nothing that it did not reach."""
    gauges = _Gauges()
    gauges.end(exit_code, seconds)
    return gauges.registry


def registry_of(summary: NightlySummary, result: IngestResult) -> CollectorRegistry:
    """The last run as gauges."""
    gauge = _Gauges()
    gauge.end(summary.exit_code, summary.seconds)
    outcomes = gauge("videos", "Videos of the last run by outcome.", "outcome")
    for outcome in ("indexed", "skipped", "failed"):
        outcomes.labels(outcome).set(summary.outcomes[outcome])
    failures = gauge("failures", "Failed videos of the last run by kind.", "kind")
    for kind, count in summary.failures.items():
        failures.labels(kind).set(count)
    refused = gauge("refused", "Rows and pictures that were refused.", "what")
    refused.labels("row").set(summary.refused_rows)
    refused.labels("picture").set(summary.refused_pictures)
    planned = gauge("planned", "What the plan of the last run held.", "what")
    for name, count in summary.planned.items():
        planned.labels(name).set(count)
    calls = gauge("model_calls", "What the models of the last run were given.", "what")
    for name, count in summary.calls.items():
        calls.labels(name).set(count)
    seconds = gauge("stage_seconds", "Seconds of the last run by stage.", "stage", "unit")
    for stage, spent in result.spent.items():
        seconds.labels(stage.value, "cpu").set(spent.cpu_s)
        seconds.labels(stage.value, "gpu").set(spent.gpu_s)
    if summary.cost is not None and summary.currency is not None:
        cost = gauge("cost", "What the last run cost.", "currency")
        cost.labels(summary.currency).set(summary.cost)
    if result.release is not None:
        quality = result.release.quality
        gauge("release_sequence", "Number of the newest release.").set(result.release.sequence)
        released = gauge("release_rows", "What the newest release holds.", "what")
        for name in ("videos", "videos_linked", "products", "products_linked", "links", "segments"):
            released.labels(name).set(getattr(quality, name))
    return gauge.registry


def check_metrics(path: Path) -> None:
    """Raise an error of ours where the metrics file could not be written. Leaves nothing behind."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a folder")
    except OSError as error:
        raise cannot_write(f"nightly.metrics {path}", error) from error


def write_metrics(registry: CollectorRegistry, path: Path) -> None:
    """Write the file in one step, so that a scrape sees the old one or the new one."""
    try:
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise cannot_write(f"nightly.metrics {path}", error) from error
