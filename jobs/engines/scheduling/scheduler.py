"""What an engine does with a scheduler of either kind."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from reelshelf.jobs.engines.scheduling.faults import Break
from reelshelf.jobs.engines.scheduling.running import Ticket

Ended = TypeVar("Ended", covariant=True)


class Scheduler(Protocol[Ended]):
    """Is told what has come of what it gave out, and asked what has ended."""

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be done or waited for, once `advance` was called."""
        ...

    @property
    def wakes_at(self) -> float:
        """When there will be something to do, whatever comes."""
        ...

    def advance(self) -> None:
        """Give up what takes too long, and give workers what there is."""
        ...

    def take(self) -> Sequence[Ended]:
        """What has ended since it was last asked."""
        ...

    def broke(self, ticket: Ticket, how: Break, why: str) -> None:
        """A call ended without an answer."""
        ...
