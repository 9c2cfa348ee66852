"""The real GPU wheels, for a machine that has no GPU: what they name, and what they do there."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import ROOT


@dataclass(frozen=True, slots=True)
class GpuWheels:
    """Folders to put in front of the path, each with one wheel that shadows the CPU build."""

    onnxruntime: Path
    faiss: Path


def pinned(package: str) -> str:
    """A line of the constraints, as a requirement."""
    text = (ROOT / "constraints-gpu.txt").read_text()
    return re.search(rf"^{package}==\S+", text, re.M).group()  # type: ignore[union-attr]


def installed(root: Path) -> GpuWheels:
    """The wheels unpacked below a folder, or the test skipped where no index can be reached."""
    wheels = GpuWheels(root / "onnxruntime", root / "faiss")
    _into(wheels.onnxruntime, pinned("onnxruntime-gpu"))
    _into(wheels.faiss, pinned("faiss-gpu-cu12"))
    return wheels


def _into(folder: Path, requirement: str) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"),
            *("--target", str(folder), requirement),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    skip_if_offline(done)
    assert done.returncode == 0, done.stderr


def skip_if_offline(done: "subprocess.CompletedProcess[str]") -> None:
    """Skip a test whose command could not reach a package index."""
    if done.returncode and re.search(
        r"error sending request|dns error|timed out|Could not connect", done.stderr
    ):
        pytest.skip("no package index can be reached")


def run_with(folder: Path, code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a process in which the wheel of a folder is the one that is imported."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
        check=False,
    )
