"""All facts of a report, from a release, its history, and what was measured beside it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.report.changes import changes
from reelshelf.indexer.report.columns import column_facts
from reelshelf.indexer.report.coverage import coverage
from reelshelf.indexer.report.facts import (
    Coverage,
    Demand,
    ReportFacts,
    SearchQuality,
    TrendPoint,
)
from reelshelf.indexer.report.figures import release_figures
from reelshelf.indexer.report.headline import alerts, headline
from reelshelf.indexer.report.history import Measured, comparable
from reelshelf.indexer.report.link_section import Labels, link_section
from reelshelf.indexer.report.run_section import run_section
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.releases import Listed, listed_releases
from reelshelf.indexer.store.runs import RunRecord, all_runs
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import ReportConfig
from reelshelf.schemas.release import Release
from reelshelf.schemas.run import Ending


@dataclass(frozen=True, slots=True)
class Given:
    """What a report is told beside the store: each is None where nobody asked for it."""

    labels: Labels | None = None
    demand: Demand | None = None
    search: SearchQuality | None = None


def release_before(listed: Sequence[Listed], release: Release) -> Release | None:
    """The release that searchers had before this one; the one made before, if it is not served.

    Whoever went back to an older release, and published anew from there, asks what differs from
    what was served, not from what was withdrawn.
    """
    if any(item.serving and item.release.run_id == release.run_id for item in listed):
        left = [item for item in listed if item.left_at is not None]
        return max(left, key=lambda item: str(item.left_at)).release if left else None
    older = [item.release for item in listed if item.release.sequence < release.sequence]
    return max(older, key=lambda item: item.sequence) if older else None


def _upto(listed: Sequence[Listed], release: Release) -> list[Release]:
    return [item.release for item in listed if item.release.sequence <= release.sequence]


def build_report(
    store: Store,
    release: Release,
    given: Given,
    config: ReportConfig,
    history: Mapping[str, Measured],
    at: dt.datetime,
) -> ReportFacts:
    """Everything that a report shows of a release."""
    snapshot = ReleaseSnapshot.of(store, release)
    listed = listed_releases(store)
    upto = _upto(listed, release)
    before = release_before(listed, release)
    runs = [run for run in all_runs(store) if run.ending is not Ending.RUNNING]
    by_id = {run.run_id: run for run in runs}
    last = max(runs, key=lambda run: run.ended_at, default=None)
    read = [run for run in runs if run.source and run.came_through]
    supply = _supply(snapshot, upto, config, at)
    found = link_section(snapshot, given.labels, config.sample)
    run = run_section(store, snapshot, read[-1]) if read else None

    now = release_figures(release, by_id.get(release.run_id)) | supply.figures | found.figures
    earlier = None
    if before is not None:
        then = _upto(listed, before)
        earlier = figures_of(
            ReleaseSnapshot.of(store, before), then, by_id, given.labels, config, at
        )
    if given.search is not None:
        now |= given.search.figures
        earlier = None if earlier is None else earlier | given.search.figures_before
    if given.demand is not None and given.demand.unanswered_share is not None:
        now["unanswered_share"] = given.demand.unanswered_share
    head = read_head(store)
    trend = _trend(upto, by_id, history, measured(release, given, now))
    # Of the last run, not of the release: it has no place in the trend.
    if last is not None:
        now["published"] = float(last.ending in (Ending.PUBLISHED, Ending.NOTHING_NEW))
    return ReportFacts(
        headline=headline(
            release,
            before=before,
            serving=any(i.serving for i in listed if i.release.run_id == release.run_id),
            hold=head.hold,
            last=last,
            changes=changes(ReleaseSnapshot.of(store, before), snapshot) if before else None,
            alerts=alerts(
                release=release,
                head=head,
                last=last,
                ran=run,
                links=found,
                coverage=supply,
                demand=given.demand,
                search=given.search,
                now=now,
                before=earlier,
                at=at,
            ),
            at=at,
        ),
        figures=now,
        before=earlier,
        gate=tuple(release.gate),
        looked_at=tuple(release.quality.findings),
        columns=column_facts(snapshot),
        coverage=supply,
        demand=given.demand,
        links=found,
        search=given.search,
        ran=run,
        trend=trend,
    )


def figures_of(
    snapshot: ReleaseSnapshot,
    upto: Sequence[Release],
    runs: Mapping[str, RunRecord],
    labels: Labels | None,
    config: ReportConfig,
    at: dt.datetime,
) -> dict[str, float]:
    """The key figures of any release that need no query. `upto` are the releases up to it."""
    release = snapshot.release
    found = release_figures(release, runs.get(release.run_id))
    found |= _supply(snapshot, upto, config, at).figures
    return found | link_section(snapshot, labels, sample=0).figures


def _supply(
    snapshot: ReleaseSnapshot, upto: Sequence[Release], config: ReportConfig, at: dt.datetime
) -> Coverage:
    return coverage(snapshot, upto, dt.timedelta(days=config.stale_days), at)


def measured(release: Release, given: Given, figures: Mapping[str, float]) -> Measured:
    """The figures of a report as its history keeps them."""
    return Measured(
        run_id=release.run_id,
        release_id=release.release_id,
        judged_sha256=given.search.sha256 if given.search else None,
        labels_sha256=given.labels.sha256 if given.labels else None,
        figures={name: value for name, value in figures.items() if name != "published"},
    )


def _trend(
    releases: Sequence[Release],
    runs: Mapping[str, RunRecord],
    history: Mapping[str, Measured],
    today: Measured,
) -> tuple[TrendPoint, ...]:
    """Figures of all releases: from their records, and from what reports measured at the time."""
    points = []
    for release in releases:
        figures = release_figures(release, runs.get(release.run_id))
        if release.run_id == today.run_id:
            figures = today.figures
        elif release.run_id in history:
            figures = comparable(history[release.run_id], today) | figures
        made = dt.datetime.fromisoformat(release.created_at)
        points.append(TrendPoint(release.release_id, made, figures))
    return tuple(points)
