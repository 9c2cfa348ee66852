"""The tables of a page: what stands in their cells, and how it is sorted and filtered."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from indexer.report.changes import Changes, RowChanges
from indexer.report.compare import Comparison
from indexer.report.facts import (
    Bin,
    ColumnFacts,
    Covered,
    Listing,
    QueryChange,
    ReportFacts,
    SearchQuality,
    TrendPoint,
)
from indexer.report.figures import FIGURES
from indexer.report.words import brief, clock, counted, instant, number, seconds, share
from indexer.report.words import senses as senses_in_words
from schemas.gate import GateCheck


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `numeric` ones stand to the right; `choice` ones get a list to filter by."""

    title: str
    numeric: bool = False
    choice: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """What is shown, and what it is sorted by where that is a number."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a page. `total` is how many rows there are in all, listed or not."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int

    def choices(self, place: int) -> list[str]:
        """The different values of a column."""
        return sorted({row[place].text for row in self.rows})


Given = str | int | float | None | Cell


def table(
    name: str,
    caption: str,
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[Given]],
    total: int | None = None,
) -> Table:
    """A table of plain values: texts as they are, numbers to be sorted by, None as a dash."""
    made = tuple(tuple(_cell(value) for value in row) for row in rows)
    heads = tuple(c if isinstance(c, Column) else Column(c) for c in columns)
    return Table(name, caption, heads, made, len(made) if total is None else total)


def _cell(value: Given) -> Cell:
    if isinstance(value, Cell):
        return value
    if value is None:
        return Cell("-")
    if isinstance(value, str):
        return Cell(brief(value))
    return Cell(number(value), float(value))


def _num(title: str) -> Column:
    return Column(title, numeric=True)


def _choice(title: str) -> Column:
    return Column(title, choice=True)


def _share(value: float) -> Cell:
    return Cell(share(value), value)


def _score(value: float | None) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.3f}", value)


def _at(value: dt.datetime | None) -> Cell:
    return Cell("-") if value is None else Cell(instant(value), value.timestamp())


def gate(name: str, caption: str, checks: Sequence[GateCheck]) -> Table:
    """Every condition of the gate, those that were not met first."""
    ordered = sorted(checks, key=lambda check: check.passed)
    return table(
        name,
        caption,
        ["condition", "wanted", "found", _num("missed by"), _choice("verdict")],
        [
            [c.name, c.wanted, c.found, c.missed_by or None, "met" if c.passed else "not met"]
            for c in ordered
        ],
    )


def figures(facts: ReportFacts) -> Table:
    """All key figures, and the release before."""
    before = facts.before or {}
    return table(
        "figures",
        "All key figures, with the release before",
        ["figure", _num("now"), _num("before"), _num("change"), "name for --fail-on"],
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


def columns(found: Sequence[ColumnFacts]) -> Table:
    """Each vector column: its index and its recall."""
    return table(
        "columns",
        "Vector columns",
        [
            "column",
            _num("rows"),
            "index",
            "searched with",
            _num("recall@10"),
            "95 % confidence",
            _num("queries"),
            _num("unindexed"),
            _num("in no partition"),
            _num("bad vectors"),
            _num("moved"),
            _num("cosine of means"),
        ],
        [
            [
                c.name,
                c.index.rows,
                _structure(c),
                f"{counted(c.index.nprobes, 'probe')}, refine {c.index.refine_factor}"
                if c.index.kind != "flat"
                else "exact search",
                _score(c.recall),
                f"{c.low:.3f} to {c.high:.3f}"
                if c.low is not None and c.high is not None
                else "exact"
                if c.recall is not None and c.index.kind == "flat"
                else "nothing to ask",
                c.queries,
                c.unindexed,
                c.missing,
                c.bad_vectors,
                c.moved,
                _score(c.cosine),
            ]
            for c in found
        ],
    )


def curve(column: ColumnFacts) -> Table:
    """Every setting that was tried, and which was taken."""
    index = column.index
    chosen = (index.nprobes, index.refine_factor)
    return table(
        "curve",
        f"Recall and time of {column.name}",
        [
            _num("probes"),
            _num("refine factor"),
            _num("recall@10"),
            _num("median ms"),
            _num("95th percentile ms"),
            _num("kB read"),
            "taken",
        ],
        [
            [
                p.nprobes,
                p.refine_factor,
                _score(p.recall),
                p.p50_ms,
                p.p95_ms,
                p.bytes_read // 1000,
                "taken" if (p.nprobes, p.refine_factor) == chosen else "",
            ]
            for p in index.curve
        ],
    )


def _structure(column: ColumnFacts) -> str:
    index = column.index
    if index.kind == "flat":
        return "flat"
    return f"IVF{index.partitions},PQ{index.sub_vectors}"


def drift(found: Sequence[ColumnFacts]) -> Table:
    """Each index now, beside what it was when its quantizer was trained."""
    rows: list[list[Given]] = []
    for column in found:
        drift = column.index.drift
        if drift is None:
            continue
        was = drift.rows_trained
        rows += [
            [column.name, "rows", was, column.index.rows, column.index.rows - was],
            _moved(
                column.name,
                "recall of the rows it was trained with",
                drift.recall_trained,
                drift.recall_fixed,
            ),
            _moved(
                column.name, "recall of rows added since", drift.recall_trained, drift.recall_fresh
            ),
            _moved(column.name, "quantisation error", drift.error_trained, drift.error),
            _moved(
                column.name,
                "largest partition over the mean",
                drift.imbalance_trained,
                drift.imbalance,
            ),
        ]
    return table(
        "drift",
        "Drift since training",
        [_choice("column"), "what", _num("at training"), _num("now"), _num("change")],
        rows,
    )


def _moved(name: str, what: str, before: float, now: float) -> list[Given]:
    change = now - before
    return [name, what, _exact(before), _exact(now), Cell(f"{change:+.4f}", change)]


def _exact(value: float) -> Cell:
    return Cell(f"{value:.4f}", value)


def covered(name: str, caption: str, group: str, found: Listing[Covered]) -> Table:
    """Products by category or merchant."""
    return table(
        name,
        caption,
        [group, _num("products"), _num("with a video"), _num("without"), _num("covered")],
        [
            [c.name, c.products, c.linked, c.products - c.linked, _share(c.linked / c.products)]
            for c in found.rows
        ],
        found.total,
    )


def without_video(facts: ReportFacts) -> Table:
    """Products that no video sells."""
    found = facts.coverage.without_video
    return table(
        "without-video",
        "Products without a video",
        ["SKU", "title", _choice("category"), _choice("merchant"), _num("known since")],
        [[p.sku, p.title, p.category, p.merchant, _at(p.first_seen_at)] for p in found.rows],
        found.total,
    )


def new_products(facts: ReportFacts) -> Table:
    """Products that came since the oldest release."""
    cold = facts.coverage.cold_start
    found = cold.products if cold else Listing((), 0)
    return table(
        "new-products",
        "New products and how long until they were searchable",
        ["SKU", "title", _num("known since"), "searchable from", _num("hours"), _choice("video")],
        [
            [
                p.sku,
                p.title,
                _at(p.known_at),
                p.release_id,
                Cell(f"{p.hours:.1f}", p.hours),
                "has a video" if p.linked else "none yet",
            ]
            for p in found.rows
        ],
        found.total,
    )


def stale(facts: ReportFacts) -> Table:
    """Videos that may have outlived their use."""
    found = facts.coverage.stale
    return table(
        "stale",
        "Stale videos",
        ["video", "title", _num("published"), _choice("why")],
        [[v.video_id, v.title, _at(v.published_at), v.why] for v in found.rows],
        found.total,
    )


def duplicates(facts: ReportFacts) -> Table:
    """Videos that show the same."""
    found = facts.coverage.duplicates
    return table(
        "duplicates",
        "Duplicates, the largest clusters first",
        [_num("videos"), "which"],
        [
            [d.size, ", ".join(d.videos) + (", …" if d.size > len(d.videos) else "")]
            for d in found.rows
        ],
        found.total,
    )


def demanded(facts: ReportFacts) -> Table:
    """Searches by category."""
    assert facts.demand is not None
    found = facts.demand.categories
    return table(
        "demand-categories",
        "Where shoppers search, and nothing is found",
        ["category", _num("searches"), _num("nothing found"), _num("share"), _num("clicks")],
        [
            [c.name, c.searches, c.unanswered, _share(c.unanswered / max(c.searches, 1)), c.clicks]
            for c in found.rows
        ],
        found.total,
    )


def unanswered(facts: ReportFacts) -> Table:
    """Texts that no video answers."""
    assert facts.demand is not None
    found = facts.demand.queries
    return table(
        "unanswered",
        "Searches that no video answers",
        ["searched for", _num("searches"), _num("clicks"), _choice("category"), "why"],
        [[q.text, q.searches, q.clicks, q.category, q.why] for q in found.rows],
        found.total,
    )


def conflicts(facts: ReportFacts) -> Table:
    """Declarations that videos do not bear out."""
    found = facts.links.conflicts
    return table(
        "conflicts",
        "Declarations of merchants that the videos do not bear out, the most suspicious first",
        [
            "video",
            _choice("merchant"),
            "declared",
            _num("seen or heard of it"),
            "shown instead",
            _num("its score"),
            _num("suspicion"),
            _choice("why"),
        ],
        [
            [
                c.video_id,
                c.merchant or "(not named)",
                f"{c.declared} {c.declared_title}",
                Cell(f"{c.own:.2f}", c.own),
                f"{c.other_sku} {c.other_title}" if c.other_sku else "nothing",
                Cell(f"{c.other:.2f}", c.other),
                Cell(f"{c.suspicion:.2f}", c.suspicion),
                c.why,
            ]
            for c in found.rows
        ],
        found.total,
    )


def reliable(facts: ReportFacts) -> Table:
    """The bins of the reliability diagram."""
    found = facts.links.reliability
    return table(
        "reliability",
        "Scores against labels",
        [_num("mean score"), _num("share that are links"), "95 % confidence", _num("pairs")],
        [
            [_score(b.score), _score(b.observed), f"{b.low:.2f} to {b.high:.2f}", b.pairs]
            for b in (found.bins if found else ())
        ],
    )


def bins(name: str, caption: str, what: str, found: Sequence[Bin]) -> Table:
    """A histogram in numbers."""
    return table(
        name,
        caption,
        [_num("from"), _num("to"), _num(what)],
        [[Cell(number(b.low), b.low), Cell(number(b.high), b.high), b.count] for b in found],
    )


def senses(facts: ReportFacts) -> Table:
    """Links by the senses that speak for them."""
    return table(
        "senses",
        "Links by the senses that speak for each",
        ["senses", _num("links")],
        [[senses_in_words(s.senses), s.links] for s in facts.links.senses],
    )


def kinds(search: SearchQuality) -> Table:
    """Judged queries by kind."""
    rows: list[list[Given]] = []
    for kind in search.kinds:
        old, new = kind.before, kind.now
        row: list[Given] = [kind.kind, kind.queries]
        for name in ("ndcg_at_10", "recall_at_5", "recall_at_10", "mrr"):
            row += [_score(getattr(new, name)), _score(getattr(old, name) if old else None)]
        rows.append(row)
    heads = [
        _num(f"{name}{when}")
        for name in ("nDCG@10", "R@5", "R@10", "MRR")
        for when in ("", " before")
    ]
    return table("kinds", "Judged queries by kind", ["kind", _num("queries"), *heads], rows)


def query_changes(name: str, caption: str, found: Listing[QueryChange]) -> Table:
    """Queries that are answered better, or worse."""
    return table(
        name,
        caption,
        ["query", _choice("kind"), "asked", _num("nDCG@10"), _num("before"), _num("change")],
        [
            [
                q.query_id,
                q.kind,
                q.asked,
                _score(q.now),
                _score(q.before),
                Cell(f"{q.now - q.before:+.3f}", q.now - q.before),
            ]
            for q in found.rows
        ],
        found.total,
    )


def stages(facts: ReportFacts) -> Table:
    """What each stage took."""
    assert facts.ran is not None
    money = f"cost, {facts.ran.currency}" if facts.ran.currency else "cost"
    return table(
        "stages",
        "Time and cost by stage",
        ["stage", _num("CPU"), _num("GPU"), _num(money)],
        [
            [
                s.stage,
                Cell(seconds(s.cpu_s), s.cpu_s),
                Cell(seconds(s.gpu_s), s.gpu_s),
                Cell(f"{s.cost:.4f}", s.cost) if s.cost is not None else None,
            ]
            for s in facts.ran.stages
        ],
    )


def failures(facts: ReportFacts) -> Table:
    """Inputs without rows, with what to do."""
    assert facts.ran is not None
    return table(
        "failures",
        "Inputs without rows",
        [_choice("kind"), "input", "why", _num("attempt"), "what to do"],
        [
            [group.kind, item.item, item.message, item.attempt, group.todo]
            for group in facts.ran.failures
            for item in group.inputs.rows
        ],
        sum(group.inputs.total for group in facts.ran.failures),
    )


def models(facts: ReportFacts) -> Table:
    """The models of the run."""
    assert facts.ran is not None
    return table(
        "models",
        "Models",
        ["for", "model", "revision", "SHA-256", "ran on"],
        [[m.role, m.name, m.revision, m.sha256[:16], m.device] for m in facts.ran.models],
    )


def calls(facts: ReportFacts) -> Table:
    """What was decoded, and what models were asked."""
    assert facts.ran is not None
    return table(
        "calls",
        "What was decoded, and what models were asked",
        ["what", _num("count")],
        [[name.replace("_", " "), count] for name, count in facts.ran.calls],
    )


def trend(points: Sequence[TrendPoint]) -> Table:
    """All figures of all releases."""
    names = [name for name in FIGURES if any(name in point.figures for point in points)]
    return table(
        "trend-table",
        "Key figures over the releases",
        ["release", _num("made"), *(_num(FIGURES[name].title) for name in names)],
        [
            [
                point.release_id,
                _at(point.created_at),
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
            _num(found.a.release_id),
            _num(found.b.release_id),
            _num("change"),
            _choice("verdict"),
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
    return table(name, f"{what} that came or went", [what.lower(), _choice("which")], rows, total)


def link_changes(found: Changes) -> Table:
    """Links that were gained, and links that were lost."""
    rows = [[p.video_id, p.sku, "gained"] for p in found.links_gained.rows]
    rows += [[p.video_id, p.sku, "lost"] for p in found.links_lost.rows]
    total = found.links_gained.total + found.links_lost.total
    return table(
        "link-changes", "Links gained and lost", ["video", "SKU", _choice("which")], rows, total
    )


def settings(found: Changes) -> Table:
    """Settings that differ."""
    return table(
        "settings",
        "Settings that differ",
        ["setting", "before", "now"],
        [[s.key, s.before, s.now] for s in found.settings],
    )


def moment(start_ms: int, end_ms: int) -> str:
    """A span in words."""
    return f"{clock(start_ms)} to {clock(end_ms)}"
