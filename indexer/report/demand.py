"""Demand: what shoppers search for, and whether a video sells it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reelshelf.indexer.report.coverage import top_category
from reelshelf.indexer.report.facts import (
    Demand,
    DemandedCategory,
    Listing,
    UnansweredQuery,
)
from reelshelf.indexer.search.searcher import Wanted
from reelshelf.indexer.sources.queries import LoggedQuery, QueryLog
from reelshelf.indexer.store.snapshot import ReleaseSnapshot

NOT_SOLD = "(not in the catalog)"

Wants = Callable[[str], Sequence[Wanted]]


@dataclass(frozen=True, slots=True)
class Log:
    """A query log, and the file it was read from."""

    name: str
    read: QueryLog


@dataclass(slots=True)
class _Sum:
    searches: int = 0
    unanswered: int = 0
    clicks: int | None = None


def demand(snapshot: ReleaseSnapshot, log: Log, wants: Wants, most: int) -> Demand:
    """The `most` searched texts against the release; `wants` tells what a text asks for.

    A search is answered where a video sells one of the products that it asks for. One that asks for
    no product of the catalog is counted by itself: no video could answer it.
    """
    linked = set(snapshot.strong_links(["sku"])["sku"].to_pylist())
    queries = log.read.queries
    looked_at = queries[:most]
    sums: dict[str, _Sum] = defaultdict(_Sum)
    unanswered: list[UnansweredQuery] = []
    for query in looked_at:
        wanted = wants(query.text)
        category = top_category(wanted[0].category) if wanted else NOT_SOLD
        answered = any(item.sku in linked for item in wanted)
        _add(sums[category], query, answered=answered)
        if not answered:
            why = f"no video of {wanted[0].title}" if wanted else "no such product"
            found = UnansweredQuery(query.text, query.count, query.clicks, category, why)
            unanswered.append(found)
    rows = [DemandedCategory(n, s.searches, s.unanswered, s.clicks) for n, s in sums.items()]
    return Demand(
        source=log.name,
        searches=sum(query.count for query in queries),
        texts=len(queries),
        looked_at=len(looked_at),
        searches_looked_at=sum(query.count for query in looked_at),
        unanswered=sum(query.searches for query in unanswered),
        categories=Listing.of(sorted(rows, key=lambda r: (-r.unanswered, -r.searches, r.name))),
        queries=Listing.of(unanswered),
        rejected=len(log.read.rejected),
    )


def _add(total: _Sum, query: LoggedQuery, *, answered: bool) -> None:
    total.searches += query.count
    total.unanswered += 0 if answered else query.count
    if query.clicks is not None:
        total.clicks = (total.clicks or 0) + query.clicks
