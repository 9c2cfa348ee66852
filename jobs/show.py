"""Tables and progress bars for people. Everything a stranger wrote is shown as plain text."""

import datetime as dt
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from indexer.plan import PlanCounts
from indexer.quality.explain import Explanation
from indexer.quality.labelled import Labelled, UnseenQuality
from indexer.report.words import clock, describe, flat
from indexer.search.results import Answer, SearchHit
from indexer.store.releases import Listed
from jobs.progress import Stage
from schemas.calibration import Calibration, Signal
from schemas.links import ProductLink

if TYPE_CHECKING:
    from jobs.ingest import IngestResult
    from jobs.preview import Preview

_MOST_FAILURES = 20
_TELL_EVERY_S = 10.0


def plain(text: str) -> Text:
    """A stranger's text: no markup, no escape codes, no line breaks."""
    return Text(flat(text), overflow="fold")


def make_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table whose cells are plain text."""
    table = Table(title=plain(title), title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in ("score", "count") else "left")
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    return table


class _BarStage:
    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar, self._task = bar, task

    def advance(self, count: int = 1) -> None:
        """Move the bar, and say how fast it moves."""
        self._bar.advance(self._task, count)
        speed = self._bar.tasks[self._bar.task_ids.index(self._task)].speed
        self._bar.update(self._task, rate=f"{speed:.2g}/s" if speed else "")


class BarProgress:
    """A progress bar for each stage, on standard error."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description:<14}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        """One bar, which ends full even where there was nothing to do."""
        task = self._bar.add_task(name, total=total, rate="")
        self._bar.start()
        try:
            yield _BarStage(self._bar, task)
            self._bar.update(task, total=max(total, 1), completed=max(total, 1))
        finally:
            self._bar.stop()
            self._bar.remove_task(task)


class _LineStage:
    """Writes a line every ten seconds."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._done = 0
        self._began = self._told = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count, and tell where it is time to."""
        self._done += count
        now = time.monotonic()
        if now - self._told >= _TELL_EVERY_S:
            self._told = now
            rate = self._done / (now - self._began)
            left = (self._total - self._done) / rate
            self._say(f"{rate:.2g} a second, {dt.timedelta(seconds=round(left))} left")

    def end(self) -> None:
        """Tell how long it took."""
        self._say(f"done in {dt.timedelta(seconds=round(time.monotonic() - self._began))}")

    def _say(self, how: str) -> None:
        at = dt.datetime.now(dt.UTC).strftime("%H:%M:%S")
        print(f"{at} {self._name}: {self._done} of {self._total}, {how}", file=sys.stderr)


class LineProgress:
    """Progress for a log: whole lines with rate and time left, on standard error."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        """One stage. Where there is nothing to do there is nothing to tell."""
        stage = _LineStage(name, total)
        yield stage
        if total:
            stage.end()


def show_plan(lines: Sequence[tuple[str, int]], console: Console) -> None:
    """What a run would do."""
    if not lines:
        console.print("Nothing to do.")
        return
    rows = [[name, str(count)] for name, count in lines]
    console.print(make_table("Planned", ["what", "count"], rows))


def show_ingest(result: "IngestResult", console: Console) -> None:
    """What was indexed and linked, what failed, and whether it was published."""
    tally, quality = result.tally, result.newest.quality
    console.print(
        make_table(
            "This run",
            ["outcome", "count"],
            [
                ["videos submitted", str(tally.submitted)],
                ["indexed", str(tally.indexed)],
                ["skipped (unchanged, or no video by name)", str(tally.skipped)],
                ["failed", str(tally.failed)],
                ["rows refused", str(len(result.rejected))],
                ["pictures refused", str(len(result.rejected_pictures))],
            ],
        )
    )
    if result.failed:
        rows = [[f.video_id, f.stage, f.kind.value, f.message] for f in result.failed]
        columns = ["video", "stage", "kind", "why"]
        console.print(make_table("Failed videos", columns, rows[:_MOST_FAILURES]))
        _more(len(rows), console)
    unnamed = [[s.video_id, s.reason] for s in result.skipped if s.reason != "unchanged"]
    if unnamed:
        console.print(make_table("Skipped", ["file", "why"], unnamed[:_MOST_FAILURES]))
        _more(len(unnamed), console)
    refused = [[f"{r.source}:{r.line}", r.item_id or "", r.reason] for r in result.rejected]
    refused += [[p.uri, p.sku, p.reason] for p in result.rejected_pictures]
    if refused:
        columns = ["row or picture", "item", "why"]
        console.print(make_table("Refused", columns, refused[:_MOST_FAILURES]))
        _more(len(refused), console)
    console.print(
        f"{quality.links} links: {quality.videos_linked} of {quality.videos} videos, "
        f"{quality.products_linked} of {quality.products} products.",
        markup=False,
    )
    name = result.newest.release_id
    done = f"Published release {name}." if result.published else f"Nothing new; {name} stays."
    console.print(done, style="bold", markup=False, highlight=False)


def _more(count: int, console: Console) -> None:
    if count > _MOST_FAILURES:
        console.print(f"... and {count - _MOST_FAILURES} more; --json lists them all")


def show_answer(title: str, found: Answer, console: Console) -> None:
    """How a query was understood, and its results; where there is none, what came closest."""
    query = found.query
    for typed, taken in query.corrections if query else ():
        console.print(plain(f'Corrected: "{typed}" to "{taken}".'))
    if query and query.price:
        bounds = (f"{side} {amount}" for side, amount in (
            ("at least", query.price.least), ("at most", query.price.most)
        ) if amount is not None)  # fmt: skip
        console.print(plain(f"Price: {', '.join(bounds)}."))
    for note in query.notes if query else ():
        console.print(plain(f"Note: {note}."))
    if found.answered:
        console.print(_hit_table(title, found.hits))
        return
    why = "nothing in the shop comes near it"
    if found.outside_filters:
        why = "what comes near it lies outside the price or the category that was asked for"
    console.print(plain(f"{title}: nothing found; {why}"))
    if found.closest:
        console.print(_hit_table("What came closest", found.closest))


def _hit_table(title: str, hits: Sequence[SearchHit]) -> Table:
    """Search results: video, moment, SKUs and the evidence."""
    rows = []
    for place, hit in enumerate(hits, start=1):
        sold = ", ".join(f"{p.sku} {p.title} ({p.score:.2f})" for p in hit.products[:3])
        found = ", ".join(f"{name} {points:.2f}" for name, points in hit.routes)
        # A caption may speak as words and as print: it is told once.
        told = dict.fromkeys(describe(piece) for piece in hit.evidence)
        why = "; ".join(list(told)[:2]) or hit.text
        moment = f"{clock(hit.start_ms)} - {clock(hit.end_ms)}"
        rows.append([str(place), hit.video_id, moment, f"{hit.score:.2f}", sold, why, found])
    columns = ["", "video", "moment", "score", "sells", "evidence", "found by"]
    return make_table(title, columns, rows)


def show_links(links: Sequence[tuple[str, str, ProductLink]], console: Console) -> None:
    """Links as (video id, product title, link)."""
    rows = []
    for video_id, title, link in links:
        senses = ", ".join(f"{sense.value} {score:.2f}" for sense, score in link.scores if score)
        spans = ", ".join(f"{clock(s.start_ms)} - {clock(s.end_ms)}" for s in link.spans)
        why = "; ".join(describe(piece) for piece in link.evidence[:1])
        rows.append([video_id, link.sku, title, f"{link.score:.2f}", spans, senses, why])
    columns = ["video", "SKU", "title", "score", "moments", "senses", "evidence"]
    console.print(make_table("Links", columns, rows) if rows else "No links.")


_MOST_EXPLAINED = 5


def show_explanations(
    video_id: str, found: Sequence[Explanation], link_above: float, console: Console
) -> None:
    """Each pair: its score in words, the evidence, and the sum behind it."""
    if not found:
        console.print(plain(f"{video_id}: no sense speaks for any product"))
    for item in found[:_MOST_EXPLAINED]:
        name = f"{video_id} and {item.sku} {item.title}"
        if item.link is None:
            console.print(plain(f"{name}: not linked, no sense speaks for it"))
            continue
        verdict = "linked" if item.link.score >= link_above else "not linked"
        console.print(
            plain(f"{name}: {verdict}, {item.link.score:.2f} (a link from {link_above:.2f} on)")
        )
        for piece in item.link.evidence[:5]:
            console.print(plain(f"  {describe(piece)} (alone {piece.score:.2f})"))
        rows = [["start", "", f"{item.bias:+.2f}"]]
        rows += [[c.signal.value, f"{c.value:.2f}", f"{c.adds:+.2f}"] for c in item.contributions]
        total = item.bias + sum(c.adds for c in item.contributions)
        rows.append(["log-odds", "", f"{total:+.2f}"])
        console.print(make_table("", ["signal", "value", "adds"], rows))
    if len(found) > _MOST_EXPLAINED:
        console.print(f"... and {len(found) - _MOST_EXPLAINED} weaker; --json lists them all")


def show_calibration(
    fitted: Calibration,
    prior: Calibration,
    labelled: Labelled,
    unseen: UnseenQuality | None,
    console: Console,
) -> None:
    """Prior and fitted weights, and how these do on videos they were not fitted on."""
    rows = [
        [name.value, f"{prior.weights.get(name, 0.0):.2f}", f"{fitted.weights[name]:.2f}"]
        for name in Signal
    ]
    rows.insert(0, ["bias", f"{prior.bias:.2f}", f"{fitted.bias:.2f}"])
    console.print(make_table("Weights", ["signal", "prior", "fitted"], rows))
    true = sum(pair.linked for pair in labelled.pairs) + len(labelled.silent)
    quality = (
        f"On unseen folds, at 0.5: precision {unseen.precision:.2f}, recall {unseen.recall:.2f}"
        if unseen
        else "Too few videos to test it on unseen ones; there are"
    )
    console.print(
        f"Fitted on {fitted.pairs} pairs ({fitted.positives} links) of {labelled.videos} videos. "
        f"{quality} of {true} true links ({len(labelled.silent)} of them without any evidence).",
        markup=False,
    )
    if labelled.unknown:
        console.print(plain(f"{len(labelled.unknown)} judged videos are not in the release."))
    console.print("The next `reelshelf ingest` links with these weights.")


def show_releases(found: Sequence[Listed], hold: str | None, console: Console) -> None:
    """All releases, newest first, and which is served."""
    rows = []
    for item in reversed(found):
        r = item.release
        standing = "served" if item.serving else f"left {item.left_at:%Y-%m-%d %H:%M}"
        rows.append(
            [
                r.release_id,
                standing,
                r.created_at[:19].replace("T", " "),
                r.profile,
                str(r.quality.videos),
                str(r.quality.products),
                str(r.quality.links),
                f"{min(r.quality.recall_at_10.values(), default=1.0):.3f}",
                f"forced: {r.forced}" if r.forced else "",
            ]
        )
    columns = [
        "release",
        "standing",
        "made (UTC)",
        "profile",
        "videos",
        "products",
        "links",
        "least recall@10",
        "",
    ]
    console.print(make_table("Releases", columns, rows))
    if hold:
        console.print(plain(f"On hold: {hold}. `reelshelf publish` goes on."))


def show_preview(counts: PlanCounts, expected: "Preview", console: Console) -> None:
    """What a reindex will do, and what that took before."""
    planned = [[n.replace("_", " "), str(c)] for n, c in asdict(counts).items() if c]
    console.print(make_table("Planned", ["what", "count"], planned))
    calls = [[name.replace("_", " "), str(count)] for name, count in expected.calls.items()]
    if calls:
        console.print(make_table("Calls", ["what", "count"], calls))
    else:
        console.print("No model is asked.")
    if expected.guessed:
        console.print(
            f"{expected.guessed} videos are new or were never indexed: theirs are guessed, "
            "as the mean of the others."
        )
    if expected.cpu_s is not None and expected.seconds is not None:
        console.print(
            f"As past runs went: {expected.cpu_s:.0f} s of CPU, "
            f"{dt.timedelta(seconds=round(expected.seconds))} in all.",
            highlight=False,
        )
