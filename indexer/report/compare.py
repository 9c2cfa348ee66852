"""Two releases side by side."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelshelf.indexer.report.build import Given, figures_of
from reelshelf.indexer.report.changes import Changes, changes
from reelshelf.indexer.report.facts import SearchQuality
from reelshelf.indexer.report.figures import FIGURES
from reelshelf.indexer.store.runs import run_records
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import ReportConfig
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.release import Release

# Smaller differences are the noise of a measurement or of rounding.
_SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two releases. The gate's word is of the day it was made."""

    release_id: str
    created_at: dt.datetime
    profile: str
    gate: tuple[GateCheck, ...]
    forced: str | None
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """One figure of both; None where a side does not have it."""

    name: str
    a: float | None
    b: float | None

    @property
    def change(self) -> float | None:
        """From `a` to `b`."""
        return None if self.a is None or self.b is None else self.b - self.a

    @property
    def verdict(self) -> str:
        """Whether `b` is better or worse, where the figure has a better side."""
        if self.change is None:
            return "not comparable"
        if abs(self.change) <= _SAME:
            return "same"
        towards = self.change * FIGURES[self.name].better
        return "differs" if not towards else "better" if towards > 0 else "worse"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`a` is what `b` is held against. `search` has the judged queries of `b`, with `a` before."""

    shop_id: str
    made_at: dt.datetime
    a: Side
    b: Side
    rows: tuple[ComparedFigure, ...]
    changes: Changes
    search: SearchQuality | None


def compare(
    store: Store,
    releases: Sequence[Release],
    a: Release,
    b: Release,
    given: Given,
    config: ReportConfig,
    at: dt.datetime,
) -> Comparison:
    """Measure both as a report does. `given.search` is of `b`, compared with `a`."""
    runs = {run.run_id: run for run in run_records(store)}
    figures = []
    for release in (a, b):
        upto = [item for item in releases if item.sequence <= release.sequence]
        own = figures_of(ReleaseSnapshot.of(store, release), upto, runs, given.labels, config, at)
        figures.append(own)
    if given.search is not None:
        figures[1] |= given.search.figures
        figures[0] |= given.search.figures_before
    return Comparison(
        shop_id=b.shop_id,
        made_at=at,
        a=_side(a, figures[0]),
        b=_side(b, figures[1]),
        rows=tuple(_rows(*figures)),
        changes=changes(ReleaseSnapshot.of(store, a), ReleaseSnapshot.of(store, b)),
        search=given.search,
    )


def _side(release: Release, figures: dict[str, float]) -> Side:
    return Side(
        release.release_id,
        dt.datetime.fromisoformat(release.created_at),
        release.profile,
        tuple(release.gate),
        release.forced,
        figures,
    )


def _rows(a: Mapping[str, float], b: Mapping[str, float]) -> list[ComparedFigure]:
    return [
        ComparedFigure(name, a.get(name), b.get(name)) for name in FIGURES if name in a or name in b
    ]
