"""Tables of vector columns and their indexes."""

from collections.abc import Sequence

from reelshelf.indexer.report.facts import ColumnFacts
from reelshelf.indexer.report.tables.table import Cell, Given, Table, choice, num, score_cell, table
from reelshelf.indexer.text.wording import counted


def columns(found: Sequence[ColumnFacts]) -> Table:
    """Each vector column: its index and its recall."""
    return table(
        "columns",
        "Vector columns",
        [
            "column",
            num("rows"),
            "index",
            "searched with",
            num("recall@10"),
            "95 % confidence",
            num("queries"),
            num("unindexed"),
            num("in no partition"),
            num("bad vectors"),
            num("moved"),
            num("cosine of means"),
        ],
        [
            [
                c.name,
                c.index.rows,
                _structure(c),
                f"{counted(c.index.nprobes, 'probe')}, refine {c.index.refine_factor}"
                if c.index.kind != "flat"
                else "exact search",
                score_cell(c.recall),
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
                score_cell(c.cosine),
            ]
            for c in found
        ],
    )


def kinds(found: Sequence[ColumnFacts]) -> Table:
    """Recall of every kind of query: the least counts."""
    return table(
        "kinds",
        "Recall@10 by kind of query",
        [
            choice("column"),
            "queries",
            num("asked"),
            num("recall@10"),
            num("standard error"),
            num("worst tenth"),
        ],
        [
            [
                column.name,
                kind.kind,
                kind.queries,
                score_cell(kind.recall),
                _exact(kind.error),
                score_cell(kind.worst),
            ]
            for column in found
            for kind in column.kinds
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
            num("probes"),
            num("refine factor"),
            num("recall@10"),
            num("median ms"),
            num("95th percentile ms"),
            num("kB read"),
            "taken",
        ],
        [
            [
                p.nprobes,
                p.refine_factor,
                score_cell(p.recall),
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
            _moved(column.name, "quantization error", drift.error_trained, drift.error),
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
        [choice("column"), "what", num("at training"), num("now"), num("change")],
        rows,
    )


def _moved(name: str, what: str, before: float, now: float) -> list[Given]:
    change = now - before
    return [name, what, _exact(before), _exact(now), Cell(f"{change:+.4f}", change)]


def _exact(value: float) -> Cell:
    return Cell(f"{value:.4f}", value)
