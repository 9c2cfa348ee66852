"""What reviewers decide of links: rows of a CSV file that `reelshelf overrides import` takes."""

import csv
import datetime as dt
import io
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reelshelf.schemas.errors import ConfigError
from reelshelf.schemas.overrides import Verdict

Judgment = Literal["right", "wrong", "always", "never", "skip"]
# The columns of an overrides file (docs/corrections.md).
_COLUMNS = ("video_id", "sku", "group_id", "verdict", "who", "when", "why")
# A link that somebody found right is linked whatever its score, and one found wrong is not. A row
# without a verdict says that somebody saw it, and changes nothing.
_VERDICTS: dict[Judgment, Verdict | None] = {
    "right": Verdict.ALWAYS,
    "always": Verdict.ALWAYS,
    "wrong": Verdict.NEVER,
    "never": Verdict.NEVER,
    "skip": None,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided of a link, and when."""

    video_id: str
    sku: str
    judgment: Judgment
    who: str
    at: dt.datetime


class Decisions:
    """The file, to which each decision is appended as it is made. Other programs may read it."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where the file cannot be read, or not be written to."""
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_bytes(_csv(_COLUMNS))
            with path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
        except OSError as error:
            raise ConfigError(f"review.file: {path}: {error.strerror}") from error
        self._decided = {(row["video_id"] or "", row["sku"] or "") for row in rows}

    @property
    def decided(self) -> frozenset[tuple[str, str]]:
        """The links that somebody has seen, by video id and SKU."""
        return frozenset(self._decided)

    def add(self, decision: Decision) -> None:
        """Append a decision. Raises OSError where it cannot be written."""
        verdict = _VERDICTS[decision.judgment]
        row = (
            decision.video_id,
            decision.sku,
            "",
            verdict.value if verdict else "",
            decision.who,
            decision.at.isoformat(timespec="seconds"),
            f"review: {decision.judgment}",
        )
        with self._lock, self._path.open("ab", buffering=0) as file:
            file.write(_csv(row))
            self._decided.add((decision.video_id, decision.sku))

    def take_back(self, who: str) -> tuple[str, str] | None:
        """Remove the last decision of somebody, and give its video id and SKU; None without any."""
        with self._lock:
            with self._path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.reader(file))
            own = [number for number, row in enumerate(rows) if number and row[4:5] == [who]]
            if not own:
                return None
            link = (rows[own[-1]][0], rows[own[-1]][1])
            del rows[own[-1]]
            # A reader finds the old file or the new one, whole.
            beside = self._path.with_name(self._path.name + ".new")
            with beside.open("wb") as file:
                file.write(b"".join(map(_csv, rows)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
            self._decided.discard(link)
            return link


def _csv(row: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(row)
    return text.getvalue().encode()
