"""What a monitoring system reads: counts, times and states of the service."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from reelshelf.searcher.service import Service

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The metrics of one service."""

    def __init__(self, service: "Service") -> None:
        self.registry = CollectorRegistry()
        self.seconds = Histogram(
            "reelshelf_search_seconds",
            "Time from a search to its answer.",
            ["cached"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.searches = self._counter("searches", "Searches by outcome.", ["answered", "degraded"])
        self.refused = self._counter("refused", "Requests that no worker answered.", ["reason"])
        self.events = self._counter("events", "Events by outcome.", ["outcome"])
        self.unwritten = self._counter("log_errors", "Lines that could not be appended.")
        follower = service.follower
        for name, told, value in (
            ("waiting", "Searches that wait.", lambda: service.searching.waiting),
            ("workers", "Workers that answer.", lambda: service.searching.ready),
            (
                "worker_deaths",
                "Workers that ended by themselves.",
                lambda: service.searching.deaths,
            ),
            ("release_switches", "Releases that were followed.", lambda: follower.switches),
            (
                "behind",
                "1 where the next release cannot be opened.",
                lambda: bool(follower.problem),
            ),
        ):
            gauge = Gauge(f"reelshelf_{name}", told, registry=self.registry)
            gauge.set_function(value)

    def searched(
        self, seconds: float, degraded: Iterable[str], *, cached: bool, answered: bool
    ) -> None:
        """Count one search."""
        self.seconds.labels(str(cached).lower()).observe(seconds)
        self.searches.labels(str(answered).lower(), "+".join(degraded) or "none").inc()

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, told: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"reelshelf_{name}", told, list(labels), registry=self.registry)
