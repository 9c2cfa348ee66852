"""Two sentence encoders as one space, in which the cosine is the mean of theirs.

A vector is both of theirs, one behind the other. The first knows one language best, the second
many. A text of which the first knows hardly a word would get a vector by chance from it: so the
first one counts as far as it knows the words, and the second alone where it knows none. Together
they find more than either alone (docs/benchmarks.md).
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from reelshelf.models.protocols import TextEncoder
from reelshelf.schemas.devices import Device
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef

# The first counts in full from this share of letters in words that it knows whole, and not at all
# below the other. English titles lie above .5, those of ten other languages below .4.
_NOTHING, _ALL = 0.3, 0.6
_LOOKED_AT = 1_000  # characters
_WORD = re.compile(r"[^\W\d_]+")


class SummedEncoders:
    """Sentences to unit vectors of two encoders at once; it runs where the first does."""

    def __init__(self, first: TextEncoder, second: TextEncoder) -> None:
        self._first, self._second = first, second
        self.device: Device = first.device
        refs = first.ref, second.ref
        self.ref = ModelRef(
            name="+".join(ref.name for ref in refs),
            revision="+".join(ref.revision for ref in refs),
            sha256=fingerprint([ref.sha256 for ref in refs]),
            dim=sum(ref.dim for ref in refs),
            preprocessing="; ".join(ref.preprocessing for ref in refs)
            + f"; the first from {_NOTHING} to {_ALL} of words known",
            space="+".join(ref.space for ref in refs),
        )

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, dim)` unit vectors."""
        known = np.array([self._known(text) for text in texts], np.float32)
        first = np.clip((known - _NOTHING) / (_ALL - _NOTHING), 0.0, 1.0)
        weights: npt.NDArray[np.float32] = np.stack([first, np.ones_like(first)], axis=1)
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)
        both = [
            encoder.encode_texts(texts) * weights[:, place, None]
            for place, encoder in enumerate((self._first, self._second))
        ]
        return np.asarray(np.concatenate(both, axis=1), np.float32)

    def has_word(self, word: str) -> bool:
        """Whether a word has a meaning of its own; to the second only in letters beyond ASCII.

        Misspelled English is a word of some other language more often than not.
        """
        if word.isascii():
            return self._first.has_word(word)
        return self._second.has_word(word)

    def _known(self, text: str) -> float:
        """The share of a text's letters that stand in words which the first knows whole."""
        words = _WORD.findall(text[:_LOOKED_AT].lower())
        known = sum(len(w) for w in words if w.isascii() and self._first.has_word(w))
        # A text without any word says nothing of its language.
        return known / sum(map(len, words)) if words else 1.0
