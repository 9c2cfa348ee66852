"""Putting decoded sound where it was heard.

Chunks carry presentation times. Sound that starts late, or lost packets, would otherwise slide a
transcript away from the pictures; silence fills the gaps.
"""

from collections.abc import Sequence

import numpy as np

from schemas.media import SAMPLE_RATE, AudioChunk, Samples

# Rounding of timestamps makes neighbours a few samples apart; only real gaps are filled.
_TOLERANCE = SAMPLE_RATE // 20


def assemble(chunks: Sequence[AudioChunk], *, max_ms: int) -> Samples | None:
    """One array of 16 kHz samples from time 0, cut at `max_ms`; None where there is no sound."""
    parts: list[Samples] = []
    at = 0
    limit = max_ms * SAMPLE_RATE // 1000
    for chunk in chunks:
        start = chunk.start_ms * SAMPLE_RATE // 1000
        samples = chunk.samples
        if start < 0:
            samples, start = samples[-start:], 0
        if start > limit or at > limit:
            break
        if start > at + _TOLERANCE:
            parts.append(np.zeros(start - at, np.float32))
            at = start
        parts.append(samples)
        at += len(samples)
    if not parts:
        return None
    joined = np.concatenate(parts)[:limit]
    # A damaged track may decode to NaN or to huge values, which no recogniser expects.
    return np.clip(np.nan_to_num(joined), -1.0, 1.0)
