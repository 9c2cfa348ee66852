"""Which decoding backends there are. A backend's library is imported when it is asked for."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from reelshelf.indexer.media.decoder import OpenVideo, check_file
from reelshelf.schemas.config import MediaConfig

Opener: TypeAlias = Callable[[Path, MediaConfig, bool], AbstractContextManager[OpenVideo]]


def open_video(
    path: Path, config: MediaConfig, *, sound: bool = True
) -> AbstractContextManager[OpenVideo]:
    """Open `path` with the configured backend, after the checks that need no decoder.

    Without `sound` its stream has pictures only, and no sound is decoded.

    Raises MediaError where the file cannot be a video we index.
    """
    check_file(path, config)
    return _BACKENDS[config.backend](path, config, sound)


def _open_pyav(path: Path, config: MediaConfig, sound: bool) -> AbstractContextManager[OpenVideo]:
    from reelshelf.indexer.media.pyav import PyavVideo

    return PyavVideo.open(path, config, sound=sound)


def _open_decord(path: Path, config: MediaConfig, sound: bool) -> AbstractContextManager[OpenVideo]:
    from reelshelf.indexer.media.decord import DecordVideo

    return DecordVideo.open(path, config, sound=sound)


_BACKENDS: Mapping[str, Opener] = {"pyav": _open_pyav, "decord": _open_decord}
