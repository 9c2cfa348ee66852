"""all-MiniLM-L6-v2 for queries: one short sentence at a time, on the CPU, without torch.

ONNX Runtime keeps the weights as its products read them. NumPy, which arranges them anew for each
query, takes twice as long for short ones. Vectors are those of `reelshelf.models.minilm` to 1e-5,
which a test holds.
"""

from collections.abc import Sequence

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from reelshelf.models import minilm_facts as facts
from reelshelf.models import minilm_graph
from reelshelf.models.runtime import onnx_session
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef

_EPSILON = 1e-12


class MiniLMQueries:
    """Queries to 384-dimensional unit vectors, on the CPU."""

    device: Device = "cpu"

    def __init__(self) -> None:
        folder = package_dir(facts.PACKAGE, distribution=facts.DISTRIBUTION, extra="offline")
        weights = checked_file(folder / "model" / "model.safetensors", facts.SHA256)
        graph = minilm_graph.build(load_file(weights)).SerializeToString()
        self._session = onnx_session(graph, device="cpu", threads=1)
        self._tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
        self._tokenizer.enable_truncation(facts.MAX_TOKENS)
        self._tokenizer.no_padding()
        self.ref: ModelRef = facts.REF

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts, one by one, into `(n, 384)` unit vectors."""
        vectors = np.empty((len(texts), facts.DIM), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._encode(text[: facts.LONGEST_TEXT])
        return vectors

    def has_word(self, word: str) -> bool:
        """Whether a word stands in the vocabulary whole; misspelled ones are made of pieces."""
        return self._tokenizer.token_to_id(word) is not None

    def _encode(self, text: str) -> Vectors:
        ids = np.array(self._tokenizer.encode(text).ids, np.int64)
        (mean,) = self._session.run([minilm_graph.VECTOR], {minilm_graph.IDS: ids})
        return np.asarray(mean / max(float(np.linalg.norm(mean)), _EPSILON), np.float32)
