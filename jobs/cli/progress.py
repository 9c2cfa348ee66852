"""Progress of a run: bars for a person who watches, lines for a log."""

import datetime as dt
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

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

from reelshelf.indexer.pipeline.progress import Stage

_TELL_EVERY_S = 10.0


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
            done = int(self._bar.tasks[self._bar.task_ids.index(task)].completed)
            # Of what nobody could count beforehand, what was done is all there is.
            whole = max(total, 1) if total else max(done, 1)
            self._bar.update(task, total=whole, completed=whole)
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
