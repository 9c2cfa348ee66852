"""Posters: a picture of each video of a release, for pages that list videos.

A poster lies in a folder under the hash of the bytes that it was made of. So it is made once, is
never that of other bytes, and is found by whoever knows the release. It shows the moment at which
the video sells its surest product.
"""

import multiprocessing
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from reelshelf.indexer.extract.work import files_of
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.indexer.sources.playlists import is_playlist
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import among
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import FailureKind, MediaError, ReelshelfError
from reelshelf.schemas.keys import file_sha256, poster_name

_SPAWN = multiprocessing.get_context("spawn")
_SIDE, _QUALITY = 480, 78
_AT_ONCE = 512
# Of a video that sells nothing, so far in: what it begins with is often black.
_INTO = 3
# Posters, and what a run that was killed has left of one.
_OURS = re.compile(r"[0-9a-f]{64}\.(jpg|\d+\.part)")


@dataclass(frozen=True, slots=True)
class PosterJob:
    """A video of which there is no poster: the one of its bytes at `at_ms` goes to `target`."""

    video_id: str
    path: str
    content_sha256: str
    at_ms: int
    target: Path


@dataclass(frozen=True, slots=True)
class MadePosters:
    """How many posters were made, were there already, cannot be made, and were removed."""

    made: int
    kept: int
    failed: int
    removed: int


def make_posters(
    snapshot: ReleaseSnapshot,
    folder: Path,
    config: Config,
    workers: int,
    on_failure: Callable[[str, str], None],
) -> MadePosters:
    """Make the posters that a folder lacks, and remove those of bytes that are not in the release.

    `on_failure` gets the id of each video that has none, and why. Raises OSError where the folder
    cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = kept = failed = 0
    for count, due in _batches(snapshot, folder):
        kept += count - len(due)
        for job, problem in zip(due, _run(due, config, workers), strict=True):
            made += problem is None
            failed += problem is not None
            if problem is not None:
                on_failure(job.video_id, problem)
    return MadePosters(made, kept, failed, _remove_others(snapshot, folder))


def _batches(snapshot: ReleaseSnapshot, folder: Path) -> Iterator[tuple[int, Sequence[PosterJob]]]:
    """The videos of a release in parts: how many they are, and the jobs of those without poster."""
    columns = ["video_key", "video_id", "path", "content_sha256", "duration_ms"]
    for batch in snapshot.dataset("videos").to_batches(columns=columns, batch_size=_AT_ONCE):
        rows = batch.to_pylist()
        targets = {row["video_key"]: folder / poster_name(row["content_sha256"]) for row in rows}
        due = [row for row in rows if not targets[row["video_key"]].exists()]
        moments = _moments(snapshot, [row["video_key"] for row in due])
        yield (
            len(rows),
            [
                PosterJob(
                    row["video_id"],
                    row["path"],
                    row["content_sha256"],
                    moments.get(row["video_key"], (row["duration_ms"] or 0) // _INTO),
                    targets[row["video_key"]],
                )
                for row in due
            ],
        )


def _moments(snapshot: ReleaseSnapshot, keys: Sequence[str]) -> dict[str, int]:
    """When some videos show their surest products."""
    if not keys:
        return {}
    links = snapshot.scan("links", ["video_key", "score", "evidence"], among("video_key", keys))
    return {
        row["video_key"]: piece["at_ms"]
        for row in links.sort_by("score").to_pylist()
        # The first of the surest is set last.
        for piece in reversed(row["evidence"])
        if piece["at_ms"] is not None
    }


def _run(due: Sequence[PosterJob], config: Config, workers: int) -> list[str | None]:
    """Make posters in processes; why not, for each that cannot be made."""
    if not due:
        return []
    try:
        with ProcessPoolExecutor(workers, _SPAWN) as pool:
            return list(pool.map(_make, due, [config] * len(due)))
    except BrokenProcessPool:
        if len(due) == 1:
            return ["the process that decoded it ended"]
        # A decoder took its process with it: each video has one of its own, to find which.
        return [problem for job in due for problem in _run([job], config, 1)]


def _make(job: PosterJob, config: Config) -> str | None:
    """Make one poster; why not, where it cannot be made. Raises OSError for what is written."""
    if is_playlist(job.path):
        return "it is a playlist, of which no poster is made"
    try:
        with files_of(config.storage).local(job.path, max_bytes=config.media.max_bytes) as path:
            if file_sha256(path) != job.content_sha256:
                raise MediaError(FailureKind.CHANGING, "has changed since it was indexed")
            with PyavVideo.open(path, config.media, sound=False) as video:
                pixels = video.picture_at(job.at_ms)
    except ReelshelfError as error:
        return str(error)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        # What decoders raise: one bad video costs its own poster alone.
        return f"{type(error).__name__}: {error}"
    if pixels is None:
        return f"no frame can be decoded at {job.at_ms} ms"
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    # Whoever reads it meanwhile finds all of it, or nothing.
    part = job.target.with_suffix(f".{os.getpid()}.part")
    picture.save(part, "JPEG", quality=_QUALITY, optimize=True)
    part.replace(job.target)
    return None


def _remove_others(snapshot: ReleaseSnapshot, folder: Path) -> int:
    """Remove posters of bytes that are of no video of the release; what was erased leaves here."""
    names = [path.name for path in folder.iterdir() if _OURS.fullmatch(path.name)]
    held = snapshot.scan("videos", ["content_sha256"])["content_sha256"]
    hashes = pa.array([name[:64] for name in names], held.type)
    others = pc.invert(pc.is_in(hashes, value_set=held)).to_pylist()
    for name, is_other in zip(names, others, strict=True):
        if is_other:
            (folder / name).unlink(missing_ok=True)
    return sum(others)
