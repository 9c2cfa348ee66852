"""Decoding in a process of its own, which may hang, crash or run out of memory.

Native code cannot be interrupted, and takes its process down where it fails. So a worker keeps a
child that decodes, hands it one video after the other, and kills it at the deadline: whatever
becomes of the child comes back as the outcome of the video. What happens to the worker itself is
then never the video's fault.

Messages are pickles with their arrays beside them, so that pixels are copied once into the pipe and
once out of it. The child ends with its parent.

    python -m reelshelf.indexer.extract.child       is what the parent starts
"""

import ctypes
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.logs import LogLine
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from reelshelf.schemas.run import Spent, Stage

_PR_SET_PDEATHSIG = 1
_HEADER = struct.Struct("<I")
_SIZE = struct.Struct("<Q")
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of one video in the child, with what it took and what was logged there."""

    result: DecodedVideo | Divided | Failed
    spent: dict[Stage, Spent]
    logs: tuple[LogLine, ...]


Message: TypeAlias = object
DetectorLoader: TypeAlias = Callable[[Config], TextDetector]
Decode: TypeAlias = Callable[
    [VideoJob, Config, TextDetector | None], DecodedVideo | Divided | Failed
]


class DecodeProcess:
    """The child of one worker. It is started at once, and again after it was lost.

    `setup` is a pickle of `(decode, config, about, load_detector)`: how to decode, with what
    settings, what the child's log is about, and what finds text on frames.
    """

    def __init__(self, setup: bytes, deadline_s: float) -> None:
        self._setup = setup
        self._deadline_s = deadline_s
        self._start()

    def _start(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "reelshelf.indexer.extract.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Where the parent finds its code, tests' own included.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._is_ready = False
        assert self._child.stdin is not None
        self._child.stdin.write(_SIZE.pack(len(self._setup)) + self._setup)
        self._child.stdin.flush()

    def wait(self) -> None:
        """Return once the child is up: a deadline is for a video, not for starting a process.

        Raises RuntimeError where it does not come up.
        """
        if self._is_ready:
            return
        if self._receive(None) != _READY:
            code = self._child.wait()
            raise RuntimeError(f"a decode process does not start: it ended with {code}")
        self._is_ready = True

    def decode(self, job: VideoJob) -> Decoded:
        """Decode one video. A crash, a hang and a lack of memory are outcomes too."""
        if self._child.poll() is not None:
            # It died with nothing to do, and no video has to do with that.
            self.close()
            self._start()
        self.wait()
        assert self._child.stdin is not None
        try:
            _send(self._child.stdin.fileno(), job)
            answer = self._receive(time.monotonic() + self._deadline_s)
        except TimeoutError:
            message = f"was not decoded within {self._deadline_s:g} s"
            return self._lost(job, FailureKind.DEADLINE, message)
        except OSError:
            answer = None
        if isinstance(answer, Decoded):
            failed = answer.result if isinstance(answer.result, Failed) else None
            if failed is not None and failed.kind is FailureKind.OUT_OF_MEMORY:
                # What it still holds would be missing from the room of the next ones.
                self.close()
                self._start()
            return answer
        return self._lost(job, FailureKind.CRASHED, None)

    def _lost(self, job: VideoJob, kind: FailureKind, message: str | None) -> Decoded:
        """Part with the child over a video, and start another."""
        ended = self._child.poll() if message is None else None
        self.close()
        if message is None:
            message = _told(self._child.returncode if ended is None else ended)
        self._start()
        number = job.chunk.number if job.chunk is not None else None
        source = job.source
        failed = Failed(
            source.video_id, source.path, "decode", kind, message, 1, job.stamp, chunk=number
        )
        return Decoded(failed, {}, ())

    def close(self) -> None:
        """End the child, whatever it does."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    continue  # what was still to be written has no reader any more

    def _receive(self, until: float | None) -> Message:
        assert self._child.stdout is not None
        return _receive(self._child.stdout.fileno(), until)


def _told(code: int) -> str:
    """How a child ended that was not ended on purpose."""
    if code == -signal.SIGKILL:
        return "its decoder was killed, as happens where memory runs out"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"its decoder crashed and took its process with it ({how})"


def _send(pipe: int, message: Message) -> None:
    arrays: list[pickle.PickleBuffer] = []
    text = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
    parts = [memoryview(text), *(array.raw() for array in arrays)]
    sizes = b"".join(_SIZE.pack(part.nbytes) for part in parts)
    _write(pipe, memoryview(_HEADER.pack(len(parts)) + sizes))
    for part in parts:
        _write(pipe, part.cast("B"))


def _write(pipe: int, data: memoryview) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _receive(pipe: int, until: float | None) -> Message:
    """The next message; None where the other end is closed. Raises TimeoutError at `until`."""
    header = _read(pipe, _HEADER.size, until)
    if header is None:
        return None
    (count,) = _HEADER.unpack(header)
    sizes = _read(pipe, count * _SIZE.size, until)
    if sizes is None:
        return None
    parts = [_read(pipe, size, until) for (size,) in _SIZE.iter_unpack(sizes)]
    if any(part is None for part in parts):
        return None
    text, *arrays = parts
    assert text is not None
    return pickle.loads(text, buffers=arrays)  # noqa: S301 - our own child wrote it


def _read(pipe: int, size: int, until: float | None) -> bytearray | None:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            raise TimeoutError
        got = os.readv(pipe, [view])
        if not got:
            return None
        view = view[got:]
    return data


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent ends, however that does. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Decode what comes in, until nothing does any more."""
    parent = os.getppid()
    _end_with_parent()
    if os.getppid() != parent:
        return
    # What a library prints must not get between the answers.
    source, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    size = _read(source, _SIZE.size, None)
    setup = _read(source, _SIZE.unpack(size)[0], None) if size else None
    if setup is None:
        return
    _serve(source, answers, *pickle.loads(setup))  # noqa: S301 - our own parent wrote it


def _serve(
    source: int,
    answers: int,
    decode: Decode,
    config: Config,
    about: Mapping[str, str],
    load_detector: DetectorLoader,
) -> None:
    from reelshelf.indexer.extract import work
    from reelshelf.indexer.extract.metering import Meter
    from reelshelf.schemas.logs import keep_records, log_context

    work.use_one_thread()
    kept, meter = keep_records(), Meter()
    detector = load_detector(config)
    work.limit_memory(config.engine.decode_memory_gb)
    _send(answers, _READY)
    while isinstance(job := _receive(source, None), VideoJob):
        with log_context(**about), meter.stage(Stage.DECODE):
            result = decode(job, config, detector)
        _send(answers, Decoded(result, meter.take(), kept.take()))
        del result
        work.return_memory()


if __name__ == "__main__":
    # Under the name that its parent knows: pickles name the module.
    from reelshelf.indexer.extract import child

    child.main()
