"""The service under load: requests that arrive on time, whether earlier ones are answered or not.

    python -m benchmarks.serving [--store URI] [--seconds N] [--requests N] [--out DIR] [--full]

The store is that of `benchmarks.search_scale`. The service runs in processes of its own, with the
load generator and an application of FastAPI that does nothing beside it on the same cores: what
that takes is in each row. Phases: distinct texts at 30 a second, a Zipf-distributed log at 100,
suggestions at 100, five times as many texts as the service can answer, the time until it answers as
before, a worker that is killed, and the memory of workers over many requests.
"""

import asyncio
import gc
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx2
import numpy as np
import psutil
import uvloop

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.search_scale import make_store, queries

_PRODUCTS, _VIDEOS = 20_000, 20_000
_RATE, _LOG_RATE = 30, 100
# A log of searches: so many distinct ones, of which the n-th is asked as often as 1 / n.
_IN_LOG = 2_000
_CALM_MS = 50.0
_ECHO = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/{path:path}")
async def echo(path: str, q: str = "") -> dict[str, str]:
    return {"q": q}
"""


@dataclass
class Outcomes:
    """What became of the requests of a phase: milliseconds of those accepted and refused."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    degraded: int = 0

    def quantile(self, share: float) -> float:
        """Milliseconds within which that share of the accepted ones was answered."""
        return float(np.quantile(self.accepted, share)) if self.accepted else float("nan")


