"""Tables of judged queries."""

from reelshelf.indexer.report.facts import Listing, QueryChange, SearchQuality
from reelshelf.indexer.report.tables.table import Cell, Given, Table, choice, num, score_cell, table


def kinds(search: SearchQuality) -> Table:
    """Judged queries by kind."""
    rows: list[list[Given]] = []
    for kind in search.kinds:
        old, new = kind.before, kind.now
        row: list[Given] = [kind.kind, kind.queries]
        for name in ("ndcg_at_10", "recall_at_5", "recall_at_10", "mrr"):
            row += [score_cell(getattr(new, name)), score_cell(getattr(old, name) if old else None)]
        rows.append(row)
    heads = [
        num(f"{name}{when}")
        for name in ("nDCG@10", "R@5", "R@10", "MRR")
        for when in ("", " before")
    ]
    return table("kinds", "Judged queries by kind", ["kind", num("queries"), *heads], rows)


def query_changes(name: str, caption: str, found: Listing[QueryChange]) -> Table:
    """Queries that are answered better, or worse."""
    return table(
        name,
        caption,
        ["query", choice("kind"), "asked", num("nDCG@10"), num("before"), num("change")],
        [
            [
                q.query_id,
                q.kind,
                q.asked,
                score_cell(q.now),
                score_cell(q.before),
                Cell(f"{q.now - q.before:+.3f}", q.now - q.before),
            ]
            for q in found.rows
        ],
        found.total,
    )
