"""Tables of what the shop has, and of what is asked for."""

from reelshelf.indexer.report.facts import Covered, Listing, ReportFacts
from reelshelf.indexer.report.tables.table import (
    Cell,
    Table,
    choice,
    instant_cell,
    num,
    share_cell,
    table,
)


def covered(name: str, caption: str, group: str, found: Listing[Covered]) -> Table:
    """Products by category or merchant."""
    return table(
        name,
        caption,
        [group, num("products"), num("with a video"), num("without"), num("covered")],
        [
            [c.name, c.products, c.linked, c.products - c.linked, share_cell(c.linked / c.products)]
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
        ["SKU", "title", choice("category"), choice("merchant"), num("known since")],
        [
            [p.sku, p.title, p.category, p.merchant, instant_cell(p.first_seen_at)]
            for p in found.rows
        ],
        found.total,
    )


def new_products(facts: ReportFacts) -> Table:
    """Products that came since the oldest release."""
    cold = facts.coverage.cold_start
    found = cold.products if cold else Listing((), 0)
    return table(
        "new-products",
        "New products and how long until they were searchable",
        ["SKU", "title", num("known since"), "searchable from", num("hours"), choice("video")],
        [
            [
                p.sku,
                p.title,
                instant_cell(p.known_at),
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
        ["video", "title", num("published"), choice("why")],
        [[v.video_id, v.title, instant_cell(v.published_at), v.why] for v in found.rows],
        found.total,
    )


def duplicates(facts: ReportFacts) -> Table:
    """Videos that show the same."""
    found = facts.coverage.duplicates
    return table(
        "duplicates",
        "Duplicates, the largest clusters first",
        [num("videos"), "which"],
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
        ["category", num("searches"), num("nothing found"), num("share"), num("clicks")],
        [
            [
                c.name,
                c.searches,
                c.unanswered,
                share_cell(c.unanswered / max(c.searches, 1)),
                c.clicks,
            ]
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
        ["searched for", num("searches"), num("clicks"), choice("category"), "why"],
        [[q.text, q.searches, q.clicks, q.category, q.why] for q in found.rows],
        found.total,
    )
