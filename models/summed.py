"""Two sentence encoders as one space, in which the cosine is the mean of theirs.

A vector is both of theirs, one behind the other, each of length `sqrt(1/2)`. MiniLM knows English
best, and the Universal Sentence Encoder fifteen more languages; together they find more than either
alone (docs/benchmarks.md).
"""

from collections.abc import Sequence

import numpy as np

from reelshelf.models.protocols import TextEncoder
from reelshelf.schemas.devices import Device
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef


class SummedEncoders:
    """Sentences to unit vectors of two encoders at once; it runs where the first does."""

    def __init__(self, first: TextEncoder, second: TextEncoder) -> None:
        self._first, self._second = first, second
        self.device: Device = first.device
        refs = first.ref, second.ref
        self.ref = ModelRef(
            name="+".join(ref.name for ref in refs),
            revision="+".join(str(ref.revision) for ref in refs),
            sha256=fingerprint([ref.sha256 for ref in refs]),
            dim=sum(ref.dim for ref in refs),
            preprocessing="; ".join(str(ref.preprocessing) for ref in refs),
            space="+".join(ref.space for ref in refs),
        )

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, dim)` unit vectors."""
        both = [encoder.encode_texts(texts) for encoder in (self._first, self._second)]
        return np.asarray(np.concatenate(both, axis=1) * np.sqrt(0.5), np.float32)

    def has_word(self, word: str) -> bool:
        """Whether a word has a meaning of its own; to the second only in letters beyond ASCII.

        Misspelled English is a word of some other language more often than not.
        """
        if word.isascii():
            return self._first.has_word(word)
        return self._second.has_word(word)
