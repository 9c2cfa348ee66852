"""On this machine, with the real GPU builds: whoever asks for a GPU is told that there is none.

Every model and FAISS, each in a process that imports the GPU wheel in front of the CPU one.
"""

import pytest

from tests.support.gpu_wheels import GpuWheels, run_with

pytestmark = pytest.mark.integration

_START = """
import torch
assert not torch.cuda.is_available()
from reelshelf.models import registry
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.errors import ModelUnavailable
config = parse_config({"models": {"device": DEVICE}})
"""
_ASK = """
try:
    CALL
except ModelUnavailable as error:
    print(error)
else:
    raise SystemExit("it runs, and nobody knows where")
"""
_CALLS = {
    "image": "registry._image(config)",
    "text": "registry._text(config)",
    "asr": "registry._wheel_whisper(config.models.asr, config)",
    "ocr": "registry.load_text_reader(config)",
    "open_clip": (
        "from reelshelf.models.openclip import torch_device; torch_device(config.models.device)"
    ),
}


@pytest.fixture(autouse=True)
def _no_gpu() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")


@pytest.mark.slow
@pytest.mark.parametrize("role", _CALLS)
def test_a_model_that_is_to_run_on_a_gpu_does_not_fall_back(
    role: str, gpu_wheels: GpuWheels
) -> None:
    code = _START.replace("DEVICE", '"cuda"') + _ASK.replace("CALL", _CALLS[role])
    done = run_with(gpu_wheels.onnxruntime, code)
    assert done.returncode == 0, done.stderr
    assert "does not run on a GPU" in done.stdout
    assert "constraints-gpu.txt" in done.stdout


def test_the_gpu_build_is_the_one_that_is_asked(gpu_wheels: GpuWheels) -> None:
    code = "import onnxruntime; print(onnxruntime.get_available_providers())"
    assert "CUDAExecutionProvider" in run_with(gpu_wheels.onnxruntime, code).stdout


@pytest.mark.slow
def test_auto_runs_on_the_cpu_with_the_gpu_build_and_says_so(gpu_wheels: GpuWheels) -> None:
    code = _START.replace("DEVICE", '"auto"') + "print(registry.load_models(config).devices.told)"
    # Both builds are installed, as far as their metadata says.
    code = code.replace("config = ", "registry.check_flavours = lambda: None\nconfig = ")
    done = run_with(gpu_wheels.onnxruntime, code)
    assert done.returncode == 0, done.stderr
    assert "image on cpu, text on cpu, asr on cpu, ocr on cpu" in done.stdout


@pytest.mark.slow
def test_faiss_that_is_to_use_a_gpu_does_not_fall_back(gpu_wheels: GpuWheels) -> None:
    start = (
        "from reelshelf.indexer.index.gpus import gpus_for\n"
        "from reelshelf.schemas.errors import ModelUnavailable\n"
    )
    done = run_with(gpu_wheels.faiss, start + _ASK.replace("CALL", 'gpus_for("cuda")'))
    assert done.returncode == 0, done.stderr
    # Without CUDA's libraries beside it, its GPU build cannot even be loaded.
    assert "FAISS cannot be loaded" in done.stdout
    assert "README.md" in done.stdout


def test_the_cpu_build_of_faiss_is_no_gpu() -> None:
    from reelshelf.indexer.index.gpus import gpus_for
    from reelshelf.schemas.errors import ModelUnavailable

    with pytest.raises(ModelUnavailable, match=r"engine\.index_device is 'cuda'"):
        gpus_for("cuda")
    assert gpus_for("auto").count == 0
