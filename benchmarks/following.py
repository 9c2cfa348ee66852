"""A service that follows releases: corrections that publish, rollbacks and an erasure under load.

    python -m benchmarks.following [--store URI] [--changes N] [--out DIR] [--full]

A copy of a store of the example shop (ingested if none is given) is served, and asked twenty times
a second. Meanwhile each of --changes overrides of links publishes a release, as many rollbacks go
back through these, and at last a product is erased. Every answer is compared with that of a
searcher in this process over the release that the answer names. Following is timed from the end of
the command that changed what is served.
"""

import asyncio
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import httpx2

from benchmarks.harness import EXAMPLE_SHOP, Bar, Count, conclude, parse, parser_of
from benchmarks.serving import free_port, running
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.requests import Effort, SearchRequest
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.models.registry import load_query_encoder

_RATE = 20
_ERASED = "FO-7290"
_TEXTS = ("red apple", "shoes", "retro television", "green apple", "a chair", "electric guitar")
_POLL_SECONDS = 0.5
# Text, release, what was left out, and the SKUs of an answer.
_Seen: TypeAlias = tuple[str, str, tuple[str, ...], tuple[str, ...]]


class Asking:
    """Asks the service all the time. `seen` are answers: text, release, what was left out, ids."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self.seen: set[_Seen] = set()
        self.answers = self.degraded = 0
        self.refused = 0
        self.errors: list[str] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        number = 0
        tasks: set[asyncio.Task[None]] = set()
        while True:
            number += 1
            task = asyncio.create_task(self._one(_TEXTS[number % len(_TEXTS)]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(1 / _RATE)

    async def _one(self, text: str) -> None:
        try:
            response = await self._client.get(f"/v1/search?rows=products&q={quote(text)}")
        except httpx2.HTTPError as error:
            self.errors.append(str(error))
            return
        if response.status_code == 200:
            told = response.json()
            ids = tuple(one["id"] for one in told["results"])
            self.seen.add((text, told["release"], tuple(told["degraded"]), ids))
            self.answers += 1
            self.degraded += bool(told["degraded"])
        elif response.status_code == 503 and "retry-after" in response.headers:
            self.refused += 1
        else:
            self.errors.append(f"{response.status_code}: {response.text[:200]}")


def _expected(uri: str, release: str | None) -> set[_Seen]:
    """The answers of one release, or of the one that is served, from a searcher in this process."""
    snapshot = ReleaseSnapshot.open(uri, name=release)
    searcher = Searcher(snapshot, QueryEncoders(load_query_encoder(snapshot.config)))
    found = set()
    # Under load an answer may be made without vectors, and says so.
    for text, degraded in itertools.product(_TEXTS, ((), ("vectors",))):
        without: frozenset[Effort] = frozenset({"image", "vectors"}) if degraded else frozenset()
        request = SearchRequest(text, rows="products", page_size=20, without=without)
        ids = tuple(one.sku for one in searcher.search(request).products)
        found.add((text, snapshot.release.release_id, degraded, ids))
    return found


def _run(*words: str) -> None:
    command = [sys.executable, "-m", "reelshelf.jobs.cli", *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def _followed(client: httpx2.AsyncClient, uri: str) -> float:
    """Seconds until the service answers from what the store serves."""
    wanted = ReleaseSnapshot.open(uri).release.release_id
    began = time.perf_counter()
    while (await client.get("/readyz")).json()["release"] != wanted:
        await asyncio.sleep(0.05)
    return time.perf_counter() - began


async def measure(uri: str, changes: int, scratch: Path) -> dict[str, float]:
    """Change what is served while it is asked."""
    settings = scratch / "searcher.toml"
    settings.write_text(f"[server]\npoll_seconds = {_POLL_SECONDS}\nworkers = 1\n")
    snapshot = ReleaseSnapshot.open(uri)
    links = released_links(snapshot, min_score=0.0)[: changes * 2]
    first = snapshot.release.release_id
    port = free_port()
    command = [sys.executable, "-m", "reelshelf.jobs.cli", "serve", "--store", uri]
    command += ["--port", str(port), "--config", str(settings)]
    times: list[float] = []
    names = [first]
    async with running(command, port, "/readyz") as (client, _):
        asking = Asking(client)
        task = asyncio.create_task(asking.run())

        async def change(*words: str) -> None:
            await asyncio.to_thread(_run, *words)
            times.append(await _followed(client, uri))
            names.append(ReleaseSnapshot.open(uri).release.release_id)

        for video_id, _, link in links[:changes]:
            rows = scratch / "overrides.csv"
            verdict = "never" if link.score > 0.5 else "always"
            rows.write_text(f"video_id,sku,verdict\n{video_id},{link.sku},{verdict}\n")
            await change("overrides", "import", str(rows), "--store", uri)
        for name in list(reversed(names[:-1]))[:changes]:
            await change("rollback", "--to", name, "--store", uri)
        known = [await asyncio.to_thread(_expected, uri, name) for name in dict.fromkeys(names)]
        await change("erase", "--sku", _ERASED, "--store", uri)
        await asyncio.sleep(1)
        known.append(await asyncio.to_thread(_expected, uri, None))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    expected = set().union(*known)
    for line in asking.errors[:3]:
        print(line, file=sys.stderr)
    return {
        "changes": float(len(times)),
        "releases_answered_from": float(len({release for _, release, _, _ in asking.seen})),
        "answers": float(asking.answers),
        "errors": float(len(asking.errors)),
        "refused": float(asking.refused),
        "degraded": float(asking.degraded),
        "mixed": float(len(asking.seen - expected)),
        "slowest_s": max(times),
        "mean_s": sum(times) / len(times),
    }


def main() -> int:
    """Copy or make a store, serve it, change it."""
    parser = parser_of(__doc__)
    parser.add_argument("--store", metavar="URI", help="a store of the example shop")
    args = parse(parser, changes=Count(2, 10))
    with tempfile.TemporaryDirectory() as folder:
        uri = str(Path(folder) / "store")
        if args.store is not None:
            shutil.copytree(args.store, uri)
        else:
            catalog, videos = EXAMPLE_SHOP / "catalog" / "products.jsonl", "videos.jsonl"
            _run("ingest", "--catalog", str(catalog), "--videos", str(EXAMPLE_SHOP / videos),
                 "--store", uri)  # fmt: skip
        figures = asyncio.run(measure(uri, args.changes, Path(folder)))
    bars = [
        Bar("errors", figures["errors"], 0, at_least=False),
        Bar("answers that are not those of their release", figures["mixed"], 0, at_least=False),
        Bar("following, slowest, s", figures["slowest_s"], 60, at_least=False),
    ]
    return conclude("following", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
