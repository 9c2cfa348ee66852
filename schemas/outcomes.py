"""How each input ended. Every submitted video gets exactly one of these."""

from dataclasses import dataclass
from typing import TypeAlias

from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.errors import FailureKind, ReelshelfError
from reelshelf.schemas.media import Chunk, VideoInfo
from reelshelf.schemas.run import VIDEO_STAGES, StageFingerprints
from reelshelf.schemas.segments import SegmentedVideo


@dataclass(frozen=True, slots=True)
class SourceStamp:
    """What a file system or an object store says of a file without reading it.

    `version` is an object's version id or ETag; of a folder's files it is empty. An object has no
    ctime and no inode.
    """

    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class VideoJob:
    """One video to index: where it is, under which key, and how its file looked when planned.

    `stored` is what an earlier run made of the same bytes; then only `stages` are done again, and
    the others keep the fingerprints in `kept`. Without it everything is done. `hotwords` are titles
    that are likely to be said in it. With a `chunk` no more of the video is meant, and `stored` is
    what was made of that. `post_fingerprint` is of what the shop says of it in words.
    """

    key: str
    source: VideoSource
    stamp: SourceStamp
    stages: frozenset[str] = VIDEO_STAGES
    stored: SegmentedVideo | None = None
    kept: StageFingerprints | None = None
    hotwords: tuple[str, ...] = ()
    chunk: Chunk | None = None
    post_fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Indexed:
    """The video has rows now."""

    job: VideoJob
    video: SegmentedVideo


@dataclass(frozen=True, slots=True)
class Skipped:
    """The video needed no work; `reason` says why."""

    video_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The video has no rows of this run; stage, kind and message say why.

    `stamp` is None where not even the file's stamp could be had. `attempt` counts runs. `trace` is
    the traceback of an error that nobody expects of an input. `chunk` is the number of the chunk
    that failed, of a video that was divided.
    """

    video_id: str
    path: str
    stage: str
    kind: FailureKind
    message: str
    attempt: int
    stamp: SourceStamp | None = None
    trace: str | None = None
    chunk: int | None = None


@dataclass(frozen=True, slots=True)
class Divided:
    """The video is long, and nothing is made of it yet: each of its chunks is a job of its own."""

    job: VideoJob
    content_sha256: str
    info: VideoInfo
    chunks: tuple[Chunk, ...]


Outcome: TypeAlias = Indexed | Failed | Divided


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts of outcomes, whose sum must be the number of submitted videos."""

    submitted: int
    indexed: int
    skipped: int
    failed: int

    def check(self) -> None:
        """Raise if an input got lost on the way or was counted twice."""
        if self.submitted != self.indexed + self.skipped + self.failed:
            raise ReelshelfError(
                f"outcomes do not add up: of {self.submitted}, indexed {self.indexed}, skipped "
                f"{self.skipped}, failed {self.failed}. This is a bug: nothing is published."
            )


@dataclass(frozen=True, slots=True)
class Tries:
    """What a run tried, by how it ended: what the gate's failure rate is made of.

    `indexed` and `failed` are of videos that were new, changed, due for other settings or tried
    again. Unchanged videos, files that are no videos and quarantined videos
    are not among them. `away` are videos whose file cannot be read though the store holds them, of
    `stored` ones that were looked for: they keep their rows, but a source that has lost many is not
    whole. `new` are those tried that are new or changed, of which `new_failed` failed.
    """

    indexed: int = 0
    failed: tuple[Failed, ...] = ()
    stored: int = 0
    away: tuple[Failed, ...] = ()
    new: int = 0
    new_failed: int = 0

    @property
    def share_failed(self) -> float:
        """Of the videos that were tried."""
        return len(self.failed) / ((self.indexed + len(self.failed)) or 1)

    @property
    def share_away(self) -> float:
        """Of the videos that the store holds and that were looked for."""
        return len(self.away) / (self.stored or 1)

    @property
    def failure_rate(self) -> float:
        """The largest of these shares."""
        return max(self.share_failed, self.share_new_failed, self.share_away)

    @property
    def share_new_failed(self) -> float:
        """Of the videos that are new or changed."""
        return self.new_failed / (self.new or 1)

    @property
    def all_new_failed(self) -> bool:
        """Whether something was new or changed, and nothing came of any of it."""
        return 0 < self.new == self.new_failed

    @property
    def all_failed(self) -> bool:
        """Whether something was tried and nothing came of it."""
        return not self.indexed and bool(self.failed)
