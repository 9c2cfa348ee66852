"""ONNX Runtime sessions, the device a model runs on, and wheels that must not be mixed."""

import importlib.metadata
from typing import TYPE_CHECKING

from reelshelf.schemas.errors import ModelUnavailable

if TYPE_CHECKING:
    import onnxruntime

# Wheels of two flavours install the same module over each other; which one wins is chance.
_CLASHES = (("faiss-cpu", "faiss-gpu"), ("onnxruntime", "onnxruntime-gpu"), ("decord", "decord2"))
# faiss-gpu is published under names that carry the CUDA version.
_ALIASES = {"faiss-gpu-cu12": "faiss-gpu", "faiss-gpu-cu11": "faiss-gpu"}


def check_flavours(installed: set[str] | None = None) -> None:
    """Raise ModelUnavailable where two flavours of one wheel are installed at once."""
    names = _installed() if installed is None else installed
    names = {_ALIASES.get(name, name) for name in names}
    for pair in _CLASHES:
        if names.issuperset(pair):
            raise ModelUnavailable(
                f"both {pair[0]} and {pair[1]} are installed; they overwrite each other's files. "
                f"Run `pip uninstall {pair[0]} {pair[1]}` and install the one you want"
                " (on GPU machines with `-c constraints-gpu.txt`)"
            )


def _installed() -> set[str]:
    found = (dist.metadata["Name"] for dist in importlib.metadata.distributions())
    return {name.lower().replace("_", "-") for name in found if name}


def torch_device(wanted: str) -> str:
    """The torch device for "auto", "cpu" or "cuda"; an error where that GPU is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ModelUnavailable(
            "models.device is 'cuda' but torch sees no GPU; use 'cpu' or 'auto', or install a "
            "CUDA build of torch and its driver"
        )
    return wanted


def onnx_session(model: bytes, *, device: str, threads: int) -> "onnxruntime.InferenceSession":
    """A session on the CPU, or on CUDA where asked and available."""
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if device == "cuda" and "CUDAExecutionProvider" not in available:
        raise ModelUnavailable(
            "models.device is 'cuda' but ONNX Runtime has no CUDA provider; install "
            "onnxruntime-gpu in place of onnxruntime"
        )
    use_cuda = device != "cpu" and "CUDAExecutionProvider" in available
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = (["CUDAExecutionProvider"] if use_cuda else []) + ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers=providers)
