"""Tables of releases: what the gate found, figures over time, and two side by side."""

from collections.abc import Sequence

from reelshelf.indexer.report.changes import Changes, RowChanges
from reelshelf.indexer.report.compare import Comparison
from reelshelf.indexer.report.facts import ReportFacts, TrendPoint
from reelshelf.indexer.report.figures import FIGURES
from reelshelf.indexer.report.tables.table import (
    Cell,
    Table,
    choice,
    instant_cell,
    num,
    share_cell,
    table,
)
from reelshelf.schemas.gate import Finding, GateCheck


def gate(name: str, caption: str, checks: Sequence[GateCheck]) -> Table:
    """Every condition of the gate, those that were not met first."""
    ordered = sorted(checks, key=lambda check: check.passed)
    return table(
        name,
        caption,
        [
            "condition",
            "wanted",
            "found",
            num("missed by"),
            choice("verdict"),
            "what it does to searchers",
        ],
        [
            [
                c.name,
                c.wanted,
                c.found,
                c.missed_by or None,
                "met" if c.passed else "not met",
                None if c.passed else c.harm or None,
            ]
            for c in ordered
        ],
    )


def looked_at(found: Sequence[Finding]) -> Table:
    """Everything that the gate looked at, what is wrong first."""
    ordered = sorted(found, key=lambda item: (item.passed, -item.wrong, not item.skipped))
    return table(
        "looked-at",
        "What the gate looked at, column by column",
        [
            "column",
            "what must hold",
            choice("rows"),
            num("there are"),
            num("looked at"),
            num("wrong"),
            num("likely at most"),
            "e.g.",
        ],
        [
            [
                item.column,
                item.claim,
                item.scope.value,
                None if item.skipped else item.rows,
                None if item.skipped else item.looked_at,
                None if item.skipped else item.wrong,
                None if item.skipped else share_cell(item.share),
                f"not looked at: {item.skipped}" if item.skipped else ", ".join(item.examples),
            ]
            for item in ordered
        ],
    )


def figures(facts: ReportFacts) -> Table:
    """All key figures, and the release before."""
    before = facts.before or {}
    return table(
        "figures",
        "All key figures, with the release before",
        ["figure", num("now"), num("before"), num("change"), "name for --fail-on"],
        [
            [
                figure.title,
                Cell(figure.shown(facts.figures[name]), facts.figures[name]),
                Cell(figure.shown(before[name]), before[name]) if name in before else None,
                Cell(
                    figure.change_shown(facts.figures[name] - before[name]),
                    facts.figures[name] - before[name],
                )
                if name in before
                else None,
                name,
            ]
            for name, figure in FIGURES.items()
            if name in facts.figures
        ],
    )


def trend(points: Sequence[TrendPoint]) -> Table:
    """All figures of all releases."""
    names = [name for name in FIGURES if any(name in point.figures for point in points)]
    return table(
        "trend-table",
        "Key figures over the releases",
        ["release", num("made"), *(num(FIGURES[name].title) for name in names)],
        [
            [
                point.release_id,
                instant_cell(point.created_at),
                *(
                    Cell(FIGURES[name].shown(point.figures[name]), point.figures[name])
                    if name in point.figures
                    else None
                    for name in names
                ),
            ]
            for point in reversed(points)
        ],
    )


def compared(found: Comparison) -> Table:
    """Figures of two releases."""
    return table(
        "compared",
        "Key figures side by side",
        [
            "figure",
            num(found.a.release_id),
            num(found.b.release_id),
            num("change"),
            choice("verdict"),
            "name for --fail-on",
        ],
        [
            [
                FIGURES[row.name].title,
                Cell("-") if row.a is None else Cell(FIGURES[row.name].shown(row.a), row.a),
                Cell("-") if row.b is None else Cell(FIGURES[row.name].shown(row.b), row.b),
                Cell("-")
                if row.change is None
                else Cell(FIGURES[row.name].change_shown(row.change), row.change),
                row.verdict,
                row.name,
            ]
            for row in found.rows
        ],
    )


def row_changes(name: str, what: str, found: RowChanges) -> Table:
    """Ids that came, and ids that went."""
    rows = [[item, "came"] for item in found.came.rows] + [
        [item, "went"] for item in found.went.rows
    ]
    total = found.came.total + found.went.total
    return table(name, f"{what} that came or went", [what.lower(), choice("which")], rows, total)


def link_changes(found: Changes) -> Table:
    """Links that were gained, and links that were lost."""
    rows = [[p.video_id, p.sku, "gained"] for p in found.links_gained.rows]
    rows += [[p.video_id, p.sku, "lost"] for p in found.links_lost.rows]
    total = found.links_gained.total + found.links_lost.total
    return table(
        "link-changes", "Links gained and lost", ["video", "SKU", choice("which")], rows, total
    )


def settings(found: Changes) -> Table:
    """Settings that differ."""
    return table(
        "settings",
        "Settings that differ",
        ["setting", "before", "now"],
        [[s.key, s.before, s.now] for s in found.settings],
    )
