"""Tables of links, their scores and their contradictions."""

from collections.abc import Sequence

from reelshelf.indexer.report.facts import Bin, ReportFacts
from reelshelf.indexer.report.tables.table import Cell, Table, choice, num, score_cell, table
from reelshelf.indexer.text.wording import clock, number
from reelshelf.indexer.text.wording import modalities as modalities_in_words


def conflicts(facts: ReportFacts) -> Table:
    """Declarations that videos do not bear out."""
    found = facts.links.conflicts
    return table(
        "conflicts",
        "Declarations of merchants that the videos do not bear out, the most suspicious first",
        [
            "video",
            choice("merchant"),
            "declared",
            num("seen or heard of it"),
            "shown instead",
            num("its score"),
            num("suspicion"),
            choice("why"),
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
        [num("mean score"), num("share that are links"), "95 % confidence", num("pairs")],
        [
            [score_cell(b.score), score_cell(b.observed), f"{b.low:.2f} to {b.high:.2f}", b.pairs]
            for b in (found.bins if found else ())
        ],
    )


def bins(name: str, caption: str, what: str, found: Sequence[Bin]) -> Table:
    """A histogram in numbers."""
    return table(
        name,
        caption,
        [num("from"), num("to"), num(what)],
        [[Cell(number(b.low), b.low), Cell(number(b.high), b.high), b.count] for b in found],
    )


def modalities(facts: ReportFacts) -> Table:
    """Links by the modalities that speak for them."""
    return table(
        "modalities",
        "Links by the modalities that speak for each",
        ["modalities", num("links")],
        [[modalities_in_words(s.modalities), s.links] for s in facts.links.modalities],
    )


def moment(start_ms: int, end_ms: int) -> str:
    """A span in words."""
    return f"{clock(start_ms)} to {clock(end_ms)}"
