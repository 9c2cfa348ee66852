"""Which decoding backends there are. decord is imported when it is asked for."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from reelshelf.indexer.media.container import Source
from reelshelf.indexer.media.decoder import OpenVideo, check_file
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Chunk


class Opener(Protocol):
    """How a backend opens a file."""

    def __call__(
        self,
        path: Path,
        config: MediaConfig,
        *,
        sound: bool,
        language: str | None,
        chunk: Chunk | None,
    ) -> AbstractContextManager[OpenVideo]:
        """Open a file; see `open_video`."""
        ...


def open_video(
    source: Source,
    config: MediaConfig,
    *,
    sound: bool = True,
    language: str | None = None,
    chunk: Chunk | None = None,
) -> AbstractContextManager[OpenVideo]:
    """Open a file with the configured backend, after the checks that need no decoder.

    Pieces of files are opened with PyAV.

    Without `sound` its stream has pictures only, and no sound is decoded. Of several sound tracks
    one in `language` comes first. Of a `chunk` nothing else is decoded.

    Raises MediaError where the file cannot be a video we index.
    """
    if isinstance(source, tuple):
        return PyavVideo.open(source, config, sound=sound, language=language, chunk=chunk)
    check_file(source, config)
    opener = _BACKENDS[config.backend]
    return opener(source, config, sound=sound, language=language, chunk=chunk)


def _open_pyav(
    path: Path, config: MediaConfig, *, sound: bool, language: str | None, chunk: Chunk | None
) -> AbstractContextManager[OpenVideo]:
    return PyavVideo.open(path, config, sound=sound, language=language, chunk=chunk)


def _open_decord(
    path: Path, config: MediaConfig, *, sound: bool, language: str | None, chunk: Chunk | None
) -> AbstractContextManager[OpenVideo]:
    from reelshelf.indexer.media.decord import DecordVideo

    return DecordVideo.open(path, config, sound=sound, language=language, chunk=chunk)


_BACKENDS: Mapping[str, Opener] = {"pyav": _open_pyav, "decord": _open_decord}
