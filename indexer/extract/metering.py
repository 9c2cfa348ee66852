"""What the stages of the work cost, measured where it is done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from reelshelf.schemas.run import Spent, Stage


@dataclass(slots=True)
class Meter:
    """Adds up seconds by stage in one worker, which does one thing at a time.

    `gpu_share` is the share of a GPU that the worker holds while a model runs; 0 without one.
    """

    gpu_share: float = 0.0
    spent: dict[Stage, Spent] = field(default_factory=dict)

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Count the seconds of this block, whether it succeeds or not."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            gpu = 0.0 if stage is Stage.DECODE else (time.perf_counter() - wall) * self.gpu_share
            self.add({stage: Spent(time.process_time() - cpu, gpu)})

    def add(self, spent: dict[Stage, Spent]) -> None:
        """Count what another worker has measured."""
        for stage, seconds in spent.items():
            self.spent[stage] = self.spent.get(stage, Spent()) + seconds

    def take(self) -> dict[Stage, Spent]:
        """What was counted since the last time this was asked."""
        taken, self.spent = self.spent, {}
        return taken
