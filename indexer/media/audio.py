"""Putting decoded sound where it was heard, and two channels into one.

Chunks carry presentation times. Sound that starts late, or lost packets, would otherwise slide a
transcript away from the pictures; silence fills the gaps. Samples are 16-bit and gathered in one
growing buffer that is never copied.

Channels are mixed at the end, second by second: the mean of both would halve a voice that is in one
of them, and lose it where they are in opposite phase.
"""

from dataclasses import dataclass, field

import numpy as np

from reelshelf.schemas.media import SAMPLE_RATE, AudioChunk, Samples

# Rounding of timestamps makes neighbors a few samples apart; only real gaps are filled.
_TOLERANCE = SAMPLE_RATE // 20
_SAMPLE_BYTES = 2
# The mean of two channels may have so much less energy than they have before it counts as lost.
_CANCELED = 0.1
# As root mean square of 16 bits: below it is the noise of an encoder and not a room.
_SILENCE = 3.0


@dataclass(slots=True)
class SoundTrack:
    """Feed it chunks in order with `add`; take the samples with `finish`.

    They begin at `start_ms`, and no more than `max_ms` of them are kept.
    """

    max_ms: int
    start_ms: int = 0
    _buffer: bytearray = field(default_factory=bytearray)
    _channels: int = 1
    _heard: bool = False
    _over: bool = False

    def add(self, chunk: AudioChunk) -> None:
        """Append one chunk at its time. After the limit nothing is kept.

        Chunks are `(n,)` or, of two channels, `(n, 2)`; all of one track alike.
        """
        start = (chunk.start_ms - self.start_ms) * SAMPLE_RATE // 1000
        samples = chunk.samples
        if start < 0:
            samples, start = samples[-start:], 0
        if not self._heard:
            self._channels = 1 if samples.ndim == 1 else samples.shape[1]
        frame_bytes = _SAMPLE_BYTES * self._channels
        at = len(self._buffer) // frame_bytes
        limit = self.max_ms * SAMPLE_RATE // 1000
        self._over = self._over or start > limit or at > limit
        if self._over:
            return
        self._heard = True
        if start > at + _TOLERANCE:
            self._buffer.extend(bytes((start - at) * frame_bytes))
        self._buffer.extend(np.ascontiguousarray(samples, np.int16).data.cast("B"))

    def finish(self) -> Samples | None:
        """16 kHz samples from `start_ms` on; None where there is no sound."""
        if not self._heard:
            return None
        limit = self.max_ms * SAMPLE_RATE // 1000
        samples = np.frombuffer(self._buffer, np.int16)
        if self._channels > 1:
            return _mixed(samples.reshape(-1, self._channels)[:limit])
        return samples[:limit]


def is_silent(samples: Samples | None) -> bool:
    """Whether there is nothing to be heard, anywhere."""
    if samples is None or not len(samples):
        return True
    return all(
        _level(samples[at : at + SAMPLE_RATE]) < _SILENCE
        for at in range(0, len(samples), SAMPLE_RATE)
    )


def _mixed(samples: Samples) -> Samples:
    """`(n, 2)` to `(n,)`: each second as the mean of both channels, or the louder one."""
    mixed = np.empty(len(samples), np.int16)
    for at in range(0, len(samples), SAMPLE_RATE):
        second = samples[at : at + SAMPLE_RATE].astype(np.float32)
        energies = np.square(second).mean(axis=0)
        mean = second.mean(axis=1)
        if np.square(mean).mean() < _CANCELED * energies.mean():
            mean = second[:, energies.argmax()]
        elif energies.min() < _CANCELED**2 * energies.max():
            # Only one of them sounds.
            mean = second[:, energies.argmax()]
        mixed[at : at + SAMPLE_RATE] = mean
    return mixed


def _level(samples: Samples) -> float:
    return float(np.sqrt(np.square(samples.astype(np.float32)).mean()))
