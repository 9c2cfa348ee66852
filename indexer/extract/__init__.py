"""From decoded videos to segments, and from products to vectors: the models' part of the work."""

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.child import DecodeProcess
from reelshelf.indexer.extract.hotwords import Hotwords
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.post_text import post_fingerprint
from reelshelf.indexer.extract.products import (
    LARGEST_PICTURE,
    encode_picture,
    encode_product_texts,
    row_fingerprint,
    text_fingerprint,
)
from reelshelf.indexer.extract.work import failed, files_of

__all__ = [
    "LARGEST_PICTURE",
    "DecodeProcess",
    "Hotwords",
    "Meter",
    "encode_picture",
    "encode_product_texts",
    "failed",
    "files_of",
    "post_fingerprint",
    "row_fingerprint",
    "text_fingerprint",
    "work",
]
