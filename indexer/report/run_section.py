"""What a report says of the run behind it: outcomes, failures, time, money, models, machines."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from reelshelf.indexer.report.facts import (
    FailedInput,
    FailureGroup,
    Listing,
    ModelLine,
    Ran,
    StageSpent,
)
from reelshelf.indexer.store.runs import RunRecord
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import CostConfig
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.release import VectorIndex
from reelshelf.schemas.run import Spent, Stage

_EXAMPLES = 20

ADVICE: Mapping[str, str] = {
    FailureKind.UNREADABLE: "Look at permissions and whether the file is there; it is tried again.",
    FailureKind.EMPTY: "The upload was cut off at its first byte: have it sent again.",
    FailureKind.NOT_A_VIDEO: "Ask the merchant for a video; what is there is something else.",
    FailureKind.UNSUPPORTED: "Have it encoded anew, as H.264 for example.",
    FailureKind.STILL_IMAGE: "A picture under a video's name: list it with the product instead.",
    FailureKind.NO_FRAMES: "No frame can be decoded: have it sent again.",
    FailureKind.CORRUPT: "The file is damaged: have it sent again.",
    FailureKind.TOO_LARGE: "Have it made smaller, or raise media.max_bytes or media.max_side.",
    FailureKind.TOO_LONG: "Have it cut, or raise media.max_duration_s.",
    FailureKind.CHANGING: "It was being written while it was read; the next run takes it.",
    FailureKind.OUT_OF_MEMORY: "Raise engine.decode_memory_gb, or have the video made smaller.",
    FailureKind.DEADLINE: "Raise engine.decode_deadline_s or engine.model_deadline_s, or look for "
    "a machine that is overloaded; it is tried again.",
    FailureKind.CRASHED: "A decoder or a model ended by itself; it is tried again. If it comes "
    "back, report the file.",
    FailureKind.MODEL: "A model refused it: the message says which and why.",
    FailureKind.INTERNAL: "A bug in reelshelf: please report it with the message.",
    "rejected_row": "Mend the row in the catalog or manifest; the others were taken.",
    "rejected_picture": "Replace the picture; its product stays, without this picture.",
}
_ROLES = {
    "image": Stage.VISUAL,
    "text": Stage.TEXT,
    "asr": Stage.ASR,
    "ocr": Stage.OCR,
}


def run_section(store: Store, snapshot: ReleaseSnapshot, record: RunRecord) -> Ran:
    """One run. Failures are those that the store knows of now.

    They are of the last run that looked at its videos: one that found its source shrunk did not.
    """
    tally, seconds = record.tally, record.seconds
    worked = tally.indexed > 0 and seconds > 0
    media_s = record.calls.get("video_ms_decoded", 0) / 1000
    absent = snapshot.scan("videos", ["absent"])["absent"].to_pylist()
    made = snapshot.release.run_id == record.run_id
    on_gpu, on_cpu = _devices(record.spent, snapshot.release.indexes if made else ())
    return Ran(
        run_id=record.run_id,
        ending=record.ending,
        started_at=record.started_at,
        seconds=seconds,
        submitted=tally.submitted,
        indexed=tally.indexed,
        skipped=tally.skipped,
        failed=tally.failed,
        videos_per_hour=tally.indexed / seconds * 3600 if worked else None,
        media_per_second=media_s / seconds if worked and media_s else None,
        stages=_stages(record),
        cost=record.cost,
        cost_per_video=record.cost_per_video,
        currency=record.currency,
        calls=tuple(sorted(record.calls.items())),
        failures=_failures(store, record),
        without_sound=sum("audio" in (parts or ()) for parts in absent),
        models=_models(record) if record.models else (),
        on_gpu=on_gpu,
        on_cpu=on_cpu,
    )


def _stages(record: RunRecord) -> tuple[StageSpent, ...]:
    prices = record.config.cost
    return tuple(
        StageSpent(stage.value, spent.cpu_s, spent.gpu_s, _cost(spent, prices))
        for stage in Stage
        if (spent := record.spent.get(stage)) is not None
    )


def _cost(spent: Spent, prices: CostConfig) -> float | None:
    if not prices.cpu_hour and not prices.gpu_hour:
        return None
    return (spent.cpu_s * prices.cpu_hour + spent.gpu_s * prices.gpu_hour) / 3600


def _failures(store: Store, record: RunRecord) -> tuple[FailureGroup, ...]:
    """Inputs without rows by kind, the most frequent first."""
    number = (store.generation_of(record.models) if record.models else None) or store.generation
    columns = ["item_id", "source", "line", "kind", "message", "attempt"]
    groups: dict[str, list[FailedInput]] = defaultdict(list)
    for row in store.of(number).scan("failures", columns).to_pylist():
        name = row["item_id"] or f"{row['source']} line {row['line']}"
        groups[row["kind"]].append(FailedInput(name, row["message"], row["attempt"]))
    found = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(
        FailureGroup(kind, Listing.of(sorted(items, key=lambda i: i.item), _EXAMPLES), ADVICE[kind])
        for kind, items in found
    )


def _models(record: RunRecord) -> tuple[ModelLine, ...]:
    refs = record.models
    assert refs is not None
    lines = []
    for role, stage in _ROLES.items():
        ref = getattr(refs, role)
        device = _device(record.spent.get(stage), getattr(record.devices, role, None))
        lines.append(ModelLine(role, ref.name, ref.revision, ref.sha256, device))
    if refs.joint_text is not None:
        joint = refs.joint_text
        asked = "asked by searches only"
        lines.append(ModelLine("joint text", joint.name, joint.revision, joint.sha256, asked))
    return tuple(lines)


def _device(spent: Spent | None, told: str | None) -> str:
    """What a model ran on as it said itself; of records that do not have that, as it was paid."""
    if spent is None or not (spent.cpu_s or spent.gpu_s):
        return "not asked in this run"
    if told is not None:
        return told.replace("cuda", "GPU").replace("cpu", "CPU")
    return "GPU" if spent.gpu_s else "CPU"


def _devices(
    spent: Mapping[Stage, Spent], indexes: Sequence[VectorIndex]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What ran on a GPU, and what did not: stages of the run, and training of the indexes."""
    on_gpu = [stage.value for stage in Stage if (s := spent.get(stage)) and s.gpu_s]
    on_cpu = [stage.value for stage in Stage if (s := spent.get(stage)) and s.cpu_s and not s.gpu_s]
    for index in indexes:
        if index.trained_by:
            name = f"training of {index.table}.{index.column}"
            (on_gpu if "gpu" in index.trained_by.lower() else on_cpu).append(name)
    return tuple(on_gpu), tuple(on_cpu)
