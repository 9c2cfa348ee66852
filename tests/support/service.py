"""The online searcher as a process of its own, at a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

from tests.support.commands import ROOT

# Models load, and arrays are made, on a machine that does something else.
_STARTS_SECONDS = 180


@dataclass
class Served:
    """A service that runs. `client` sends requests to it."""

    process: subprocess.Popen[bytes]
    base: str
    client: httpx2.Client
    log: Path

    def workers(self) -> list[psutil.Process]:
        """Its worker processes, oldest first."""
        own = psutil.Process(self.process.pid).children()
        found = [one for one in own if "spawn_main" in " ".join(one.cmdline())]
        return sorted(found, key=psutil.Process.create_time)

    def wait_until(self, address: str, is_so: Callable[[dict[str, object]], bool]) -> None:
        """Wait until what an address answers is so."""
        until = time.monotonic() + _STARTS_SECONDS
        while time.monotonic() < until:
            response = self.client.get(address)
            if response.status_code == 200 and is_so(response.json()):
                return
            time.sleep(0.05)
        raise AssertionError(f"{address}: still answers {response.text}")


@contextmanager
def serving(store: Path, settings: Path | None = None, *words: str) -> Iterator[Served]:
    """Serve a store until the block ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "reelshelf.jobs.cli", "serve", "--store", str(store)]
    command += ["--port", str(port), *words]
    command += ["--config", str(settings)] if settings else []
    base = f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            with httpx2.Client(base_url=base, timeout=60) as client:
                served = Served(process, base, client, Path(log.name))
                _wait(served)
                yield served
        finally:
            # The whole group, as service managers do.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            print(Path(log.name).read_text())


def _wait(served: Served) -> None:
    until = time.monotonic() + _STARTS_SECONDS
    while time.monotonic() < until and served.process.poll() is None:
        try:
            if served.client.get("/readyz").status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.1)
    told = served.log.read_text()
    raise AssertionError(f"the service did not start (exit code {served.process.poll()}): {told}")