async def load(
    client: httpx2.AsyncClient, addresses: Sequence[str], rate: float, *, skip: int = 0
) -> Outcomes:
    """Send requests at a rate, each at its time; the first `skip` are not counted."""
    found = Outcomes()

    async def one(number: int, address: str, at: float) -> None:
        try:
            response = await client.get(address)
        except httpx2.HTTPError as error:
            found.failed.append(f"{type(error).__name__}: {error}")
            return
        # From when it was to be sent: what the generator is late counts.
        took = (time.perf_counter() - at) * 1000
        if number < skip:
            return
        if response.status_code == 200:
            found.accepted.append(took)
            found.degraded += b'"degraded": []' not in response.content[:200]
        elif response.status_code == 503 and "retry-after" in response.headers:
            found.refused.append(took)
        else:
            found.failed.append(f"{response.status_code}: {response.text[:200]}")

    began = time.perf_counter()
    tasks = []
    for number, address in enumerate(addresses):
        at = began + number / rate
        if (left := at - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        tasks.append(asyncio.create_task(one(number, address, at)))
    await asyncio.gather(*tasks)
    return found


@asynccontextmanager
async def running(
    command: list[str], port: int, path: str
) -> AsyncIterator[tuple[httpx2.AsyncClient, psutil.Process]]:
    """A server that answers at a port, and a client of it."""
    process = subprocess.Popen(command)
    limits = httpx2.Limits(max_connections=400, max_keepalive_connections=400)
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx2.AsyncClient(base_url=base, limits=limits, timeout=30) as client:
            await _answers(client, path, process)
            yield client, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


async def _answers(client: httpx2.AsyncClient, path: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if (await client.get(path)).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        await asyncio.sleep(0.2)
    raise SystemExit("the server ended before it answered")


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _search(text: str) -> str:
    return f"/v1/search?q={quote(text)}"


def _workers(server: psutil.Process) -> list[psutil.Process]:
    """The processes that search, the largest: another one looks things up."""
    own = [one for one in server.children() if one.status() != psutil.STATUS_ZOMBIE]
    own = [one for one in own if "spawn_main" in " ".join(one.cmdline())]
    return sorted(own, key=lambda one: -one.memory_info().rss)[:2]


def _memory_mb(workers: Sequence[psutil.Process]) -> float:
    return max(float(one.memory_full_info().uss) for one in workers) / 1e6


async def measure(uri: str, seconds: int, requests: int) -> dict[str, float]:
    """All phases; the figures."""
    # The pauses of the load generator's collector would count as the service's.
    gc.disable()
    texts = iter(queries(_PRODUCTS, 60_000))
    rng = random.Random(0)  # noqa: S311 - no secret hangs on it

    def distinct(rate: float) -> list[str]:
        return [_search(next(texts)) for _ in range(int(rate * seconds))]

    log = [_search(next(texts)) for _ in range(_IN_LOG)]
    shares = [1 / place for place in range(1, _IN_LOG + 1)]
    figures: dict[str, float] = {}

    def note(name: str, found: Outcomes, echo: Outcomes | None = None) -> None:
        for share in (0.5, 0.95, 0.99):
            figures[f"{name}_p{share * 100:.0f}_ms"] = found.quantile(share)
        figures[f"{name}_errors"] = len(found.failed) + len(found.refused)
        figures[f"{name}_degraded"] = found.degraded / max(1, len(found.accepted))
        if echo is not None:
            figures[f"{name}_echo_p95_ms"] = echo.quantile(0.95)
        for line in found.failed[:3]:
            print(f"{name}: {line}", file=sys.stderr)

    port, echo_port = free_port(), free_port()
    command = [sys.executable, "-m", "reelshelf.jobs.cli", "serve", "--store", uri]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "echo.py").write_text(_ECHO)
        echo_command = [sys.executable, "-m", "uvicorn", "--app-dir", folder, "echo:app"]
        echo_command += ["--port", str(echo_port), "--log-level", "error", "--no-access-log"]
        async with (
            running([*command, "--port", str(port)], port, "/readyz") as (client, server),
            running(echo_command, echo_port, "/") as (echo, _),
        ):
            await load(client, distinct(5), 20)
            addresses = distinct(_RATE)
            found = await load(client, addresses, _RATE, skip=_RATE)
            note("texts", found, await load(echo, addresses, _RATE))
            addresses = rng.choices(log, shares, k=_LOG_RATE * seconds)
            # A log that has been asked for a while; the service keeps what it answered.
            await load(client, rng.choices(log, shares, k=_LOG_RATE * seconds), _LOG_RATE / 2)
            found = await load(client, addresses, _LOG_RATE)
            note("log", found, await load(echo, addresses, _LOG_RATE))
            addresses = [
                f"/v1/suggest?q={quote(next(texts)[: rng.randint(1, 12)])}"
                for _ in range(_LOG_RATE * seconds)
            ]
            found = await load(client, addresses, _LOG_RATE)
            found.degraded = 0
            note("suggest", found, await load(echo, addresses, _LOG_RATE))
            capacity = await _capacity(client, texts)
            figures["capacity_per_s"] = capacity
            addresses = distinct(5 * capacity)
            found = await load(client, addresses, 5 * capacity)
            figures["overload_accepted_p95_ms"] = found.quantile(0.95)
            figures["overload_refused_p95_ms"] = (
                float(np.quantile(found.refused, 0.95)) if found.refused else 0.0
            )
            figures["overload_refused"] = len(found.refused) / max(
                1, len(found.refused) + len(found.accepted)
            )
            figures["overload_degraded"] = found.degraded / max(1, len(found.accepted))
            figures["overload_errors"] = len(found.failed)
            figures["recovered_s"] = await _recovery(client, texts)
            beside = await load(echo, addresses, 5 * capacity)
            figures["overload_echo_p95_ms"] = beside.quantile(0.95)
            figures["killed_failed"] = await _killed(client, server, distinct(_RATE))
            figures |= await _grown(client, server, texts, requests)
    return figures


async def _capacity(client: httpx2.AsyncClient, texts: Iterator[str]) -> float:
    """How many distinct texts are answered in a second by two clients that each wait."""
    left = [_search(next(texts)) for _ in range(200)]
    began = time.perf_counter()

    async def one() -> None:
        while left:
            await client.get(left.pop())

    await asyncio.gather(one(), one())
    return 200 / (time.perf_counter() - began)


async def _recovery(client: httpx2.AsyncClient, texts: Iterator[str]) -> float:
    """Seconds from the end of an overload until an answer is made in full, and soon."""
    began = time.perf_counter()
    while True:
        at = time.perf_counter()
        response = await client.get(_search(next(texts)))
        took = (time.perf_counter() - at) * 1000
        is_calm = response.status_code == 200 and b'"degraded": []' in response.content[:200]
        if is_calm and took < _CALM_MS:
            return time.perf_counter() - began
        await asyncio.sleep(0.02)


async def _killed(
    client: httpx2.AsyncClient, server: psutil.Process, addresses: Sequence[str]
) -> float:
    """How many requests fail where a worker is killed in the middle."""

    async def kill() -> None:
        await asyncio.sleep(len(addresses) / _RATE / 3)
        _workers(server)[0].kill()

    killing = asyncio.create_task(kill())
    found = await load(client, addresses, _RATE)
    await killing
    return float(len(found.failed) + len(found.refused))


async def _grown(
    client: httpx2.AsyncClient, server: psutil.Process, texts: Iterator[str], requests: int
) -> dict[str, float]:
    """The memory that a worker has of its own, and how it grows over many requests."""
    while len(_workers(server)) < 2 or _memory_mb(_workers(server)) < 100:
        await asyncio.sleep(0.5)

    async def ask(count: int) -> None:
        left = count

        async def one() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                # Each is another request to the cache, whatever its text.
                number = left
                text = next(texts, f"red shoes {number}")
                await client.get(f"{_search(text)}&page_size={1 + number % 20}")

        await asyncio.gather(one(), one(), one())

    await ask(max(200, requests // 10))
    before = _memory_mb(_workers(server))
    await ask(requests)
    after = _memory_mb(_workers(server))
    return {"worker_mb": after, "worker_growth": after / before - 1}


def main() -> int:
    """Make or take a store, serve it, load it."""
    parser = parser_of(__doc__)
    parser.add_argument("--store", metavar="URI", help="a store that search_scale --keep has left")
    args = parse(parser, seconds=Count(5, 30), requests=Count(300, 50_000))
    with tempfile.TemporaryDirectory() as folder:
        uri = args.store or make_store(Path(folder), _PRODUCTS, _VIDEOS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            figures = runner.run(measure(uri, args.seconds, args.requests))
    bars = [
        Bar("distinct texts at 30/s, p95, ms", figures["texts_p95_ms"], 50, at_least=False),
        Bar("distinct texts at 30/s, p99, ms", figures["texts_p99_ms"], 100, at_least=False),
        Bar("distinct texts, errors", figures["texts_errors"], 0, at_least=False),
        Bar("a Zipf log at 100/s, p95, ms", figures["log_p95_ms"], 25, at_least=False),
        Bar("suggestions at 100/s, p95, ms", figures["suggest_p95_ms"], 10, at_least=False),
        Bar(
            "overload, accepted, p95, ms", figures["overload_accepted_p95_ms"], 150, at_least=False
        ),
        Bar("overload, refused, p95, ms", figures["overload_refused_p95_ms"], 10, at_least=False),
        Bar("recovered, s", figures["recovered_s"], 2, at_least=False),
        Bar("memory of a worker, MB", figures["worker_mb"], 900, at_least=False),
        Bar("growth over the requests", figures["worker_growth"], 0.05, at_least=False),
    ]
    return conclude("serving", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
