"""Every error reelshelf raises on purpose, and the exit code the command line gives it.

    ReelshelfError
    ├── ConfigError         USAGE           the config or the command line is wrong
    ├── InputError          USAGE           a catalog or manifest cannot be read at all
    ├── ModelUnavailable    MODEL           a model, package or accelerator is missing
    ├── GateRefused         GATE            the quality gate kept a release from being published
    ├── TooManyFailures     FAILURES        more videos failed than `gate.max_failure_rate` allows
    │   └── AllNewFailed    ALL_FAILED      every new and changed video failed
    ├── StoreError          STORE           the store is missing, of another schema, inconsistent
    │   ├── SpaceMismatch   STORE           a query was encoded in another vector space
    │   └── CorruptFile     STORE           a file of a release does not match its checksum
    ├── StoreBusy           BUSY            another run holds the store's lease, or has taken it
    ├── ConditionMet        CONDITION       a condition of `report --fail-on` holds
    ├── InfrastructureError INFRASTRUCTURE  a disk, a network, a permission or a service failed
    └── MediaError          -               one video cannot be indexed: a row in `failures`

Messages say what failed, on which input, and what to do about it.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from reelshelf.schemas.gate import GateCheck


class ExitCode(IntEnum):
    """What a command ends with. Stated once: `--help` and docs/operations.md are made from it."""

    DONE = 0
    BUG = 1
    USAGE = 2
    MODEL = 3
    GATE = 4
    FAILURES = 5
    STORE = 6
    NOTHING_TO_DO = 7
    BUSY = 8
    CONDITION = 9
    INFRASTRUCTURE = 10
    ALL_FAILED = 11
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """What it tells a person or a scheduler."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done (ingest: published, or nothing was new)",
    ExitCode.BUG: "a bug in reelshelf; the message names a file with its traceback",
    ExitCode.USAGE: "the command line, the config or an input file is wrong",
    ExitCode.MODEL: "a model, a package or a GPU that the profile needs is missing",
    ExitCode.GATE: "the quality gate refused the release, or publishing is on hold; the last one "
    "stays",
    ExitCode.FAILURES: "too many videos failed of those that were tried; the last release stays",
    ExitCode.STORE: "the store is missing, damaged, of another schema, or holds other vectors",
    ExitCode.NOTHING_TO_DO: "nightly: nothing to do, the last release is what the source says",
    ExitCode.BUSY: "another run holds the store, or has taken it over",
    ExitCode.CONDITION: "report: a condition of --fail-on holds",
    ExitCode.INFRASTRUCTURE: "the disk, the network, a permission or a service failed; the same "
    "command may pass later",
    ExitCode.ALL_FAILED: "every new and changed video failed: nothing came of what is new; the "
    "last release stays",
    ExitCode.INTERRUPTED: "interrupted; run the same command again to complete the store",
}


def exit_code_table() -> str:
    """The exit codes, one a line, as `--help` shows them."""
    return "\n".join(f"  {code.value:<4} {code.meaning}" for code in ExitCode)


class ReelshelfError(Exception):
    """Base of all expected errors."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG


class ConfigError(ReelshelfError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = ExitCode.USAGE


class InputError(ReelshelfError):
    """A whole input (not one row of it) cannot be read."""

    exit_code = ExitCode.USAGE


class ModelUnavailable(ReelshelfError):
    """A model or a package that the chosen profile needs is missing or not what it should be."""

    exit_code = ExitCode.MODEL


class GateRefused(ReelshelfError):
    """The gate found the candidate release worse than it may be, by the `checks` that failed."""

    exit_code = ExitCode.GATE

    def __init__(self, message: str, checks: "Sequence[GateCheck]" = ()) -> None:
        super().__init__(message)
        self.checks = tuple(checks)


class TooManyFailures(ReelshelfError):
    """The share of failed videos is above the limit."""

    exit_code = ExitCode.FAILURES


class AllNewFailed(TooManyFailures):
    """There was something new, and nothing came of any of it."""

    exit_code = ExitCode.ALL_FAILED


class StoreError(ReelshelfError):
    """The store cannot be opened, read or trusted."""

    exit_code = ExitCode.STORE


class SpaceMismatch(StoreError):
    """Vectors of two encoders would have been compared."""


class CorruptFile(StoreError):
    """A file of a release is missing or holds other bytes than it did when it was published."""


class StoreBusy(ReelshelfError):
    """Another run holds the lease of the store, or has taken it over from this one."""

    exit_code = ExitCode.BUSY


class ConditionMet(ReelshelfError):
    """A report was made, and a condition that was to make it an error holds."""

    exit_code = ExitCode.CONDITION


class InfrastructureError(ReelshelfError):
    """The machine, the network or a service refused: the same command may pass later."""

    exit_code = ExitCode.INFRASTRUCTURE


class FailureKind(StrEnum):
    """Why one video has no rows. Stable names: reports and retries group by them."""

    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NOT_A_VIDEO = "not_a_video"
    UNSUPPORTED = "unsupported"
    STILL_IMAGE = "still_image"
    NO_FRAMES = "no_frames"
    CORRUPT = "corrupt"
    TOO_LARGE = "too_large"
    TOO_LONG = "too_long"
    CHANGING = "changing"
    OUT_OF_MEMORY = "out_of_memory"
    DEADLINE = "deadline"
    CRASHED = "crashed"
    MODEL = "model"
    INTERNAL = "internal"

    @classmethod
    def _missing_(cls, value: object) -> "FailureKind":  # noqa: ARG003 - the enum's own hook
        # A newer reelshelf wrote it: its record is read all the same.
        return cls.INTERNAL

    @property
    def lies_in_the_file(self) -> bool:
        """Whether the same bytes and settings would fail again, so that trying again is vain."""
        return self in _IN_THE_FILE


_IN_THE_FILE = frozenset(
    [
        FailureKind.EMPTY,
        FailureKind.NOT_A_VIDEO,
        FailureKind.UNSUPPORTED,
        FailureKind.STILL_IMAGE,
        FailureKind.NO_FRAMES,
        FailureKind.CORRUPT,
        FailureKind.TOO_LARGE,
        FailureKind.TOO_LONG,
    ]
)


class MediaError(ReelshelfError):
    """One video cannot be indexed.

    `kind` says why in a word that programs can group by; the message says it to a person.
    """

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind

    def __reduce__(self) -> tuple[type["MediaError"], tuple[FailureKind, str]]:
        # Exceptions with more than one argument do not survive pickling between workers by default.
        return (MediaError, (self.kind, str(self)))
