"""Tables of what a run took, was made with, and could not take."""

from reelshelf.indexer.report.facts import ReportFacts
from reelshelf.indexer.report.tables.table import Cell, Table, choice, num, table
from reelshelf.indexer.text.wording import seconds


def stages(facts: ReportFacts) -> Table:
    """What each stage took."""
    assert facts.ran is not None
    money = f"cost, {facts.ran.currency}" if facts.ran.currency else "cost"
    return table(
        "stages",
        "Time and cost by stage",
        ["stage", num("CPU"), num("GPU"), num(money)],
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
        [choice("kind"), "input", "why", num("attempt"), "what to do"],
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
        ["what", num("count")],
        [[name.replace("_", " "), count] for name, count in facts.ran.calls],
    )
