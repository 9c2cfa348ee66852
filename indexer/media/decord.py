"""Decoding with decord, the second backend.

decord has no sound worth using, no word on damaged packets and no AV1; container facts and sound
come from PyAV. It applies rotation metadata itself. See docs/adr/0003.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import cv2
import decord

from reelshelf.indexer.media.decoder import LOOK_SIDE, TICK_MS, Look, StreamItem, scaled_size
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import AudioChunk, Chunk, Pixels


class DecordVideo:
    """Frames from decord, everything else from PyAV.

    decord scales while it decodes, so its frames have one size: that of the encoder.
    """

    corrupt_packets = 0
    clock_jumps = 0

    def __init__(
        self,
        path: Path,
        probe: PyavVideo,
        config: MediaConfig,
        *,
        sound: bool = True,
        chunk: Chunk | None = None,
    ) -> None:
        self._probe = probe
        self._chunk = chunk
        self._with_sound = sound
        self.info = probe.info
        # Those of tracks are read with packets, which decord does not show.
        self.cues = probe.cues
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
        cls,
        path: Path,
        config: MediaConfig,
        *,
        sound: bool = True,
        language: str | None = None,
        chunk: Chunk | None = None,
    ) -> Iterator["DecordVideo"]:
        """Open a file, or raise MediaError with the reason it is no video."""
        with PyavVideo.open(path, config, sound=sound, language=language, chunk=chunk) as probe:
            yield cls(path, probe, config, sound=sound, chunk=chunk)

    @property
    def sound_end_ms(self) -> int:
        """The end of the sound, where it was decoded."""
        return self._probe.sound_end_ms

    @property
    def track_count(self) -> int:
        """How many tracks of sound there are."""
        return self._probe.track_count

    def stream(self) -> Iterator[StreamItem]:
        """All frames first, then the sound."""
        spans = self._reader.get_frame_timestamp(range(len(self._reader)))
        next_tick = 0
        for index, (start, end) in enumerate(spans):
            time_ms = round(float(start) * 1000)
            if self._chunk is not None and not self._chunk.holds(time_ms):
                continue
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
            yield Look(time_ms, _scaled(pixels, LOOK_SIDE), partial(_scaled, pixels))
        if self._with_sound:
            yield from self._probe.sound()

    def sound(self, track: int = 0) -> Iterator[AudioChunk]:
        """Only the sound, which PyAV decodes."""
        return self._probe.sound(track)


def _scaled(pixels: Pixels, side: int | None) -> Pixels:
    height, width = pixels.shape[:2]
    if side is None or max(height, width) <= side:
        return pixels
    return cv2.resize(pixels, scaled_size(width, height, side), interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]
