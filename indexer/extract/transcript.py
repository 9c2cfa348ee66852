"""Speech cut into sentences.

A recognizer ends an utterance where it likes: often after two or three sentences. A sentence names
one product or none, so it is what is compared with the catalog, and its span is the moment.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from reelshelf.schemas.segments import Utterance

# After Latin punctuation a space ends a sentence ("3.5" does not); CJK writes none.
_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


def sentences_of(utterances: Iterable[Utterance]) -> tuple[Utterance, ...]:
    """Each sentence as an utterance of its own; its span is its share of the letters."""
    return tuple(sentence for utterance in utterances for sentence in _split(utterance))


def _split(utterance: Utterance) -> Iterable[Utterance]:
    parts = [part for part in _END.split(utterance.text) if part.strip()]
    letters = sum(len(part) for part in parts)
    length = utterance.end_ms - utterance.start_ms
    said = 0
    for part in parts:
        start = utterance.start_ms + length * said // letters
        said += len(part)
        end = utterance.start_ms + length * said // letters
        yield replace(utterance, text=part.strip(), start_ms=start, end_ms=end)
