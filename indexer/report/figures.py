"""Key figures: one number each, for trends, for two releases side by side, for conditions.

Some stand in the records of releases and runs; others are measured while a report is made, where
labels, judged queries or a log are given.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reelshelf.indexer.store.runs import RunRecord
from reelshelf.indexer.text.wording import number, seconds, share
from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.release import Release

Unit = Literal["count", "share", "score", "seconds", "ms", "hours", "money"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is called, what it is in, and which way is better (0: neither)."""

    name: str
    title: str
    unit: Unit
    better: int = 0

    def shown(self, value: float) -> str:
        """The value in its unit."""
        match self.unit:
            case "share":
                return share(value)
            case "score":
                return f"{value:.3f}"
            case "seconds":
                return seconds(value)
            case "ms":
                return f"{value:.1f} ms"
            case "hours":
                return f"{value:.1f} h"
            case "count" | "money":
                return number(value)

    def change_shown(self, change: float) -> str:
        """A difference of two values, with its sign."""
        if self.unit == "share":
            return f"{change * 100:+.1f} points"
        sign = "-" if change < 0 else "+"
        return f"{sign}{self.shown(abs(change))}"


FIGURES = {
    figure.name: figure
    for figure in (
        Figure("videos", "Videos", "count"),
        Figure("products", "Products", "count"),
        Figure("links", "Links", "count"),
        Figure("video_coverage", "Videos with a link", "share", 1),
        Figure("product_coverage", "Products with a video", "share", 1),
        Figure("picture_coverage", "Products with a picture", "share", 1),
        Figure("text_share", "Moments with words", "share"),
        Figure("recall_at_10", "Recall@10, least of all columns", "score", 1),
        Figure("failure_rate", "Videos tried that failed", "share", -1),
        Figure("gate_failed", "Gate conditions not met", "count", -1),
        Figure("run_seconds", "Time of the run", "seconds", -1),
        Figure("cpu_seconds", "CPU time of the run", "seconds", -1),
        Figure("gpu_seconds", "GPU time of the run", "seconds"),
        Figure("cost", "Cost of the run", "money", -1),
        Figure("published", "The last run published, or had nothing to do", "count", 1),
        Figure("undecided_share", "Videos with weak candidates only", "share", -1),
        Figure("copies", "Videos that are copies", "count"),
        Figure("stale", "Videos that may be stale", "count", -1),
        Figure("cold_start_hours", "New products: hours to search, median", "hours", -1),
        Figure("conflicts", "Declarations that videos do not bear out", "count", -1),
        Figure("calibration_error", "Calibration error", "score", -1),
        Figure("link_precision", "Links that are right, by labels", "share", 1),
        Figure("link_recall", "Labeled links that were found", "share", 1),
        Figure("ndcg_at_10", "nDCG@10 of judged queries", "score", 1),
        Figure("recall_at_5", "R@5 of judged queries", "score", 1),
        Figure("mrr", "MRR of judged queries", "score", 1),
        Figure("search_p95_ms", "Search, 95th percentile", "ms", -1),
        Figure("unanswered_share", "Searches that no video answers", "share", -1),
    )
}


def release_figures(release: Release, run: RunRecord | None) -> dict[str, float]:
    """The figures that stand in a release's record and in that of the run that made it."""
    quality = release.quality
    found: dict[str, float] = {
        "videos": quality.videos,
        "products": quality.products,
        "links": quality.links,
        "video_coverage": quality.videos_linked / max(quality.videos, 1),
        "product_coverage": quality.products_linked / max(quality.products, 1),
        "picture_coverage": quality.products_with_picture / max(quality.products, 1),
        "text_share": quality.segments_with_text / max(quality.segments, 1),
        "failure_rate": quality.share_failed,
        "gate_failed": sum(not check.passed for check in release.gate),
    }
    if quality.recall_at_10:
        found["recall_at_10"] = min(quality.recall_at_10.values())
    if run is not None:
        found["run_seconds"] = run.seconds
        found["cpu_seconds"] = sum(spent.cpu_s for spent in run.spent.values())
        if gpu_s := sum(spent.gpu_s for spent in run.spent.values()):
            found["gpu_seconds"] = gpu_s
        if run.cost is not None:
            found["cost"] = run.cost
    return found


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CONDITION = re.compile(r"\s*(change\.)?([a-z0-9_]+)\s*(<=|>=|<|>)\s*([-+]?[0-9.]+(?:e-?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Condition:
    """When a report is an error: a figure, or its change against the release before."""

    text: str
    name: str
    of_change: bool
    sign: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read `recall_at_10<0.95` or `change.links<-100`. Raises ConfigError, naming figures."""
        match = _CONDITION.fullmatch(text)
        if match is None or match[2] not in FIGURES:
            what = f"there is no figure {match[2]!r}" if match else "cannot be read"
            raise ConfigError(
                f"--fail-on {text!r}: {what}; write FIGURE<NUMBER, FIGURE>NUMBER or the same with "
                f"change.FIGURE, where FIGURE is one of {', '.join(FIGURES)}"
            )
        try:
            limit = float(match[4])
        except ValueError as error:
            raise ConfigError(f"--fail-on {text!r}: {match[4]!r} is no number") from error
        return cls(text, match[2], bool(match[1]), match[3], limit)

    def holds(self, now: Mapping[str, float], before: Mapping[str, float] | None) -> str | None:
        """In words, what was found, where the condition holds; None where it does not.

        Raises ConfigError where the report has no such figure: what is not looked at is not fine.
        """
        figure = FIGURES[self.name]
        if self.name not in now or (self.of_change and self.name not in (before or {})):
            missing = "its change" if self.name in now else "it"
            raise ConfigError(
                f"--fail-on {self.text!r}: this report does not have {missing}. Figures of links, "
                "queries and demand need --labels, --judged or --query-log; changes need a release "
                "before, measured on the same files"
            )
        found = now[self.name]
        if self.of_change and before is not None:
            found -= before[self.name]
        if not _COMPARISONS[self.sign](found, self.limit):
            return None
        shown = figure.change_shown(found) if self.of_change else figure.shown(found)
        return f"{figure.title}: {shown} ({self.text})"


def conditions_met(
    conditions: Sequence[Condition], now: Mapping[str, float], before: Mapping[str, float] | None
) -> list[str]:
    """The conditions that hold, in words. All are looked at."""
    found = [condition.holds(now, before) for condition in conditions]
    return [text for text in found if text is not None]
