"""A report in a few lines, for a terminal or a chat."""

from collections.abc import Iterator, Mapping

from reelshelf.indexer.report.compare import Comparison
from reelshelf.indexer.report.facts import ReportFacts
from reelshelf.indexer.report.figures import FIGURES
from reelshelf.indexer.report.headline import night_in_words
from reelshelf.indexer.text.wording import brief

_FIGURES = (
    "videos",
    "video_coverage",
    "product_coverage",
    "links",
    "recall_at_10",
    "ndcg_at_10",
    "calibration_error",
    "unanswered_share",
)
_MOST_LINES = 6


def summary(facts: ReportFacts) -> list[str]:
    """What happened, the key figures, what changed, what to look at."""
    head = facts.headline
    lines = [f"{brief(head.shop_id)}: {night_in_words(head)}"]
    lines += list(_figures(facts.figures, facts.before))
    lines += _listed("Changed", head.changes)
    lines += _listed("Look at", head.alerts)
    return lines


def comparison_summary(found: Comparison) -> list[str]:
    """Which figures are better and which are worse."""
    lines = [f"{brief(found.shop_id)}: {found.a.release_id} and {found.b.release_id}"]
    for row in found.rows:
        if row.verdict in ("better", "worse") and row.b is not None and row.change is not None:
            figure = FIGURES[row.name]
            lines.append(
                f"  {row.verdict:<6}  {figure.title}: {figure.shown(row.b)} "
                f"({figure.change_shown(row.change)})"
            )
    return lines + _listed("Changed", found.changes.in_words)


def _figures(now: Mapping[str, float], before: Mapping[str, float] | None) -> Iterator[str]:
    for name in _FIGURES:
        if name not in now:
            continue
        figure = FIGURES[name]
        line = f"  {figure.title}: {figure.shown(now[name])}"
        if before and name in before and figure.shown(now[name]) != figure.shown(before[name]):
            line += f" ({figure.change_shown(now[name] - before[name])})"
        yield line


def _listed(title: str, lines: tuple[str, ...]) -> list[str]:
    """The first lines under a title; nothing where there are none."""
    if not lines:
        return []
    more = len(lines) - _MOST_LINES
    shown = [f"  {line}" for line in lines[:_MOST_LINES]]
    return [f"{title}:", *shown, *([f"  and {more} more"] if more > 0 else [])]
