"""all-MiniLM-L6-v2 for queries: the network of `reelshelf.models.minilm` in NumPy, without torch.

A query is one short sentence, and the time it takes is that of reading the weights: these lie as
the products read them. Vectors are those of torch to 1e-5, which a test holds.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from reelshelf.models import minilm_facts as facts
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef

Floats: TypeAlias = npt.NDArray[np.float32]
_EPSILON = 1e-12
_OF_ATTENTION = ("query", "key", "value")
_ERF = tuple(map(np.float32, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))


class MiniLMQueries:
    """Queries to 384-dimensional unit vectors, on the CPU."""

    device: Device = "cpu"

    def __init__(self) -> None:
        folder = package_dir(facts.PACKAGE, distribution=facts.DISTRIBUTION, extra="offline")
        weights = checked_file(folder / "model" / "model.safetensors", facts.SHA256)
        self._state: Mapping[str, Floats] = _as_multiplied(load_file(weights))
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
        hidden = self._embed(self._tokenizer.encode(text).ids)
        for layer in range(facts.LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{layer}.")
        pooled = hidden.mean(axis=0)
        return np.asarray(pooled / max(float(np.linalg.norm(pooled)), _EPSILON), np.float32)

    def _embed(self, ids: Sequence[int]) -> Floats:
        state = self._state
        words = state["embeddings.word_embeddings.weight"][ids]
        places = state["embeddings.position_embeddings.weight"][: len(ids)]
        kind = state["embeddings.token_type_embeddings.weight"][0]
        return self._norm(words + places + kind, "embeddings.")

    def _layer(self, hidden: Floats, name: str) -> Floats:
        tokens, width = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{name}attention.self")
            .reshape(tokens, len(_OF_ATTENTION), facts.HEADS, width // facts.HEADS)
            .transpose(1, 2, 0, 3)
        )
        likeness = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(width // facts.HEADS))
        shares = np.exp(likeness - likeness.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        seen = (shares @ value).transpose(1, 0, 2).reshape(tokens, width)
        seen = self._linear(seen, f"{name}attention.output.dense")
        hidden = self._norm(hidden + seen, f"{name}attention.output.")
        wide = _gelu(self._linear(hidden, f"{name}intermediate.dense"))
        return self._norm(hidden + self._linear(wide, f"{name}output.dense"), f"{name}output.")

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._state[f"{name}.weight"] + self._state[f"{name}.bias"])

    def _norm(self, x: Floats, name: str) -> Floats:
        centered = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centered**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        weight, bias = (self._state[f"{name}LayerNorm.{part}"] for part in ("weight", "bias"))
        return np.asarray(centered / spread * weight + bias)


def _as_multiplied(state: Mapping[str, Floats]) -> Mapping[str, Floats]:
    """The weights as activations are multiplied by them.

    Those that the same activations are multiplied by are one matrix: one product reads them.
    """
    found = {
        name: np.ascontiguousarray(value.T) if _is_product(name) else value
        for name, value in state.items()
    }
    for layer in range(facts.LAYERS):
        own = f"encoder.layer.{layer}.attention.self."
        for kind in ("weight", "bias"):
            parts = [found.pop(f"{own}{part}.{kind}") for part in _OF_ATTENTION]
            found[f"{own}{kind}"] = np.concatenate(parts, axis=-1)
    return found


def _is_product(name: str) -> bool:
    """Whether a weight is one that activations are multiplied by."""
    return name.startswith("encoder.") and name.endswith("weight") and "LayerNorm" not in name


def _gelu(x: Floats) -> Floats:
    """Gaussian error linear units (Hendrycks and Gimpel, 2016).

    The error function is that of Abramowitz and Stegun, "Handbook of Mathematical Functions",
    7.1.26, which is right to 1.5e-7.
    """
    # In place: what is written once lies in the cache.
    of = np.abs(x)
    of *= np.float32(np.sqrt(0.5))
    t = np.float32(0.3275911) * of
    t += np.float32(1.0)
    np.reciprocal(t, out=t)
    series = np.full_like(t, _ERF[0])
    for term in _ERF[1:]:
        series *= t
        series += term
    series *= t
    of *= of
    np.negative(of, out=of)
    series *= np.exp(of, out=of)
    # erf(|x|) = 1 - series, and erf(-x) = -erf(x).
    np.subtract(np.float32(1.0), series, out=series)
    np.copysign(series, x, out=series)
    series += np.float32(1.0)
    series *= x
    series *= np.float32(0.5)
    return series
