"""The process that decodes: whatever becomes of it is the outcome of a video."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.child import DecodeProcess
from reelshelf.indexer.sources.local import stamp_of
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import parse_config
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Failed, VideoJob
from tests.support.clips import GREEN, RED, write_clip
from tests.support.commands import ROOT
from tests.support.fakes import decode_or_misbehave, load_fake_detector

pytestmark = pytest.mark.integration

CONFIG = parse_config({"engine": {"decode_memory_gb": 0.6}})


@pytest.fixture
def child() -> Iterator[DecodeProcess]:
    setup = pickle.dumps((decode_or_misbehave, CONFIG, {"run_id": "r"}, load_fake_detector))
    process = DecodeProcess(setup, deadline_s=20.0)
    yield process
    process.close()


def job(tmp_path: Path, name: str) -> VideoJob:
    path = write_clip(tmp_path / f"{name}.mp4", [RED, GREEN])
    return VideoJob(video_key("shop", name), VideoSource(name, str(path)), stamp_of(path))


def test_what_comes_back_is_what_was_decoded(child: DecodeProcess, tmp_path: Path) -> None:
    own = job(tmp_path, "a")
    here = work.decode(own, CONFIG)
    there = child.decode(own)
    assert isinstance(here, DecodedVideo)
    assert isinstance(there.result, DecodedVideo)
    assert there.result.content_sha256 == here.content_sha256
    for one, other in zip(here.frames, there.result.frames, strict=True):
        assert (one.pixels == other.pixels).all()
    assert there.spent
    assert {line.run_id for line in there.logs} == {"r"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("crash", FailureKind.CRASHED, "crashed and took its process with it"),
        ("greedy", FailureKind.OUT_OF_MEMORY, "more memory than a worker may take"),
    ],
)
def test_a_crash_and_a_lack_of_memory_are_outcomes(
    child: DecodeProcess, tmp_path: Path, name: str, kind: FailureKind, told: str
) -> None:
    failed = child.decode(job(tmp_path, name)).result
    assert isinstance(failed, Failed)
    assert failed.kind is kind
    assert told in failed.message
    assert isinstance(child.decode(job(tmp_path, "a")).result, DecodedVideo)


def test_a_hang_ends_at_the_deadline(tmp_path: Path) -> None:
    setup = pickle.dumps((decode_or_misbehave, CONFIG, {}, load_fake_detector))
    child = DecodeProcess(setup, deadline_s=0.5)
    failed = child.decode(job(tmp_path, "hang")).result
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.message) == (FailureKind.DEADLINE, "was not decoded within 0.5 s")
    child.close()


def test_a_child_that_is_killed_over_a_video_is_told_so(
    child: DecodeProcess, tmp_path: Path
) -> None:
    child.wait()
    threading.Timer(0.5, os.kill, (child._child.pid, signal.SIGKILL)).start()
    failed = child.decode(job(tmp_path, "hang")).result
    assert isinstance(failed, Failed)
    assert "its decoder was killed, as happens where memory runs out" in failed.message


def test_a_child_that_died_with_nothing_to_do_costs_no_video(
    child: DecodeProcess, tmp_path: Path
) -> None:
    child.wait()
    os.kill(child._child.pid, signal.SIGKILL)
    child._child.wait()
    assert isinstance(child.decode(job(tmp_path, "a")).result, DecodedVideo)


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import os, pickle, sys\n"
        "from reelshelf.indexer.extract.child import DecodeProcess, _send\n"
        "from reelshelf.schemas.config import parse_config\n"
        "from tests.support.fakes import decode_or_misbehave, load_fake_detector\n"
        "setup = (decode_or_misbehave, parse_config({}), {}, load_fake_detector)\n"
        "child = DecodeProcess(pickle.dumps(setup), 60.0)\n"
        "child.wait()\n"
        "_send(child._child.stdin.fileno(), pickle.loads(bytes.fromhex(sys.argv[1])))\n"
        "print(child._child.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    hung = pickle.dumps(job(tmp_path, "hang")).hex()
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, hung]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)


def test_a_process_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises((RuntimeError, OSError)):
        DecodeProcess(b"", 1.0).wait()
