"""Which device a model runs on, asked of the model itself, and wheels that must not be mixed.

What a framework was compiled for says little: a GPU build of ONNX Runtime without CUDA's libraries
runs on the CPU and succeeds. So a model is loaded, its device is read back, and where that is not
the one that was asked for, it is an error with what to install. Not run on a GPU yet.
"""

import importlib.metadata
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import ModelUnavailable

if TYPE_CHECKING:
    import onnxruntime

INSTALL = (
    'install the GPU build as README.md says under "GPUs" (`uv pip install -c constraints-gpu.txt'
    " --override overrides-gpu.txt '.[index,ray,gpu,offline]'`), or set models.device to "
    '"cpu" or "auto"'
)
# How cuDNN looks for the fastest convolution: trying all of them anew for each new size of a
# picture takes longer than it saves.
CUDNN_SEARCH = "HEURISTIC"
_CUDA_PROVIDER = "CUDAExecutionProvider"

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
                f"Run `pip uninstall {pair[0]} {pair[1]}` and install the one you want (on GPU "
                'machines as README.md says under "GPUs")'
            )


def _installed() -> set[str]:
    found = (dist.metadata["Name"] for dist in importlib.metadata.distributions())
    return {name.lower().replace("_", "-") for name in found if name}


def torch_device(wanted: str) -> Device:
    """The torch device for "auto", "cpu" or "cuda"; an error where that GPU is not there."""
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"is built for CUDA {built} and finds no GPU or driver" if built else "is a CPU build"
        raise not_on_gpu("torch", f"torch {torch.__version__} {why}")
    return "cuda"


def sees_gpu() -> bool:
    """Whether this machine has a GPU for what runs beside torch."""
    import torch

    return bool(torch.cuda.is_available())


def any_driver() -> bool:
    """Whether any library finds a GPU, whichever CUDA it is built for."""
    if sees_gpu():
        return True
    try:
        import ctranslate2
    except ImportError:
        return False
    return int(ctranslate2.get_cuda_device_count()) > 0


def not_on_gpu(what: str, why: str) -> ModelUnavailable:
    """The error of a model that was asked to run on a GPU and does not."""
    return ModelUnavailable(
        f"models.device is 'cuda' but {what} does not run on a GPU: {why}; {INSTALL}"
    )


@lru_cache(maxsize=1)
def preload_cuda() -> None:
    """Load CUDA's libraries from the wheels that brought them, once in a process.

    ONNX Runtime and CTranslate2 open them by name, and the loader does not look inside of wheels;
    it takes what the process has loaded already.
    """
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls") and _CUDA_PROVIDER in _compiled_in():
        onnxruntime.preload_dlls()


def _compiled_in() -> list[str]:
    import onnxruntime

    return list(onnxruntime.get_available_providers())


def onnx_session(model: bytes, *, device: str, threads: int) -> "onnxruntime.InferenceSession":
    """A session on the CPU, or on CUDA where asked; for "auto", where there is a GPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    if on_gpu(device):
        providers.insert(0, (_CUDA_PROVIDER, {"cudnn_conv_algo_search": CUDNN_SEARCH}))
    # A session that is made of bytes keeps them, beside the weights that it has made of them.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    session_device(session, device)
    return session


def on_gpu(wanted: str) -> bool:
    """Whether ONNX Runtime is to use a GPU, with CUDA's libraries loaded if so.

    For "auto", where there is one and the build can. Raises ModelUnavailable where one is asked for
    and ONNX Runtime is a CPU build.
    """
    if wanted == "cpu":
        return False
    can = _CUDA_PROVIDER in _compiled_in()
    if wanted == "cuda" and not can:
        raise not_on_gpu("ONNX Runtime", "its CPU build is installed")
    if wanted == "auto" and not (can and sees_gpu()):
        return False
    preload_cuda()
    return True


def session_device(session: "onnxruntime.InferenceSession", wanted: str) -> Device:
    """What a session runs on. Raises ModelUnavailable where a GPU was asked for in vain."""
    import onnxruntime

    if _CUDA_PROVIDER in session.get_providers():
        return "cuda"
    if wanted == "cuda":
        raise not_on_gpu(
            "ONNX Runtime",
            f"onnxruntime-gpu {onnxruntime.__version__} cannot load CUDA 12 and cuDNN 9, or finds "
            "no GPU, and runs on the CPU",
        )
    return "cpu"
