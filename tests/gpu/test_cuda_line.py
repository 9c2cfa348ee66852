"""What the extra `gpu` installs is of one CUDA line: the libraries it names are those it brings."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.gpu_wheels import GpuWheels, skip_if_offline

# Libraries of CUDA as binaries name them, the number of their own line at the end.
_SONAME = re.compile(rb"\blib(cublas|cublasLt|cudart|cudnn|cufft|curand)\.so\.(\d+)\b")
# A wheel of NVIDIA's carries the library whose number its own version begins with.
_WHEELS = {
    "cublas": "nvidia-cublas-cu12",
    "cublasLt": "nvidia-cublas-cu12",
    "cudart": "nvidia-cuda-runtime-cu12",
    "cudnn": "nvidia-cudnn-cu12",
    "cufft": "nvidia-cufft-cu12",
    "curand": "nvidia-curand-cu12",
}


def _resolved(python: str, *options: str) -> dict[str, str]:
    """Name and version of everything that the extras bring on a GPU machine."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet"),
            *(f"--extra={extra}" for extra in ("index", "ray", "gpu", "offline")),
            *("--python-version", python, "--python-platform", "x86_64-manylinux_2_28"),
            *("--no-header", "--no-annotate", *options),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    skip_if_offline(done)
    assert done.returncode == 0, done.stderr
    pairs = (line.split("==") for line in done.stdout.splitlines() if "==" in line)
    return {name.strip(): number.strip() for name, number in pairs}


_LINE = ("-c", "constraints-gpu.txt", "--override", "overrides-gpu.txt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("python", "options"), [("3.11", _LINE), ("3.12", _LINE), ("3.13", _LINE), ("3.11", ())]
)
def test_the_extras_resolve_to_one_cuda_line(python: str, options: tuple[str, ...]) -> None:
    found = _resolved(python, *options)
    libraries = {name for name in found if name.startswith("nvidia-")}
    assert set(_WHEELS.values()) <= libraries
    # CUDA 13's wheels have no number in their names.
    assert all(name.endswith("-cu12") for name in libraries), libraries
    assert "faiss-cpu" not in found
    # The CPU build comes in through faster-whisper, and only the override keeps it away.
    assert ("onnxruntime" in found) == (not options)


@pytest.fixture(scope="module")
def line() -> dict[str, str]:
    return _resolved("3.11", *_LINE)


@pytest.fixture(scope="module")
def binaries(gpu_wheels: GpuWheels) -> dict[str, set[tuple[str, str]]]:
    """The libraries of CUDA that the binaries of each package name, with their numbers."""
    import ctranslate2

    folders = {
        "onnxruntime-gpu": gpu_wheels.onnxruntime / "onnxruntime",
        "faiss-gpu-cu12": gpu_wheels.faiss,
        # One wheel for both on Linux: it opens CUDA when it is first asked for.
        "ctranslate2": Path(ctranslate2.__file__).parent.parent / "ctranslate2.libs",
    }
    return {name: _named_in(folder) for name, folder in folders.items()}


def _named_in(folder: Path) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for path in folder.rglob("*.so*"):
        # TensorRT is another provider, which nobody asks for.
        if "tensorrt" not in path.name:
            found |= set(_SONAME.findall(path.read_bytes()))
    return {(name.decode(), number.decode()) for name, number in found}


@pytest.mark.slow
@pytest.mark.parametrize("package", ["onnxruntime-gpu", "faiss-gpu-cu12", "ctranslate2"])
def test_every_library_that_a_binary_names_comes_with_the_line(
    package: str, line: dict[str, str], binaries: dict[str, set[tuple[str, str]]]
) -> None:
    assert binaries[package]
    for name, number in binaries[package]:
        wheel = _WHEELS[name]
        assert line[wheel].split(".")[0] == number, f"{package} opens lib{name}.so.{number}"


def test_the_constraints_are_what_was_compared(line: dict[str, str]) -> None:
    pinned = dict(
        text.split("==")
        for text in (ROOT / "constraints-gpu.txt").read_text().splitlines()
        if "==" in text
    )
    assert {name: line[name] for name in pinned} == pinned
    assert version("ctranslate2").split(".")[0] == pinned["ctranslate2"].split(".")[0]


def test_the_container_installs_the_same_line() -> None:
    for name in ("docker/gpu", "kuberay"):
        text = (ROOT / "deploy" / name / "Dockerfile").read_text()
        assert re.search(r"-c \S*constraints-gpu.txt", text)
        assert re.search(r"--override\s+(\\\s+)?\S*overrides-gpu.txt", text)
