"""A run's figures in Prometheus's text format, for node_exporter's textfile collector.

Labels are our own words (stages, kinds, outcomes): nothing that a stranger wrote becomes one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.jobs.cli.exits import cannot_write

if TYPE_CHECKING:
    from reelshelf.jobs.nightly import NightlySummary


def registry_of(summary: "NightlySummary", result: IngestResult) -> CollectorRegistry:
    """The last run as gauges: a job that ends has no counters that anybody could scrape twice."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"reelshelf_{name}", text, labels, registry=registry)

    gauge("last_run_exit_code", "Exit code of the last run.").set(summary.exit_code)
    gauge("last_run_seconds", "Wall time of the last run.").set(summary.seconds)
    gauge("last_run_end_timestamp_seconds", "When the last run ended.").set_to_current_time()
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
    return registry


def write_metrics(summary: "NightlySummary", result: IngestResult, path: Path) -> None:
    """Write the file in one step, so that a scrape sees the old one or the new one."""
    try:
        write_to_textfile(str(path), registry_of(summary, result))
    except OSError as error:
        raise cannot_write(f"nightly.metrics {path}", error) from error
