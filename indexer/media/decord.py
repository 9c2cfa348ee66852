"""Decoding with decord, the second backend.

decord has no sound worth using, no word on damaged packets and no AV1; container facts and sound
come from PyAV. It applies rotation metadata itself. See docs/adr/0003.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import decord

from reelshelf.indexer.media.decoder import TICK_MS, StreamItem, scaled_size
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import AudioChunk, TimedFrame


class DecordVideo:
    """Frames from decord, everything else from PyAV."""

    corrupt_packets = 0

    def __init__(
        self, path: Path, probe: PyavVideo, config: MediaConfig, *, sound: bool = True
    ) -> None:
        self._probe = probe
        self._with_sound = sound
        self.info = probe.info
        self.frames_decoded = 0
        self.end_ms = 0
        width, height = scaled_size(self.info.width, self.info.height, config.frame_side)
        try:
            # VP9 fails with more than one thread; without a size, decord holds 600 MB of frames.
            self._reader = decord.VideoReader(
                str(path), ctx=decord.cpu(0), num_threads=1, width=width, height=height
            )
        except (decord.DECORDError, RuntimeError) as error:
            raise MediaError(FailureKind.UNSUPPORTED, f"decord cannot open it: {error}") from error

    @classmethod
    @contextmanager
    def open(
        cls, path: Path, config: MediaConfig, *, sound: bool = True
    ) -> Iterator["DecordVideo"]:
        """Open a file, or raise MediaError with the reason it is no video."""
        with PyavVideo.open(path, config, sound=sound) as probe:
            yield cls(path, probe, config, sound=sound)

    def stream(self) -> Iterator[StreamItem]:
        """All frames first, then the sound."""
        spans = self._reader.get_frame_timestamp(range(len(self._reader)))
        next_tick = 0
        for index, (start, end) in enumerate(spans):
            time_ms = round(float(start) * 1000)
            self.frames_decoded += 1
            self.end_ms = max(self.end_ms, round(float(end) * 1000))
            if time_ms < next_tick:
                continue
            next_tick = time_ms + TICK_MS
            try:
                pixels = self._reader[index].asnumpy()
            except (decord.DECORDError, RuntimeError) as error:
                raise MediaError(
                    FailureKind.CORRUPT, f"decord fails at {time_ms} ms: {error}"
                ) from error
            yield TimedFrame(time_ms, pixels)
        if self._with_sound:
            yield from self._probe.sound()

    def sound(self) -> Iterator[AudioChunk]:
        """Only the sound, which PyAV decodes."""
        return self._probe.sound()
