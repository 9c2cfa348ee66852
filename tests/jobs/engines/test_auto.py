"""Devices on a cluster of Ray's, where a node says that it has GPUs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.auto_cluster import VIDEOS
from tests.support.commands import ROOT

pytestmark = pytest.mark.integration


def _run(folder: Path, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.support.auto_cluster", str(folder), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_auto_has_workers_on_each_gpu_and_on_the_cores_of_a_head_without_one(
    tmp_path: Path,
) -> None:
    told = _run(tmp_path, "auto")
    assert told["indexed"] == VIDEOS
    # Two cores of the head, which are told to stay on the CPU, and one worker for each GPU.
    assert told["workers"] == [["auto", 1], ["auto", 1], ["cpu", 0], ["cpu", 0]]
    assert told["distinct_gpus"] == 2
    assert told["devices"]["image"] == "cpu, cuda"
    assert told["gpu_s"] > 0
    # Batches wait until they are whole: twelve videos of six at once are two calls.
    assert told["calls"] == 2


@pytest.mark.slow
def test_a_worker_on_a_gpu_that_dies_loses_neither_its_batch_nor_the_next(tmp_path: Path) -> None:
    told = _run(tmp_path, "cuda", "crash")
    assert told["indexed"] == VIDEOS
    assert not (tmp_path / "bomb").exists()
    assert told["devices"]["image"] == "cuda"
    assert {device for device, _ in told["workers"]} == {"cuda"}


@pytest.mark.slow
def test_gpus_that_no_library_sees_leave_no_core_idle(tmp_path: Path) -> None:
    told = _run(tmp_path, "auto", "blind")
    assert told["indexed"] == VIDEOS
    assert told["workers"] == [["cpu", 0]] * 6
