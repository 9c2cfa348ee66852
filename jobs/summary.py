"""What a scheduled run came to: one line of JSON for programs, one line for people."""

import datetime as dt
from collections import Counter
from dataclasses import asdict, dataclass

from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import ExitCode
from reelshelf.schemas.run import Ending

EXIT_CODES = {
    Ending.PUBLISHED: ExitCode.DONE,
    Ending.NOTHING_NEW: ExitCode.NOTHING_TO_DO,
    Ending.GATE_REFUSED: ExitCode.GATE,
    Ending.TOO_MANY_FAILURES: ExitCode.FAILURES,
    Ending.ALL_NEW_FAILED: ExitCode.ALL_FAILED,
}


@dataclass(frozen=True, slots=True)
class NightlySummary:
    """How a run ended, in numbers. Times are seconds; `spent` is by stage, CPU and GPU."""

    ending: str
    exit_code: int
    message: str | None
    run_id: str
    release_id: str | None
    started_at: str
    seconds: float
    planned: dict[str, int]
    outcomes: dict[str, int]
    failures: dict[str, int]
    refused_rows: int
    refused_pictures: int
    calls: dict[str, int]
    spent: dict[str, dict[str, float]]
    devices: dict[str, str]
    cost: float | None
    cost_per_video: float | None
    currency: str | None

    @property
    def line(self) -> str:
        """The run in one line for people."""
        outcomes = self.outcomes
        counts = (
            f"{outcomes['indexed']} indexed, {outcomes['skipped']} unchanged or skipped, "
            f"{outcomes['failed']} failed of {outcomes['submitted']} videos in {self.seconds:.0f} s"
        )
        ends = {
            Ending.PUBLISHED: f"published {self.release_id}",
            Ending.NOTHING_NEW: f"nothing to do, {self.release_id} stays",
            Ending.GATE_REFUSED: "gate refused",
            Ending.TOO_MANY_FAILURES: "too many failures",
            Ending.ALL_NEW_FAILED: "all that was new failed",
        }
        why = f": {self.message}" if self.message else ""
        return f"{ends[Ending(self.ending)]}; {counts}{why}"


def summary_of(result: IngestResult, config: Config, began: dt.datetime) -> NightlySummary:
    """Sum up a run that began at `began`."""
    cost, indexed = result.cost, result.tally.indexed
    return NightlySummary(
        ending=result.ending.value,
        exit_code=EXIT_CODES[result.ending],
        message=result.message,
        run_id=result.run_id,
        release_id=result.release.release_id if result.release else None,
        started_at=began.isoformat(timespec="seconds"),
        seconds=round((dt.datetime.now(dt.UTC) - began).total_seconds(), 1),
        planned=asdict(result.planned),
        outcomes=asdict(result.tally),
        failures=dict(Counter(item.kind.value for item in result.failed)),
        refused_rows=len(result.rejected),
        refused_pictures=len(result.rejected_pictures),
        calls=result.calls,
        spent={
            stage.value: {name: round(value, 2) for name, value in asdict(seconds).items()}
            for stage, seconds in sorted(result.spent.items())
        },
        devices=result.devices.model_dump() if result.devices else {},
        cost=round(cost, 4) if cost is not None else None,
        cost_per_video=round(cost / indexed, 6) if cost is not None and indexed else None,
        currency=config.cost.currency if cost is not None else None,
    )
