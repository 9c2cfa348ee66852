"""A cluster that is simulated: workers are numbers, and time passes when nothing is left to do."""

import heapq
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from reelshelf.jobs.engines.scheduling import Break, Pool, Suspects, Ticket, VideoScheduler
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import EngineConfig
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.outcomes import Failed, Indexed, Outcome, SourceStamp, VideoJob
from reelshelf.schemas.segments import SegmentedVideo

STAMP = SourceStamp(1, 1)
# Until it is known that a worker has died.
_NOTICED_S = 0.05
NO_ROWS = cast("SegmentedVideo", None)


def job(number: int) -> VideoJob:
    """A video to index."""
    return VideoJob(f"k{number}", VideoSource(f"v{number}", f"v{number}.mp4"), STAMP)


def failure(job: VideoJob, kind: FailureKind) -> Failed:
    """How a video ends that fails so."""
    return Failed(job.source.video_id, job.source.path, "models", kind, "fails", 1)


@dataclass(slots=True)
class Clock:
    """Seconds that pass when a simulation says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True, slots=True)
class Behavior:
    """What workers do: seconds to start, to decode and to run the models, and what they end with.

    A decoder that takes for ever hangs. `breaks` and `model_breaks` say of some work that it ends
    without an answer, `failures` which videos fail in which place.
    """

    start_s: float = 1.0
    decode_s: Callable[[VideoJob], float] = lambda job: 1.0
    model_s: Callable[[VideoJob], float] = lambda job: 0.1
    size: int = 1_000_000
    breaks: Callable[[VideoJob], Break | None] = lambda job: None
    model_breaks: Callable[[Sequence[VideoJob]], Break | None] = lambda jobs: None
    failures: Callable[[VideoJob, int], FailureKind | None] = lambda job, place: None


@dataclass(slots=True)
class Seen:
    """What was seen of a simulated run: outcomes by video, and how busy workers were."""

    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    decoding: int = 0
    most_decoding: int = 0
    most_bytes: int = 0
    batches: list[int] = field(default_factory=list)
    order: list[str] = field(default_factory=list)


class SimulatedCluster:
    """Decoders and model workers over the nodes of a cluster, one after the other on each."""

    def __init__(
        self,
        decoders: int,
        models: int,
        behavior: Behavior,
        nodes: int = 2,
        slots: int = 1,
        *,
        keep: bool = True,
    ) -> None:
        self.clock = Clock()
        self.seen = Seen()
        self.counted = 0
        self._keep = keep
        self._behavior = behavior
        self._nodes = [f"n{i}" for i in range(nodes)]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        # What each living worker has, as what is lost with it.
        self._has: dict[int, dict[Ticket, Callable[[], None]]] = {}
        self._busy_until: dict[int, float] = {}
        self._bytes = 0
        self.decoders: Pool[int] = Pool(self._start, self._end, self.clock)
        self.models: Pool[int] = Pool(self._start, self._end, self.clock, lambda _: slots)
        self.asked_nodes = 0
        for _ in range(decoders):
            self.decoders.grow()
        for _ in range(models):
            self.models.grow()

    def _start(self, place: int) -> int:
        worker = next(self._numbers)
        node = self._nodes[worker % len(self._nodes)]

        def up() -> None:
            pool = self.models if self.models.is_there(worker) else self.decoders
            pool.came_up(worker, node)

        self._after(self._behavior.start_s, up)
        return worker

    def _end(self, worker: int) -> None:
        self._busy_until.pop(worker, None)
        for ticket, lose in self._has.pop(worker, {}).items():
            lose()
            self._after(_NOTICED_S, partial(self._broke, ticket, Break.DIED))

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        if seconds < math.inf:
            heapq.heappush(self._events, (self.clock.now + seconds, next(self._numbers), what))

    def _broke(self, ticket: Ticket, how: Break) -> None:
        self._scheduler.broke(ticket, how, "broke")

    def _is_over(self, ticket: Ticket, worker: int) -> bool:
        """Whether a piece of work has been lost with its worker, of what now comes to its end."""
        lose = self._has.get(worker, {}).pop(ticket, None)
        if lose is not None:
            lose()
        return lose is None

    def _less(self, decoding: int, size: int) -> None:
        self.seen.decoding -= decoding
        self._bytes -= size

    def _living(self) -> Sequence[str]:
        self.asked_nodes += 1
        return self._nodes

    def decode(self, worker: int, job: VideoJob) -> tuple[Ticket, int]:
        """A ticket; what stands for pixels is their size."""
        ticket = Ticket(next(self._numbers))
        self.seen.decoding += 1
        self.seen.most_decoding = max(self.seen.most_decoding, self.seen.decoding)
        self.seen.order.append(job.key) if self._keep else None
        self._has.setdefault(worker, {})[ticket] = partial(self._less, 1, 0)
        self._after(self._behavior.decode_s(job), partial(self._decoded, ticket, worker, job))
        return ticket, self._behavior.size

    def _decoded(self, ticket: Ticket, worker: int, job: VideoJob) -> None:
        if self._is_over(ticket, worker):
            return
        if (how := self._behavior.breaks(job)) is not None:
            self._broke(ticket, how)
        else:
            self._bytes += self._behavior.size
            self.seen.most_bytes = max(self.seen.most_bytes, self._bytes)
            self._scheduler.decoded(ticket, None, self._behavior.size)

    def run_models(self, worker: int, jobs: Sequence[VideoJob], pixels: Sequence[int]) -> Ticket:
        """A ticket."""
        ticket = Ticket(next(self._numbers))
        self.seen.batches.append(len(jobs)) if self._keep else None
        # A worker does one thing after the other.
        begins = max(self.clock.now, self._busy_until.get(worker, 0.0))
        ends = begins + sum(map(self._behavior.model_s, jobs))
        self._busy_until[worker] = ends
        self._has.setdefault(worker, {})[ticket] = partial(self._less, 0, sum(pixels))
        self._after(ends - self.clock.now, partial(self._modeled, ticket, worker, jobs))
        return ticket

    def _modeled(self, ticket: Ticket, worker: int, jobs: Sequence[VideoJob]) -> None:
        if self._is_over(ticket, worker):
            return
        if (how := self._behavior.model_breaks(jobs)) is not None:
            self._broke(ticket, how)
        else:
            place = self.models.place_of(worker)
            kinds = [self._behavior.failures(job, place) for job in jobs]
            outcomes = [
                failure(job, kind) if kind else Indexed(job, NO_ROWS)
                for job, kind in zip(jobs, kinds, strict=True)
            ]
            self._scheduler.modeled(ticket, outcomes)

    def run(
        self,
        jobs: Iterable[VideoJob],
        engine: EngineConfig,
        most_bytes: float = math.inf,
        fill_s: float = 0.0,
    ) -> Seen:
        """Schedule videos to the end, by the real scheduler."""
        self._scheduler: VideoScheduler[int, int] = VideoScheduler(
            jobs,
            self.decoders,
            self.models,
            Suspects(self.models),
            self,
            engine,
            most_bytes,
            fill_s,
            self._living,
            self.clock,
        )
        while True:
            self._scheduler.advance()
            for outcome in self._scheduler.take():
                self.counted += 1
                if self._keep:
                    name = (
                        outcome.video_id
                        if isinstance(outcome, Failed)
                        else outcome.job.source.video_id
                    )
                    self.seen.outcomes.setdefault(name, []).append(outcome)
            if self._scheduler.is_done:
                return self.seen
            self._pass()

    def _pass(self) -> None:
        """Go on to what comes next: an answer, or what the scheduler wakes for."""
        wakes = self._scheduler.wakes_at
        if self._events and self._events[0][0] <= wakes:
            self.clock.now, _, what = heapq.heappop(self._events)
            what()
        elif wakes < math.inf:
            self.clock.now = max(self.clock.now, math.nextafter(wakes, math.inf))
        else:
            raise AssertionError("nothing will ever come, and not all is done")
