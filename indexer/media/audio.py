"""Putting decoded sound where it was heard.

Chunks carry presentation times. Sound that starts late, or lost packets, would otherwise slide a
transcript away from the pictures; silence fills the gaps. Samples are 16-bit and gathered in one
growing buffer: an hour takes 115 MB and is never copied.
"""

from dataclasses import dataclass, field

import numpy as np

from reelshelf.schemas.media import SAMPLE_RATE, AudioChunk, Samples

# Rounding of timestamps makes neighbors a few samples apart; only real gaps are filled.
_TOLERANCE = SAMPLE_RATE // 20
_SAMPLE_BYTES = 2


@dataclass(slots=True)
class SoundTrack:
    """Feed it chunks in order with `add`; take the samples with `finish`."""

    max_ms: int
    _buffer: bytearray = field(default_factory=bytearray)
    _heard: bool = False
    _over: bool = False

    def add(self, chunk: AudioChunk) -> None:
        """Append one chunk at its time. After the limit nothing is kept."""
        start = chunk.start_ms * SAMPLE_RATE // 1000
        samples = chunk.samples
        if start < 0:
            samples, start = samples[-start:], 0
        at = len(self._buffer) // _SAMPLE_BYTES
        limit = self.max_ms * SAMPLE_RATE // 1000
        self._over = self._over or start > limit or at > limit
        if self._over:
            return
        self._heard = True
        if start > at + _TOLERANCE:
            self._buffer.extend(bytes((start - at) * _SAMPLE_BYTES))
        self._buffer.extend(np.ascontiguousarray(samples, np.int16).data)

    def finish(self) -> Samples | None:
        """16 kHz samples from time 0, cut at `max_ms`; None where there is no sound."""
        if not self._heard:
            return None
        limit = self.max_ms * SAMPLE_RATE // 1000
        return np.frombuffer(self._buffer, np.int16)[:limit]
