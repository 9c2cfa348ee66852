"""all-MiniLM-L6-v2 from its wheel: a BERT of six layers in plain torch.

The `transformers` package gives the same numbers to 1e-7, but its import alone costs every worker
about six CPU seconds. Architecture: Devlin et al., "BERT", NAACL 2019; mean pooling over tokens as
in Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. A test holds it against transformers.
"""

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn import functional

from reelshelf.models import minilm_facts as facts
from reelshelf.models.batches import SENTENCES
from reelshelf.models.runtime import torch_device
from reelshelf.models.weights import checked_file, package_dir
from reelshelf.schemas.devices import Device
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import ModelRef


class MiniLM:
    """Sentences to 384-dimensional unit vectors."""

    def __init__(
        self, *, device: str = "auto", threads: int = 1, batch: int = 0, share: float = 1.0
    ) -> None:
        folder = package_dir(facts.PACKAGE, distribution=facts.DISTRIBUTION, extra="offline")
        weights = checked_file(folder / "model" / "model.safetensors", facts.SHA256)
        self.device: Device = torch_device(device)
        # One by one on a CPU: as fast as in batches, and a text's vector does not depend, in its
        # last bits, on which other texts happened to be encoded with it.
        self._batch = SENTENCES.size(batch, self.device, share)
        torch.set_num_threads(threads)
        self._state = {k: v.to(self.device) for k, v in load_file(weights).items()}
        self._tokenizer = Tokenizer.from_file(str(folder / "model" / "tokenizer.json"))
        self._tokenizer.enable_truncation(facts.MAX_TOKENS)
        self._tokenizer.enable_padding()
        self.ref: ModelRef = facts.REF

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts into `(n, 384)` unit vectors; only the first 256 tokens count."""
        vectors = np.empty((len(texts), facts.DIM), np.float32)
        # Sorting by length keeps padding, and so work, small.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for start in range(0, len(order), self._batch):
            rows = order[start : start + self._batch]
            vectors[rows] = self._encode([texts[i][: facts.LONGEST_TEXT] for i in rows])
        return vectors

    def has_word(self, word: str) -> bool:
        """Whether a word stands in the vocabulary whole; misspelled ones are made of pieces."""
        return self._tokenizer.token_to_id(word) is not None

    @torch.inference_mode()
    def _encode(self, texts: list[str]) -> Vectors:
        encoded = self._tokenizer.encode_batch(texts)
        ids = torch.tensor([e.ids for e in encoded], device=self.device)
        mask = torch.tensor([e.attention_mask for e in encoded], device=self.device)
        hidden = self._embed(ids)
        for layer in range(facts.LAYERS):
            hidden = self._layer(hidden, mask.bool(), f"encoder.layer.{layer}.")
        weight = mask[:, :, None].to(hidden.dtype)
        pooled = (hidden * weight).sum(1) / weight.sum(1)
        return functional.normalize(pooled, dim=1).cpu().numpy()

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        words = self._state["embeddings.word_embeddings.weight"][ids]
        places = self._state["embeddings.position_embeddings.weight"][: ids.shape[1]]
        kind = self._state["embeddings.token_type_embeddings.weight"][0]
        return self._norm(words + places + kind, "embeddings.")

    def _layer(self, hidden: torch.Tensor, mask: torch.Tensor, name: str) -> torch.Tensor:
        n, tokens, width = hidden.shape
        query, key, value = (
            self._linear(hidden, f"{name}attention.self.{part}")
            .view(n, tokens, facts.HEADS, width // facts.HEADS)
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :]
        )
        seen = self._linear(
            seen.transpose(1, 2).reshape(n, tokens, width), f"{name}attention.output.dense"
        )
        hidden = self._norm(hidden + seen, f"{name}attention.output.")
        wide = functional.gelu(self._linear(hidden, f"{name}intermediate.dense"))
        return self._norm(hidden + self._linear(wide, f"{name}output.dense"), f"{name}output.")

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, self._state[f"{name}.weight"], self._state[f"{name}.bias"])

    def _norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        weight = self._state[f"{name}LayerNorm.weight"]
        bias = self._state[f"{name}LayerNorm.bias"]
        return functional.layer_norm(x, (x.shape[-1],), weight, bias, eps=1e-12)
