"""Videos that are done, written in commits while others are worked on.

A commit costs the same for one row as for thousands, and leaves a fragment that every later reader
opens. So what is done waits until it is much, or has waited for long.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field

from reelshelf.indexer.pipeline.run import Outcomes, Run
from reelshelf.indexer.store.checksums import FileLog
from reelshelf.indexer.store.chunks import forget_chunks
from reelshelf.indexer.store.sources import FileState, note_seen
from reelshelf.indexer.store.tables import VideoState
from reelshelf.schemas.outcomes import Indexed


@dataclass(slots=True)
class Commits:
    """Writes videos as they come; `close` writes what is left.

    `states` are those of the videos that the store holds, `seen` the keys of the files that it has
    seen, `begun` those of the videos of which chunks are noted.
    """

    run: Run
    outcomes: Outcomes
    states: Mapping[str, VideoState]
    seen: Collection[str]
    begun: Collection[str]
    clock: Callable[[], float] = time.monotonic
    _pending: list[Indexed] = field(default_factory=list)
    _rows: int = 0
    _since: float = 0.0
    _log: FileLog = field(init=False)

    def __post_init__(self) -> None:
        self._log = FileLog(self.run.store)

    def add(self, done: Indexed) -> None:
        """A video that is done."""
        if not self._pending:
            self._rows, self._since = 0, self.clock()
        self._pending.append(done)
        self._rows += len(done.video.segments)
        if self._is_due():
            self._commit()

    def close(self) -> None:
        """Commit what is left."""
        if self._pending:
            self._commit()

    def _is_due(self) -> bool:
        engine = self.run.config.engine
        most = engine.videos_per_commit
        return (
            self._rows >= engine.rows_per_commit
            or self.clock() - self._since >= engine.commit_every_s
            or (most is not None and len(self._pending) >= most)
        )

    def note_files(self) -> None:
        """Hash what else has been written."""
        self._log.note(("segments", self.run.store), ("videos", self.run.store))

    def _commit(self) -> None:
        batch, self._pending = self._pending, []
        store = self.run.store
        store.write_videos(batch, self.run.context, self.states)
        # What was long before is short now.
        forget_chunks(store, sorted({done.job.key for done in batch} & set(self.begun)))
        # Now, and not hours later when a release names them.
        self.note_files()
        note_seen(
            store,
            {done.job.key: FileState(done.job.stamp, done.video.content_sha256) for done in batch},
            self.seen,
        )
        self.outcomes.indexed += len(batch)
        for done in batch:
            self.outcomes.calls.update(asdict(done.video.asked))
