"""Every error reelshelf raises on purpose, and the exit code the command line gives it.

    ReelshelfError
    ├── ConfigError          2  the config or the command line is wrong
    ├── InputError           2  a catalogue or manifest cannot be read at all
    ├── ModelUnavailable     3  a model, wheel or accelerator that the profile needs is not there
    ├── GateRefused          4  the quality gate kept a release from being published
    ├── TooManyFailures      5  more videos failed than `gate.max_failure_rate` allows
    ├── StoreError           6  the store is missing, of another schema, or inconsistent
    │   ├── SpaceMismatch    6  a query was encoded in another vector space than the release's
    │   └── Damaged          6  a file of a release is not what it was when it was published
    ├── StoreBusy            8  another run holds the store's lease, or has taken it over
    ├── ConditionMet         9  a condition of `report --fail-on` holds
    ├── InfrastructureError 10  a disk, a network, a permission or a service: no bug, try again
    └── MediaError           -  one video cannot be indexed: a row in `failures`, no more

An exit code of 1 is a bug in reelshelf, 7 is `nightly` with nothing to do, 130 is Ctrl-C. Messages
say what failed, on which input, and what to do about it.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from schemas.gate import GateCheck


class ReelshelfError(Exception):
    """Base of all expected errors."""

    exit_code: ClassVar[int] = 1


class ConfigError(ReelshelfError):
    """A setting is unknown, of the wrong type or out of range."""

    exit_code = 2


class InputError(ReelshelfError):
    """A whole input (not one row of it) cannot be read."""

    exit_code = 2


class ModelUnavailable(ReelshelfError):
    """A model or a package that the chosen profile needs is missing or not what it should be."""

    exit_code = 3


class GateRefused(ReelshelfError):
    """The gate found the candidate release worse than it may be, by the `checks` that failed."""

    exit_code = 4

    def __init__(self, message: str, checks: "Sequence[GateCheck]" = ()) -> None:
        super().__init__(message)
        self.checks = tuple(checks)


class TooManyFailures(ReelshelfError):
    """The share of failed videos is above the limit."""

    exit_code = 5


class StoreError(ReelshelfError):
    """The store cannot be opened, read or trusted."""

    exit_code = 6


class SpaceMismatch(StoreError):
    """Vectors of two encoders would have been compared."""


class Damaged(StoreError):
    """A file of a release is missing or holds other bytes than it did when it was published."""


class StoreBusy(ReelshelfError):
    """Another run holds the lease of the store, or has taken it over from this one."""

    exit_code = 8


class ConditionMet(ReelshelfError):
    """A report was made, and a condition that was to make it an error holds."""

    exit_code = 9


class InfrastructureError(ReelshelfError):
    """The machine, the network or a service refused: the same command may pass later."""

    exit_code = 10


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
