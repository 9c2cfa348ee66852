"""The top of a report: did last night publish, what changed, what somebody should look at."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from indexer.report.changes import Changes
from indexer.report.demand import NOT_SOLD
from indexer.report.facts import (
    Conflict,
    Coverage,
    Demand,
    Headline,
    Links,
    Listing,
    Night,
    Ran,
    SearchQuality,
)
from indexer.report.figures import FIGURES
from indexer.report.words import counted, flat, hours, instant, share
from indexer.store.runs import RunRecord
from schemas.gate import GateCheck
from schemas.release import Release
from schemas.run import Ending

# A night that is later than this did not take place.
_A_NIGHT = dt.timedelta(hours=26)
_SUSPICIOUS = 0.8
_TOLD = {
    "recall_at_10": 0.005,
    "ndcg_at_10": 0.01,
    "video_coverage": 0.02,
    "product_coverage": 0.02,
}
ENDINGS = {
    Ending.PUBLISHED: "published",
    Ending.NOTHING_NEW: "had nothing to do",
    Ending.GATE_REFUSED: "did not publish: the gate refused",
    Ending.TOO_MANY_FAILURES: "did not publish: too many videos failed",
}


def headline(
    release: Release,
    *,
    before: Release | None,
    serving: bool,
    hold: str | None,
    last: RunRecord | None,
    changes: Changes | None,
    alerts: Sequence[str],
    at: dt.datetime,
) -> Headline:
    """Put it together. `last` is the run that ended last."""
    night = None
    if last is not None:
        night = Night(
            run_id=last.run_id,
            ending=last.ending,
            started_at=last.started_at,
            ended_at=last.ended_at,
            message=last.message,
            refused_by=last.refused_by,
        )
    return Headline(
        shop_id=release.shop_id,
        release_id=release.release_id,
        created_at=dt.datetime.fromisoformat(release.created_at),
        before_id=before.release_id if before else None,
        profile=release.profile,
        made_at=at,
        serving=serving,
        forced=release.forced,
        hold=hold,
        night=night,
        changes=changes.in_words if changes else ("This is the first release that is kept.",),
        alerts=tuple(alerts),
    )


def missed(check: GateCheck) -> str:
    """A condition that was not met, in words, and by how much."""
    by = f", missed by {check.missed_by:.4g}" if check.missed_by else ""
    return f"{check.name}: wanted {check.wanted}, found {check.found}{by}"


def night_in_words(head: Headline) -> str:
    """The first line of a report."""
    if head.night is None:
        return f"{head.shop_id}: no run has reached its end yet."
    night = head.night
    said = f"The last run {ENDINGS[night.ending]}"
    if night.ending is Ending.PUBLISHED:
        said += f" {head.release_id}" if head.serving else " a release"
    return f"{said}, {instant(night.ended_at)}."


def alerts(
    *,
    release: Release,
    hold: str | None,
    last: RunRecord | None,
    ran: Ran | None,
    links: Links,
    coverage: Coverage,
    demand: Demand | None,
    search: SearchQuality | None,
    now: Mapping[str, float],
    before: Mapping[str, float] | None,
    at: dt.datetime,
) -> list[str]:
    """What somebody should look at, the most urgent first."""
    found = [*_of_runs(release, hold, last, at)]
    for name, tolerated in _TOLD.items():
        if before and name in now and name in before and now[name] < before[name] - tolerated:
            figure = FIGURES[name]
            found.append(
                f"{figure.title} fell from {figure.shown(before[name])} to "
                f"{figure.shown(now[name])}."
            )
    if search is not None and search.lost.total:
        found.append(f"{counted(search.lost.total, 'judged query', 'judged queries')} lost.")
    if ran is not None and ran.failed:
        kinds = ", ".join(f"{group.inputs.total} {group.kind}" for group in ran.failures[:3])
        found.append(f"{counted(ran.failed, 'video')} failed ({kinds}).")
    if wrong := _suspicious(links.conflicts):
        found.append(f"{counted(wrong, 'declaration')} of merchants, at least, look wrong.")
    found += _of_demand(demand) if demand is not None else []
    misleading = sum(video.why.startswith("sells only") for video in coverage.stale.rows)
    if misleading:
        found.append(f"{counted(misleading, 'video')}, at least, sell only what cannot be bought.")
    return found


def _of_demand(demand: Demand) -> list[str]:
    lines = []
    short = [row for row in demand.categories.rows if row.unanswered and row.name != NOT_SOLD]
    if short:
        lines.append(
            f"{share(demand.unanswered_share)} of searches find no video, most of them in "
            f"{flat(short[0].name)} ({counted(short[0].unanswered, 'search', 'searches')})."
        )
    other = sum(row.searches for row in demand.categories.rows if row.name == NOT_SOLD)
    if other:
        part = share(other / max(demand.searches_looked_at, 1))
        lines.append(f"{part} of searches ask for what the catalogue does not have.")
    return lines


def _of_runs(
    release: Release, hold: str | None, last: RunRecord | None, at: dt.datetime
) -> Iterator[str]:
    if last is not None:
        yield from (f"Refused by {missed(check)}." for check in last.refused_by)
        if last.message and not last.refused_by:
            yield flat(last.message)
        if at - last.ended_at > _A_NIGHT:
            ago = hours((at - last.ended_at).total_seconds() / 3600)
            yield f"The last run ended {ago} ago."
    if hold:
        yield f"Publishing is on hold: {flat(hold)}."
    if release.forced:
        yield f"The release was published against the gate's word: {flat(release.forced)}."


def _suspicious(conflicts: Listing[Conflict]) -> int:
    return sum(conflict.suspicion >= _SUSPICIOUS for conflict in conflicts.rows)
