"""Long videos in a run: their chunks are jobs of their own, and the video is what they come to.

A chunk that an earlier run has done, of the same bytes and with the same settings, is not done
again, whether that run died in the middle of the video or the video has grown since.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from reelshelf.indexer.pipeline.plan import PlannedVideo, Why
from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run
from reelshelf.indexer.store.chunks import (
    ChunkState,
    chunk_states,
    finish_video,
    stage_chunks,
    stored_chunk,
)
from reelshelf.indexer.store.sources import FileState, note_seen
from reelshelf.indexer.store.tables import Store, VideoState
from reelshelf.indexer.text.wording import clock
from reelshelf.schemas.media import Chunk
from reelshelf.schemas.outcomes import Divided, Failed, Indexed, VideoJob
from reelshelf.schemas.run import Stage, after, changed_stages
from reelshelf.schemas.stages import with_dependants


@dataclass(slots=True)
class _LongVideo:
    """A video that was divided, and what is still to do of it."""

    divided: Divided
    todo: dict[str, "_Due"]
    failed: Failed | None = None


@dataclass(frozen=True, slots=True)
class _Due:
    """A chunk that is to be done: `stages` of it, where `place` holds what was made of it."""

    chunk: Chunk
    state: ChunkState | None = None
    place: Store | None = None
    stages: frozenset[str] = frozenset()


@dataclass(slots=True)
class LongVideos:
    """The long videos of a run: `add` what was divided, then do `jobs`, and tell what came of each.

    `states` are those of the videos that the store holds.
    """

    run: Run
    baseline: Baseline
    planned: Mapping[str, PlannedVideo]
    states: Mapping[str, VideoState]
    _videos: dict[str, _LongVideo] = field(default_factory=dict)
    _pending: list[Indexed] = field(default_factory=list)
    _pending_ms: int = 0

    def add(self, divided: Divided) -> None:
        """A video that is long: what is done of its chunks already is looked up."""
        key = divided.job.key
        known = {
            place: chunk_states(place, [key]).get(key, {})
            for place in (self.run.store, self.baseline.served_store)
            if place is not None
        }
        todo = {}
        for chunk in divided.chunks:
            due = self._due(key, chunk, known)
            if due is not None:
                todo[chunk.sha256] = due
        self._videos[key] = _LongVideo(divided, todo)

    def _due(
        self, key: str, chunk: Chunk, known: Mapping[Store, Mapping[str, ChunkState]]
    ) -> _Due | None:
        """What is to be done of a chunk; None where nothing is."""
        for place, states in known.items():
            state = states.get(chunk.sha256)
            if state is not None:
                stages = self._stages(key, state)
                here = place is self.run.store
                return _Due(chunk, state, place, stages) if stages or not here else None
        return _Due(chunk)

    def _stages(self, key: str, state: ChunkState) -> frozenset[str]:
        """The stages that are due of a chunk that an earlier run has done."""
        wanted, scope = self.run.context.fingerprints, self.run.scope
        changed = changed_stages(state.fingerprints, wanted, outdated=scope.outdated)
        planned = self.planned[key]
        by_hand = planned.why in (Why.ASKED, Why.DESCRIBED)
        asked = planned.job.stages if by_hand else frozenset[str]()
        return with_dependants(changed | asked)

    @property
    def keys(self) -> Collection[str]:
        """The keys of the videos."""
        return self._videos.keys()

    @property
    def count(self) -> int:
        """How many chunks are to be done."""
        return sum(len(video.todo) for video in self._videos.values())

    def jobs(self) -> Iterator[VideoJob]:
        """A job for each chunk that is to be done, in order."""
        for video in list(self._videos.values()):
            for due in list(video.todo.values()):
                yield self._job(video.divided, due)

    def _job(self, divided: Divided, due: _Due) -> VideoJob:
        wanted, state = self.run.context.fingerprints, due.state
        job = replace(divided.job, chunk=due.chunk)
        if (
            state is None
            or due.place is None
            or state.fingerprints[Stage.DECODE].value != wanted[Stage.DECODE].value
        ):
            return job
        return replace(
            job,
            stages=due.stages,
            stored=stored_chunk(due.place, job.key, due.chunk, divided),
            kept=after(state.fingerprints, wanted, due.stages),
        )

    def failed(self, outcome: Failed, key: str) -> None:
        """A chunk that failed: its video does, and the others are done all the same."""
        video = self._videos[key]
        if video.failed is None:
            chunks = video.divided.chunks
            chunk = chunks[outcome.chunk or 0]
            place = f"from {clock(chunk.start_ms)} to {clock(chunk.end_ms)}"
            message = f"chunk {chunk.number + 1} of {len(chunks)}, {place}: {outcome.message}"
            video.failed = replace(outcome, message=message[:2000])

    def done(self, outcome: Indexed) -> None:
        """A chunk that is done: it is written at once, for a killed run does again what is not.

        Short ones, as live video has them, wait until half of a chunk's time is there.
        """
        assert outcome.job.chunk is not None
        self._pending.append(outcome)
        self._pending_ms += outcome.job.chunk.end_ms - outcome.job.chunk.start_ms
        if 2 * self._pending_ms >= self.run.config.media.chunk_s * 1000:
            self.commit()

    def commit(self) -> None:
        """Write the chunks that are done."""
        pending, self._pending, self._pending_ms = self._pending, [], 0
        stage_chunks(self.run.store, pending, self.run.context)
        for outcome in pending:
            assert outcome.job.chunk is not None
            self._videos[outcome.job.key].todo.pop(outcome.job.chunk.sha256)

    def finish(self, outcomes: Outcomes) -> list[Failed]:
        """Make videos of those whose chunks are all done; the failures of the others."""
        failed = []
        for key, video in self._videos.items():
            if video.todo:
                # A run that was stopped has not come to all of them.
                failed += [video.failed] if video.failed is not None else []
                continue
            divided = video.divided
            finish_video(self.run.store, divided, self.run.context, self.states)
            seen = FileState(divided.job.stamp, divided.content_sha256)
            note_seen(self.run.store, {key: seen})
            outcomes.indexed += 1
        return failed
