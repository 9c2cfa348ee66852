"""Figures that a report measured, kept for the trend of the next one.

What is measured with judged queries or labels stands in no release. A report writes one line for
its release into `figures.jsonl` beside the page; figures measured on other files than today's are
not compared with today's.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from reelshelf.schemas.errors import InputError

NAME = "figures.jsonl"


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one release, and the files they were measured on.

    Releases are told apart by their runs: two stores may have releases of one name.
    """

    run_id: str
    release_id: str
    judged_sha256: str | None
    labels_sha256: str | None
    figures: dict[str, float]


_OF_JUDGED = frozenset(["ndcg_at_10", "recall_at_5", "mrr", "search_p95_ms"])
_OF_LABELS = frozenset(["calibration_error", "link_precision", "link_recall"])
_LINE = TypeAdapter(Measured)


def read_history(folder: Path) -> dict[str, Measured]:
    """What earlier reports in this folder measured, by run. Empty where there was none.

    Raises InputError where a line cannot be read: it would be lost by the next writing.
    """
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    found = [_measured(path, number, line) for number, line in enumerate(lines, 1)]
    return {measured.run_id: measured for measured in found}


def _measured(path: Path, number: int, line: str) -> Measured:
    try:
        return _LINE.validate_json(line)
    except ValidationError as error:
        raise InputError(
            f"{path}:{number}: is no line of figures; move the file away to begin a new one"
        ) from error


def history_text(stored: Mapping[str, Measured], new: Measured) -> str:
    """The file with the figures of one release in the place of what was held of it."""
    lines = {**stored, new.run_id: _kept(stored.get(new.run_id), new)}
    ordered = sorted(lines.values(), key=lambda line: (line.release_id, line.run_id))
    return "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in ordered)


def _kept(old: Measured | None, new: Measured) -> Measured:
    """The new figures, and the old ones of what was not asked this time."""
    if old is None:
        return new
    judged, labels = new.judged_sha256, new.labels_sha256
    kept = set(_OF_JUDGED if judged is None else ()) | set(_OF_LABELS if labels is None else ())
    figures = {name: value for name, value in old.figures.items() if name in kept}
    return Measured(
        new.run_id,
        new.release_id,
        old.judged_sha256 if judged is None else judged,
        old.labels_sha256 if labels is None else labels,
        figures | new.figures,
    )


def comparable(measured: Measured, now: Measured) -> dict[str, float]:
    """The figures that were measured on the same files as today's."""
    left_out: set[str] = set()
    if measured.judged_sha256 != now.judged_sha256:
        left_out |= _OF_JUDGED
    if measured.labels_sha256 != now.labels_sha256:
        left_out |= _OF_LABELS
    return {name: value for name, value in measured.figures.items() if name not in left_out}
