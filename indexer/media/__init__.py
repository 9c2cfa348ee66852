"""Videos as files: decoding, shots, frame sampling, audio."""

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.pyav import PyavVideo

__all__ = [
    "PyavVideo",
    "decode_video",
]
