"""Charts as SVG, drawn by Vega-Lite before the page is opened.

What is drawn once needs no script in the reader's browser, does not move when it appears, prints as
it looks, and carries a description of every mark for screen readers. Colors are the page's CSS
variables, so that charts follow it from light to dark. Words of strangers are data of a chart,
never part of its expressions; the renderer escapes them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import altair as alt
import vl_convert
from markupsafe import Markup

from reelshelf.indexer.report.facts import (
    Bin,
    ColumnFacts,
    Covered,
    DemandedCategory,
    KindOfQuery,
    ModalityCombination,
    Partitions,
    ReliabilityBin,
    StageSpent,
    TrendPoint,
)
from reelshelf.indexer.report.figures import Figure
from reelshelf.indexer.text.wording import brief, counted, flat, instant, number, seconds, share
from reelshelf.indexer.text.wording import modalities as modalities_in_words

_WIDTH, _HEIGHT = 380, 210
_ONE, _TWO, _QUIET, _INK, _GRID = (
    "var(--one)",
    "var(--two)",
    "var(--quiet)",
    "var(--ink)",
    "var(--grid)",
)
_MOST_BARS = 12
_LONGEST_NAME = 20
# What a chart of bars needs beside its bars.
_AROUND, _BAR = 64, 26

Value: TypeAlias = str | float | int | bool
# What a chart is drawn from: rows of plain values.
Rows: TypeAlias = Sequence[Mapping[str, Value]]


def _chart(rows: Rows) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=[dict(row) for row in rows]))


def _drawn(chart: alt.Chart | alt.LayerChart, title: str, height: int = _HEIGHT) -> Markup:
    """The chart as SVG. It scales with the page from its view box."""
    styled = (
        chart.properties(
            width=_WIDTH,
            height=height,
            background="transparent",
            description=title,
            # All charts are equally wide, labels and all, so that all scale alike on a page. A
            # reader's fonts may be wider than those that were measured with.
            autosize=alt.AutoSizeParams(type="fit", contains="padding"),
            padding={"left": 14, "right": 10, "top": 4, "bottom": 4},
        )
        .configure(font="system-ui, sans-serif")
        .configure_axis(
            labelColor=_INK,
            titleColor=_INK,
            gridColor=_GRID,
            domainColor=_QUIET,
            tickColor=_QUIET,
            titleFontWeight="normal",
            labelFontSize=11,
            titleFontSize=11,
        )
        .configure_legend(labelColor=_INK, titleColor=_INK, orient="top", title=None)
        .configure_view(stroke=None)
    )
    # Our own charts; their data holds no links, so nothing is ever fetched.
    svg = vl_convert.vegalite_to_svg(styled.to_dict(), allowed_base_urls=[])
    return Markup(svg)  # noqa: S704 - made by the renderer, which escapes its data


def _whole(most: float) -> alt.Axis:
    """An axis of counts: no ticks between whole numbers."""
    return alt.Axis(tickCount=max(1, min(5, int(most))))


def _labels(names: Sequence[str]) -> list[str]:
    """Names short enough for an axis, and still all different: equal ones would be one bar."""
    labels: list[str] = []
    for name in names:
        line = flat(name)
        short = line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"
        label, number_ = short, 2
        while label in labels:
            label, number_ = f"{short} {number_}", number_ + 1
        labels.append(label)
    return labels


def recall_latency(column: ColumnFacts) -> Markup:
    """Recall over milliseconds for each setting that was tried; the chosen one stands out.

    An index that was widened since has a setting that is not on the curve: a line shows its recall.
    """
    index = column.index
    rows: list[dict[str, Value]] = [
        {
            "ms": point.p50_ms,
            "recall": point.recall,
            "refine": f"refine {point.refine_factor}",
            "chosen": (point.nprobes, point.refine_factor) == (index.nprobes, index.refine_factor),
            "words": f"{counted(point.nprobes, 'probe')}, refine factor {point.refine_factor}: "
            f"recall {point.recall:.3f}, median {point.p50_ms:.1f} ms",
        }
        for point in index.curve
    ]
    x = alt.X("ms:Q", title="median ms of a search", scale=alt.Scale(zero=False))
    y = alt.Y("recall:Q", title="recall@10", scale=alt.Scale(zero=False))
    lines = (
        _chart(rows)
        .mark_line(color=_QUIET, strokeWidth=1.5, aria=False)
        .encode(x=x, y=y, detail="refine:N", order="recall:Q")
    )
    points = (
        _chart(rows)
        .mark_point(filled=True, opacity=1)
        .encode(
            x=x,
            y=y,
            color=alt.condition("datum.chosen", alt.value(_TWO), alt.value(_ONE)),
            size=alt.condition("datum.chosen", alt.value(140), alt.value(45)),
            description="words:N",
        )
    )
    target = (
        _chart([{"target": index.recall_target}])
        .mark_rule(color=_QUIET, strokeDash=[4, 3], aria=False)
        .encode(y="target:Q")
    )
    layers = [lines, target, points]
    if not column.tuned and column.recall is not None:
        now = f"searched more widely now: recall {column.recall:.3f}"
        layers.append(
            _chart([{"now": column.recall, "words": now}])
            .mark_rule(color=_TWO, strokeWidth=2)
            .encode(y="now:Q", description="words:N")
        )
    title = f"Recall and time of {column.name}, by probes and refine factor"
    return _drawn(alt.LayerChart(layer=layers), title)


def partition_sizes(name: str, partitions: Partitions) -> Markup:
    """How many partitions have how many rows."""
    return _histogram(
        partitions.sizes, f"Partition sizes of {name}", "rows in a partition", "partitions"
    )


def score_distribution(bins: Sequence[Bin], above: float) -> Markup:
    """How many links have which score, weak ones in another color."""
    return _histogram(bins, "Links by score", "score", "links", above)


def _histogram(
    bins: Sequence[Bin], title: str, across: str, up: str, above: float | None = None
) -> Markup:
    rows: list[dict[str, Value]] = [
        {
            "low": item.low,
            "high": item.high,
            "count": item.count,
            "kind": "below" if above is not None and item.low < above - 1e-9 else "above",
            "words": f"{number(item.low)} to {number(item.high)}: {number(item.count)} {up}",
        }
        for item in bins
    ]
    chart = (
        _chart(rows)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("low:Q", title=across, bin="binned", axis=alt.Axis(labelOverlap=True)),
            x2="high:Q",
            y=alt.Y("count:Q", title=up, axis=_whole(max((b.count for b in bins), default=0))),
            color=alt.condition("datum.kind == 'above'", alt.value(_ONE), alt.value(_QUIET)),
            description="words:N",
        )
    )
    return _drawn(chart, title)


def reliability(bins: Sequence[ReliabilityBin]) -> Markup:
    """What scores say against what labels say; on the diagonal both say the same."""
    rows: list[dict[str, Value]] = [
        {
            "score": item.score,
            "observed": item.observed,
            "low": item.low,
            "high": item.high,
            "words": f"{counted(item.pairs, 'pair')} scored {item.score:.2f}: "
            f"{share(item.observed)} are links",
        }
        for item in bins
    ]
    ends = alt.Scale(domain=[0, 1])
    diagonal = (
        _chart([{"a": 0, "b": 0}, {"a": 1, "b": 1}])
        .mark_line(color=_QUIET, strokeDash=[4, 3], aria=False)
        .encode(x=alt.X("a:Q", title="score", scale=ends), y=alt.Y("b:Q", title="", scale=ends))
    )
    bounds = (
        _chart(rows)
        .mark_rule(color=_ONE, aria=False)
        .encode(
            x=alt.X("score:Q", scale=ends),
            y=alt.Y("low:Q", title="share that are links"),
            y2="high:Q",
        )
    )
    points = (
        _chart(rows)
        .mark_point(filled=True, size=60, color=_ONE, opacity=1)
        .encode(x="score:Q", y="observed:Q", description="words:N")
    )
    return _drawn(alt.LayerChart(layer=[diagonal, bounds, points]), "Reliability of link scores")


def modalities(combinations: Sequence[ModalityCombination]) -> Markup:
    """Links by the modalities that speak for them."""
    rows = [
        (modalities_in_words(item.modalities), float(item.links), counted(item.links, "link"))
        for item in combinations[:_MOST_BARS]
    ]
    return _bars(rows, "Links by the modalities that speak for each", "links")


def stages(spent: Sequence[StageSpent]) -> Markup:
    """Seconds of CPU and GPU by stage."""
    rows: list[dict[str, Value]] = []
    for item in spent:
        for unit, value in (("CPU", item.cpu_s), ("GPU", item.gpu_s)):
            if value:
                words = f"{item.stage}: {seconds(value)} of {unit}"
                rows.append({"name": item.stage, "part": unit, "value": value, "words": words})
    used = [unit for unit in ("CPU", "GPU") if any(row["part"] == unit for row in rows)]
    return _stacked(rows, "Time by stage", "seconds", used)


def covered(groups: Sequence[Covered], title: str) -> Markup:
    """Products with and without a video, by group."""
    parts = ("with a video", "without")
    values = [(group.name, (group.linked, group.products - group.linked)) for group in groups]
    return _stacked(_two_parts(values, parts, "product", "products"), title, "products", parts)


def demanded(groups: Sequence[DemandedCategory]) -> Markup:
    """Searches that a video answers and those that none does, by category."""
    parts = ("a video answers", "nothing found")
    values = [(g.name, (g.searches - g.unanswered, g.unanswered)) for g in groups]
    rows = _two_parts(values, parts, "search", "searches")
    return _stacked(rows, "Searches by category", "searches", parts)


def _two_parts(
    groups: Sequence[tuple[str, tuple[int, int]]], parts: tuple[str, str], one: str, many: str
) -> list[dict[str, Value]]:
    """The rows of stacked bars for the first groups."""
    shown = groups[:_MOST_BARS]
    return [
        {
            "name": label,
            "part": part,
            "value": value,
            "words": f"{brief(name)}: {counted(value, one, many)}, {part}",
        }
        for (name, values), label in zip(shown, _labels([n for n, _ in shown]), strict=True)
        for part, value in zip(parts, values, strict=True)
    ]


def _bars(rows: Sequence[tuple[str, float, str]], title: str, across: str) -> Markup:
    data: list[dict[str, Value]] = [
        {"name": n, "value": v, "words": f"{n}: {w}"} for n, v, w in rows
    ]
    chart = (
        _chart(data)
        .mark_bar(color=_ONE)
        .encode(
            x=alt.X("value:Q", title=across, axis=_whole(max(value for _, value, _ in rows))),
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=170)),
            description="words:N",
        )
    )
    return _drawn(chart, title, _AROUND + _BAR * len(data))


def _stacked(rows: Rows, title: str, across: str, parts: Sequence[str]) -> Markup:
    totals: dict[Value, float] = defaultdict(float)
    for row in rows:
        totals[row["name"]] += float(row["value"])
    chart = (
        _chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title=across, axis=_whole(max(totals.values()))),
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=170)),
            color=alt.Color("part:N", scale=alt.Scale(domain=list(parts), range=[_ONE, _TWO])),
            order=alt.Order("part:N"),
            description="words:N",
        )
    )
    return _drawn(chart, title, _AROUND + _BAR * len(totals))


def kinds(found: Sequence[KindOfQuery]) -> Markup:
    """nDCG@10 by kind of query, beside the release before."""
    rows: list[dict[str, Value]] = []
    shown = found[:_MOST_BARS]
    for item, label in zip(shown, _labels([kind.kind for kind in shown]), strict=True):
        for part, scores in (("now", item.now), ("before", item.before)):
            if scores is not None:
                words = f"{brief(item.kind)}, {part}: {scores.ndcg_at_10:.3f}"
                row: dict[str, Value] = {"name": label, "part": part}
                rows.append({**row, "value": scores.ndcg_at_10, "words": words})
    asked = [part for part in ("now", "before") if any(row["part"] == part for row in rows)]
    chart = (
        _chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("value:Q", title="nDCG@10", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=170)),
            yOffset=alt.YOffset("part:N", sort=asked),
            color=alt.Color("part:N", scale=alt.Scale(domain=asked, range=[_ONE, _QUIET])),
            description="words:N",
        )
    )
    names = len({row["name"] for row in rows})
    return _drawn(chart, "nDCG@10 by kind of query", _AROUND + 2 * _BAR * names)


def trend(figure: Figure, points: Sequence[TrendPoint]) -> Markup:
    """One figure over the releases that have it."""
    rows: list[dict[str, Value]] = [
        {
            "place": place,
            "value": point.figures[figure.name],
            "words": f"{point.release_id}, {instant(point.created_at)}: "
            f"{figure.shown(point.figures[figure.name])}",
        }
        for place, point in enumerate(points)
        if figure.name in point.figures
    ]
    x = alt.X(
        "place:Q",
        title=None,
        axis=alt.Axis(labels=False, ticks=False, grid=False),
        scale=alt.Scale(domain=[-0.3, len(points) - 0.7], nice=False),
    )
    shown_as = alt.Axis(tickCount=3, format="~%" if figure.unit == "share" else ",~r")
    y = alt.Y("value:Q", title=None, axis=shown_as, scale=alt.Scale(zero=False))
    base = _chart(rows).encode(x=x, y=y)
    line = base.mark_line(color=_ONE, strokeWidth=1.5, aria=False)
    dots = base.mark_point(filled=True, size=26, color=_ONE, opacity=1).encode(
        description="words:N"
    )
    return _drawn(alt.LayerChart(layer=[line, dots]), f"{figure.title}, by release", 110)
