"""The top of a report: did last night publish, what changed, what somebody should look at."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from reelshelf.indexer.report.changes import Changes
from reelshelf.indexer.report.demand import NOT_SOLD
from reelshelf.indexer.report.facts import (
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
from reelshelf.indexer.report.figures import FIGURES
from reelshelf.indexer.store.head import Head
from reelshelf.indexer.store.runs import RunRecord
from reelshelf.indexer.text.wording import brief, counted, hours, instant, share
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.release import Release
from reelshelf.schemas.run import Ending

# A run that began longer ago than this was not last night's: nothing has been started since.
_A_NIGHT = dt.timedelta(hours=20)
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
    Ending.ALL_NEW_FAILED: "did not publish: every new and changed video failed",
    Ending.FAILED: "failed",
    Ending.CRASHED: "crashed",
    Ending.UNKNOWN: "ended in a way that is unknown to this version",
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
            release_id=last.release_id,
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
    night = head.night
    if night is None:
        return "No run has reached its end yet."
    ago = hours((head.made_at - night.ended_at).total_seconds() / 3600)
    said = ENDINGS[night.ending]
    if night.ending is Ending.PUBLISHED:
        said += f" {night.release_id}"
    elif night.ending is Ending.GATE_REFUSED and not night.refused_by:
        said = "did not publish: publishing is on hold"
    line = f"The last run {said}, {instant(night.ended_at)}, {ago} ago."
    if night.release_id != head.release_id:
        serves = "searchers are on" if head.serving else "this report is of"
        line += f" {serves[0].upper()}{serves[1:]} {head.release_id}."
    return line


def in_order(head: Headline) -> bool:
    """Whether the last run was last night's, and published or had nothing to do."""
    night = head.night
    if night is None or head.hold or head.forced:
        return False
    fine = night.ending in (Ending.PUBLISHED, Ending.NOTHING_NEW)
    return fine and head.made_at - night.started_at <= _A_NIGHT


def alerts(
    *,
    release: Release,
    head: Head,
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
    found = [*_of_runs(release, head, last, at)]
    for name, tolerated in _TOLD.items():
        if before and name in now and name in before and now[name] < before[name] - tolerated:
            figure = FIGURES[name]
            found.append(
                f"{figure.title} fell from {figure.shown(before[name])} to "
                f"{figure.shown(now[name])}."
            )
    if search is not None and search.lost.total:
        found.append(f"{counted(search.lost.total, 'judged query', 'judged queries')} lost.")
    found += _of_failures(ran) if ran is not None else []
    if wrong := _suspicious(links.conflicts):
        found.append(f"{counted(wrong, 'declaration')} of merchants, at least, look wrong.")
    found += _of_demand(demand) if demand is not None else []
    misleading = sum(video.why.startswith("sells only") for video in coverage.stale.rows)
    if misleading:
        found.append(f"{counted(misleading, 'video')}, at least, sell only what cannot be bought.")
    return found


def _of_failures(ran: Ran) -> list[str]:
    kinds = set(FailureKind)
    videos = [group for group in ran.failures if group.kind in kinds]
    lines = []
    if videos:
        named = ", ".join(f"{group.inputs.total} {group.kind}" for group in videos[:3])
        total = sum(group.inputs.total for group in videos)
        lines.append(f"{counted(total, 'video')} failed ({named}).")
    refused = sum(group.inputs.total for group in ran.failures if group.kind not in kinds)
    if refused:
        lines.append(f"{counted(refused, 'row or picture', 'rows and pictures')} refused.")
    return lines


def _of_demand(demand: Demand) -> list[str]:
    lines = []
    sold = [row for row in demand.categories.rows if row.name != NOT_SOLD]
    searches, short = sum(r.searches for r in sold), sum(r.unanswered for r in sold)
    if short:
        worst = max(sold, key=lambda row: row.unanswered)
        lines.append(
            f"{share(short / searches)} of searches for what the shop sells find no video that "
            f"sells it, the most in {brief(worst.name)} "
            f"({counted(worst.unanswered, 'search', 'searches')})."
        )
    other = sum(row.searches for row in demand.categories.rows if row.name == NOT_SOLD)
    if other:
        part = share(other / demand.searches_looked_at)
        lines.append(f"{part} of searches ask for what the catalog does not have.")
    return lines


def _of_runs(
    release: Release, head: Head, last: RunRecord | None, at: dt.datetime
) -> Iterator[str]:
    if last is not None:
        yield from (f"Refused by {missed(check)}." for check in last.refused_by)
        if last.message and not last.refused_by:
            yield brief(last.message)
        if at - last.started_at > _A_NIGHT:
            ago = hours((at - last.started_at).total_seconds() / 3600)
            yield (
                f"The last run that reached its end began {ago} ago: if there was one since, it "
                "crashed or is still at it."
            )
    if head.run_id is not None and head.renewed_at is not None:
        yield (
            f"A run holds the store: {brief(head.holder or '')}, last heard of "
            f"{instant(head.renewed_at)}."
        )
    if head.hold:
        yield f"Publishing is on hold: {brief(head.hold)}."
    if release.forced:
        yield f"The release was published against the gate's word: {brief(release.forced)}."


def _suspicious(conflicts: Listing[Conflict]) -> int:
    return sum(conflict.suspicion >= _SUSPICIOUS for conflict in conflicts.rows)
