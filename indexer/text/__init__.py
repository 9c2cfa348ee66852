"""Text from strangers and words of our own: cleaning, one analyzer, names, wording."""

from reelshelf.indexer.text import wording
from reelshelf.indexer.text.analyzer import STOPWORDS, words
from reelshelf.indexer.text.catalog import CatalogIndex
from reelshelf.indexer.text.clean import as_known, clean_text, decode_entities, printable, same_id
from reelshelf.indexer.text.names import find_names
from reelshelf.indexer.text.wording import (
    brief,
    clock,
    counted,
    describe,
    flat,
    hours,
    instant,
    modalities,
    number,
    seconds,
    share,
)

__all__ = [
    "STOPWORDS",
    "CatalogIndex",
    "as_known",
    "brief",
    "clean_text",
    "clock",
    "counted",
    "decode_entities",
    "describe",
    "find_names",
    "flat",
    "hours",
    "instant",
    "modalities",
    "number",
    "printable",
    "same_id",
    "seconds",
    "share",
    "wording",
    "words",
]
