"""What a reindex will take, told before it starts, from what the store knows of its own past."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass

from reelshelf.indexer.pipeline.planning import Planned
from reelshelf.indexer.store.runs import RunRecord, run_records
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.run import Stage
from reelshelf.schemas.segments import ModelCalls


@dataclass(frozen=True, slots=True)
class Preview:
    """Calls by name, and CPU and wall seconds as past runs took them; None where none is known.

    `guessed` counts videos that were never indexed: theirs are the mean of the others.
    """

    calls: dict[str, int]
    guessed: int
    cpu_s: float | None
    seconds: float | None


# What a second of each stage is counted by.
_UNITS: Mapping[Stage, tuple[str, ...]] = {
    Stage.DECODE: ("video_ms_decoded", "audio_ms_decoded"),
    Stage.VISUAL: ("frames_encoded",),
    Stage.OCR: ("frames_detected",),
    Stage.ASR: ("audio_ms_heard",),
    Stage.TEXT: ("texts_encoded",),
    Stage.PRODUCTS: ("products_encoded", "pictures_encoded", "pictures_read"),
}


def preview(planned: Planned, store: Store) -> Preview:
    """Add up what the plan asks for, as it was when the same was done before."""
    past: dict[str, ModelCalls] = {}
    for generation in store.generations():
        past |= store.of(generation.number).calls()
    total = ModelCalls()
    guessed = 0
    for video in planned.videos.todo:
        if video.reusable is not None and video.job.key in past:
            total += past[video.job.key].of(video.job.stages)
        else:
            guessed += 1
    if guessed and past:
        columns = zip(*(astuple(calls) for calls in past.values()), strict=True)
        total += ModelCalls(*(round(statistics.fmean(c) * guessed) for c in columns))
    calls = Counter(asdict(total))
    calls["products_encoded"] = len(planned.products.texts)
    calls["pictures_encoded"] = sum(job.look for job in planned.products.pictures)
    calls["pictures_read"] = sum(job.read for job in planned.products.pictures)
    asked = {name: count for name, count in calls.items() if count}
    cpu_s, seconds = _expected(asked, [run for run in run_records(store) if run.came_through])
    return Preview(asked, guessed, cpu_s, seconds)


def _expected(
    calls: Mapping[str, int], records: Sequence[RunRecord]
) -> tuple[float | None, float | None]:
    """CPU and wall seconds of these calls at the rates of past runs."""
    done: Counter[str] = Counter()
    spent: defaultdict[Stage, float] = defaultdict(float)
    wall = cpu = 0.0
    for record in records:
        done.update(record.calls)
        for stage, seconds in record.spent.items():
            spent[stage] += seconds.cpu_s
            cpu += seconds.cpu_s
        wall += (record.ended_at - record.started_at).total_seconds()
    if not records or not cpu:
        return None, None
    expected = spent[Stage.REST] / len(records)
    for stage, names in _UNITS.items():
        units = sum(done[name] for name in names)
        asked = sum(calls.get(name, 0) for name in names)
        if asked and not units:
            return None, None
        expected += spent[stage] * asked / units if units else 0.0
    return expected, expected * wall / cpu
