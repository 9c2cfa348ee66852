"""The GPUs that FAISS has: what is given to them, and what is not.

Clustering and assignment compare every vector with every centroid, which is nearly all of the
work; flat indexes do that, spread over all GPUs of the node. Codes are made on the CPU from what
was assigned: a vector is compared with 256 codes there and with thousands of centroids here, and
FAISS's kernels take neither profile's frames (docs/adr/0033).

Not run on a GPU yet. The calls of a GPU are behind `Gpus`, which a test replaces.
"""

import logging
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from reelshelf.schemas.errors import ModelUnavailable

_LOG = logging.getLogger(__name__)

_TEMPORARY_BYTES = 256 * 1024**2

if TYPE_CHECKING:
    import faiss


class Gpus(Protocol):
    """What FAISS may use beside the CPU."""

    @property
    def count(self) -> int:
        """How many there are; 0 without any."""
        ...

    def spread(self, index: "faiss.Index") -> "faiss.Index":
        """A flat index on all of them, with the vectors that it has; itself where there are none.

        Whoever gets it has to keep it for as long as FAISS uses it.
        """
        ...


class NoGpus:
    """A machine without a GPU, or one whose GPUs are not to be used."""

    count = 0

    def spread(self, index: "faiss.Index") -> "faiss.Index":
        """The index as it is."""
        return index


class NodeGpus:
    """All GPUs of this node."""

    def __init__(self) -> None:
        import faiss

        self.count = int(faiss.get_num_gpus())
        # One for each GPU and for all indexes. Models may still hold the rest of the memory.
        self._resources = [faiss.StandardGpuResources() for _ in range(self.count)]
        for resources in self._resources:
            resources.setTempMemory(_TEMPORARY_BYTES)

    def spread(self, index: "faiss.Index") -> "faiss.Index":
        """Each GPU has all centroids, and gets its part of the vectors."""
        import faiss

        return faiss.index_cpu_to_gpu_multiple_py(self._resources, index)


def gpus_for(wanted: Literal["auto", "cpu", "cuda"]) -> Gpus:
    """What FAISS is to use. Raises ModelUnavailable where a GPU is asked for and it has none.

    With "auto" a warning says why GPUs that are there are not used.
    """
    if wanted == "cpu":
        return NoGpus()
    try:
        import faiss
    except ImportError as error:
        # Of the GPU build, where CUDA's libraries are not there.
        raise ModelUnavailable(
            f"FAISS cannot be loaded: {error}; install 'faiss-cpu', or the GPU build with CUDA's "
            'libraries as README.md says under "GPUs"'
        ) from error
    if not hasattr(faiss, "StandardGpuResources"):
        if wanted == "cuda":
            raise _in_vain("its CPU build is installed")
        return NoGpus()
    try:
        gpus = NodeGpus()
        if gpus.count:
            _ask(gpus)
            return gpus
    except RuntimeError as error:  # of CUDA: no kernel for this GPU, or no memory left
        if wanted == "cuda":
            raise _in_vain(str(error)) from error
        _LOG.warning("FAISS runs on the CPU: %s", error)
        return NoGpus()
    if wanted == "cuda":
        raise _in_vain("it finds no GPU or driver")
    return NoGpus()


def _ask(gpus: Gpus) -> None:
    """Ask GPUs which of eight points each of them is. Raises RuntimeError for a wrong answer."""
    import faiss

    points = np.eye(8, dtype=np.float32)
    flat = faiss.IndexFlatL2(8)
    flat.add(points)
    _, found = gpus.spread(flat).search(points, 1)
    if found[:, 0].tolist() != list(range(8)):
        raise RuntimeError("its GPUs give wrong answers to a known question")


def _in_vain(why: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"engine.index_device is 'cuda' but FAISS does not run on a GPU: {why}; install the GPU "
        'build as README.md says under "GPUs", or set engine.index_device to "cpu" or "auto"'
    )
