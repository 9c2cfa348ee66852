"""Videos as files: decoding, shots, frame sampling, audio."""

from reelshelf.indexer.media.backends import open_video
from reelshelf.indexer.media.chunks import divided_if_long
from reelshelf.indexer.media.container import Source
from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.decoder import TICK_MS, check_file
from reelshelf.indexer.media.pyav import PyavVideo
from reelshelf.indexer.media.streams import divided_playlist, pieces_of

__all__ = [
    "TICK_MS",
    "PyavVideo",
    "Source",
    "check_file",
    "decode_video",
    "divided_if_long",
    "divided_playlist",
    "open_video",
    "pieces_of",
]
