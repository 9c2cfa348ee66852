"""Logging: every line says which run, which video and which stage it is of, in every process.

Standard `logging`, as lines for people or as JSON for machines. What a block of work is about is
set with `log_context`; the loggers of libraries get it too. A worker in another process keeps its
records and hands them over with its results (`KeptRecords`), and the driver writes them where it
writes its own (`replay`).
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Format = Literal["text", "json"]
FORMATS: tuple[Format, ...] = ("text", "json")
ROOT = "reelshelf"
_FIELDS = ("run_id", "video_id", "stage")
_MOST_KEPT = 1000

_context: ContextVar[dict[str, str]] = ContextVar("reelshelf_log_context", default={})  # noqa: B039


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Say what is logged in this block is about: `run_id`, `video_id`, `stage`."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def context_fields() -> dict[str, str]:
    """What is being worked on now, for another process to go on with."""
    return dict(_context.get())


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record as it travels between processes. `trace` is the traceback, if there is one."""

    at: float
    level: int
    logger: str
    message: str
    trace: str | None = None
    run_id: str | None = None
    video_id: str | None = None
    stage: str | None = None


def line_of(record: logging.LogRecord) -> LogLine:
    """A record with what it is about."""
    fields = {name: getattr(record, name, None) or _context.get().get(name) for name in _FIELDS}
    trace = getattr(record, "trace", None)
    if record.exc_info and record.exc_info[1] is not None:
        trace = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
    return LogLine(
        record.created, record.levelno, record.name, record.getMessage(), trace, **fields
    )


class TextFormatter(logging.Formatter):
    """`10:15:02 WARNING run=0123abcd video=clip-01 stage=decode: message`."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line, and its traceback below."""
        line = line_of(record)
        about = [f"{name}={value}" for name, value in _about(line)]
        head = " ".join([self.formatTime(record, "%H:%M:%S"), record.levelname, *about])
        text = f"{head}: {line.message}"
        return f"{text}\n{line.trace}" if line.trace else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line; what is not known is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        line = line_of(record)
        cells = asdict(line) | {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
        }
        return json.dumps({k: v for k, v in cells.items() if v is not None}, ensure_ascii=False)


def _about(line: LogLine) -> list[tuple[str, str]]:
    # A run's whole id is in JSON; eight digits tell runs apart for people.
    found = (("run", (line.run_id or "")[:8]), ("video", line.video_id), ("stage", line.stage))
    return [(name, value) for name, value in found if value]


class KeptRecords(logging.Handler):
    """Keeps records in a worker until its result takes them along. Bounded: the newest go."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[LogLine] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        if len(self._lines) < _MOST_KEPT:
            self._lines.append(line_of(record))

    def take(self) -> tuple[LogLine, ...]:
        """What was kept since the last time this was asked."""
        taken, self._lines = tuple(self._lines), []
        return taken


def keep_records(level: int = logging.INFO) -> KeptRecords:
    """Have this process, a worker, keep its records instead of writing them."""
    logger, kept = logging.getLogger(ROOT), KeptRecords()
    logger.handlers[:] = [kept]
    logger.setLevel(level)
    logger.propagate = False
    return kept


def replay(lines: Sequence[LogLine]) -> None:
    """Log here what a worker has kept, with its own time and context."""
    for line in lines:
        logger = logging.getLogger(line.logger)
        if not logger.isEnabledFor(line.level):
            continue
        record = logger.makeRecord(line.logger, line.level, "", 0, line.message, (), None)
        record.created = line.at
        for name in ("trace", *_FIELDS):
            setattr(record, name, getattr(line, name))
        logger.handle(record)


def configure(*, verbose: bool = False, form: Format = "text", file: Path | None = None) -> None:
    """Write the logs of this process: to standard error, and to `file` with all details.

    Without `verbose`, standard error gets warnings and errors only, and no tracebacks. Raises
    OSError where the file cannot be written.
    """
    formatter = JsonFormatter() if form == "json" else TextFormatter()
    console = logging.StreamHandler(sys.stderr)
    console.setFormatter(formatter if verbose or form == "json" else _Plain())
    console.setLevel(logging.DEBUG if verbose else logging.WARNING)
    handlers: list[logging.Handler] = [console]
    if file is not None:
        kept = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
        kept.setFormatter(formatter)
        kept.setLevel(logging.INFO)
        handlers.append(kept)
    logger = logging.getLogger(ROOT)
    for old in logger.handlers:
        old.close()
    logger.handlers[:] = handlers
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class _Plain(logging.Formatter):
    """A warning as a sentence of the command line, without its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        line = line_of(record)
        about = "".join(f"{value}: " for name, value in _about(line) if name == "video")
        return f"reelshelf: {record.levelname.lower()}: {about}{line.message}"
