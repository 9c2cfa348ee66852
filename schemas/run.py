"""What one run is made of: its stages, what their output depends on, and how it ended."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from reelshelf.schemas.keys import fingerprint

_LOG = logging.getLogger(__name__)


class Stage(StrEnum):
    """What a run spends its time on. `REST` is the driver: planning, tables, links, indexes."""

    DECODE = "decode"
    VISUAL = "visual"
    OCR = "ocr"
    ASR = "asr"
    TEXT = "text"
    PRODUCTS = "products"
    REST = "rest"


# What is made of a video, in the order in which it is made.
VIDEO_STAGES: frozenset[str] = frozenset([Stage.VISUAL, Stage.OCR, Stage.ASR, Stage.TEXT])


@dataclass(frozen=True, slots=True)
class StageFingerprint:
    """What made the output of one stage.

    `value` stands for its settings and its model, and for those of the stages whose output it
    reads. `version` is of the code: output of an older one stays valid, and is outdated.
    """

    value: str
    version: int = 1


# By the name of the stage. `reelshelf.schemas.stages` says which there are, and what each depends
# on.
StageFingerprints: TypeAlias = Mapping[str, StageFingerprint]


def fingerprint_of_all(stages: StageFingerprints) -> str:
    """One fingerprint of all stages and versions, for a video that failed in any of them."""
    return fingerprint([[name, mark.value, mark.version] for name, mark in sorted(stages.items())])


def changed_stages(
    stored: StageFingerprints, wanted: StageFingerprints, *, outdated: bool = False
) -> frozenset[str]:
    """The stages whose output would differ: all of them where the video is cut differently.

    Output of an older version of the code counts as changed only where `outdated` is set.
    """

    def differs(stage: str) -> bool:
        mark, new = stored.get(stage), wanted[stage]
        if mark is None or mark.value != new.value:
            return True
        return outdated and mark.version < new.version

    if differs(Stage.DECODE):
        return frozenset(wanted) - {Stage.DECODE}
    return frozenset(stage for stage in wanted if differs(stage))


def after(
    stored: StageFingerprints, wanted: StageFingerprints, stages: Collection[str]
) -> StageFingerprints:
    """The fingerprints of a video of which only `stages` are done again."""
    again = set(stages)
    if again >= set(wanted) - {Stage.DECODE}:
        again.add(Stage.DECODE)
    return {
        stage: wanted[stage] if stage in again or stage not in stored else stored[stage]
        for stage in wanted
    }


class Ending(StrEnum):
    """How a run ended, in its record. `RUNNING` until it has; `CRASHED` where it never did."""

    RUNNING = "running"
    PUBLISHED = "published"
    NOTHING_NEW = "nothing_new"
    GATE_REFUSED = "gate_refused"
    TOO_MANY_FAILURES = "too_many_failures"
    ALL_NEW_FAILED = "all_new_failed"
    FAILED = "failed"
    CRASHED = "crashed"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Ending":
        # A newer reelshelf wrote it: its record is read all the same.
        _LOG.warning("a run's record says that it ended %r, which is unknown here", value)
        return cls.UNKNOWN

    @property
    def is_end(self) -> bool:
        """Whether the run came to an end by itself."""
        return self not in (Ending.RUNNING, Ending.CRASHED)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one stage: of the CPU, and of a GPU (wall time while a model had its share)."""

    cpu_s: float = 0.0
    gpu_s: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.cpu_s + other.cpu_s, self.gpu_s + other.gpu_s)
