"""What the service does with a request: one release, the cache, workers, and the log."""

import asyncio
import datetime as dt
import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from cachetools import LRUCache

from reelshelf.indexer.search import Effort
from reelshelf.schemas import logs
from reelshelf.searcher import jobs
from reelshelf.searcher.access import Access, Client
from reelshelf.searcher.decisions import Decisions
from reelshelf.searcher.events import Remembered
from reelshelf.searcher.files import Files
from reelshelf.searcher.following import Follower, Served
from reelshelf.searcher.garbage import set_aside
from reelshelf.searcher.messages import SearchMessage
from reelshelf.searcher.metrics import Metrics
from reelshelf.searcher.pool import Busy, Pool, WorkerDied
from reelshelf.searcher.query_log import QueryLog
from reelshelf.searcher.settings import SearcherSettings
from reelshelf.searcher.worker import starting

_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a search: the JSON that a worker made, and what is told beside it."""

    body: bytes
    query_id: str
    degraded: tuple[Effort, ...]
    took_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a worker answered: the same for each such request on this release."""

    body: bytes
    searching_ms: float
    answered: bool
    degraded: tuple[Effort, ...]


class RequestRefused(Exception):
    """A worker did not answer: `refusal` says why."""

    def __init__(self, refusal: jobs.Refused) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Service:
    """Answers requests. It belongs to one event loop, between `start` and `stop`.

    Searches have workers of their own; suggestions, details and lists for review have another, so
    that a shopper's typing does not wait behind searches.
    """

    def __init__(
        self, uri: str, settings: SearcherSettings, log_format: logs.Format = "text"
    ) -> None:
        self.settings = settings
        self.access = Access(settings)
        server = settings.server
        searching = starting(uri, settings, searches=True, log_format=log_format)
        looking_up = starting(uri, settings, searches=False, log_format=log_format)
        self.searching = Pool(searching, server.workers, server)
        self.looking_up = Pool(looking_up, 1, server)
        self.follower = Follower(uri, settings, (self.searching, self.looking_up))
        self.metrics = Metrics(self)
        self.log = QueryLog(settings.log.events) if settings.log.events else None
        self.remembered = Remembered()
        self.files = Files()
        self._decisions = Decisions(settings.review.file) if settings.review.file else None
        size = max(1, settings.server.cache_mb * 2**20)
        self._cache: LRUCache[str, _Kept] = LRUCache(size, getsizeof=lambda kept: len(kept.body))
        self._asking: dict[str, asyncio.Future[_Kept]] = {}
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the workers, and open the release that is served before anything is answered."""
        await self.searching.start()
        await self.looking_up.start()
        await self.follower.follow()
        set_aside()
        self._following = asyncio.create_task(self.follower.run(self._cache.clear))

    async def stop(self) -> None:
        """Stop following, and end the workers."""
        if self._following is not None:
            self._following.cancel()
        await asyncio.gather(self.searching.stop(), self.looking_up.stop())

    async def search(
        self, message: SearchMessage, client: Client, picture: bytes | None = None
    ) -> Found:
        """Answer a search. Raises RequestRefused, Busy, WorkerDied, TimeoutError, StoreError."""
        most = self.settings.limits.page_size
        if message.page_size > most:
            told = f"page_size: got {message.page_size}; the most here is {most}"
            raise RequestRefused(jobs.Refused("input", told))
        began = time.perf_counter()
        kept, cached = await self._in_release(
            lambda served: self._search(served, message, client, picture)
        )
        total = (time.perf_counter() - began) * 1000
        searching = 0.0 if cached else kept.searching_ms
        took = {"waiting": total - searching, "searching": searching, "total": total}
        query_id = str(uuid.uuid4())
        self.metrics.searched(total / 1000, kept.degraded, cached=cached, answered=kept.answered)
        self._note(message, query_id, kept)
        rounded = {name: round(max(ms, 0.0), 2) for name, ms in took.items()}
        return Found(kept.body, query_id, kept.degraded, rounded)

    async def look_up(self, job: jobs.Question) -> jobs.Done | jobs.Located:
        """Have something looked up. Raises as `search` does."""
        reply = await self._in_release(lambda served: self.looking_up.ask(served.view, job))
        return _answered(reply)

    async def explain(self, job: jobs.Explain) -> jobs.Done:
        """Explain a result. Raises as `search` does."""
        reply = _answered(
            await self._in_release(lambda served: self.searching.ask(served.view, job))
        )
        assert isinstance(reply, jobs.Done)
        return reply

    def reviewed(self) -> Decisions:
        """What reviewers have decided. Raises RequestRefused where nothing is kept of it."""
        if self._decisions is None:
            told = "this service keeps no decisions: review.file names no file"
            raise RequestRefused(jobs.Refused("absent", told))
        return self._decisions

    async def _in_release(self, ask: Callable[[Served], Awaitable[Result]]) -> Result:
        """What is asked of the release that is served, which stays open meanwhile."""
        served = self.follower.begin()
        try:
            return await ask(served)
        except (Busy, WorkerDied, TimeoutError) as error:
            self.metrics.refused.labels(type(error).__name__).inc()
            raise
        finally:
            self.follower.end(served)

    async def _search(
        self, served: Served, message: SearchMessage, client: Client, picture: bytes | None
    ) -> tuple[_Kept, bool]:
        """An answer, and whether it was there already."""
        key = _key(served, message, client, picture)
        if (kept := self._cache.get(key)) is not None:
            return kept, True
        if (asking := self._asking.get(key)) is not None:
            # The same is being asked: both get the same answer.
            return await asyncio.shield(asking), True
        future: asyncio.Future[_Kept] = asyncio.get_running_loop().create_future()
        self._asking[key] = future
        try:
            kept = await self._ask(served, message, client, picture)
            future.set_result(kept)
        except BaseException as error:
            # A request that is given up by its client fails no other.
            future.set_exception(error if isinstance(error, Exception) else Busy(1))
            future.exception()
            raise
        finally:
            del self._asking[key]
        if not kept.degraded and self.settings.server.cache_mb:
            self._cache[key] = kept
        return kept, False

    async def _ask(
        self, served: Served, message: SearchMessage, client: Client, picture: bytes | None
    ) -> _Kept:
        without = self.searching.without()
        if picture is not None and message.q is None and without:
            # A picture alone cannot be searched for without it.
            raise Busy(1)
        job = jobs.Search(message, client.filter, picture, without)
        reply = _answered(await self.searching.ask(served.view, job))
        assert isinstance(reply, jobs.Done)
        return _Kept(reply.body, reply.took_ms, reply.answered, reply.degraded)

    def _note(self, message: SearchMessage, query_id: str, kept: _Kept) -> None:
        if self.log is None:
            return
        line = {
            "query_id": query_id,
            "timestamp": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "user_query": message.q if self.settings.log.queries else None,
            "query_attributes": message.model_dump(exclude_defaults=True, exclude={"q", "like"}),
            "answered": kept.answered,
        }
        try:
            self.log.add_query(line)
        except OSError as error:
            self.metrics.unwritten.inc()
            _LOG.error("the query log cannot be written: %s", error)


def _answered(reply: jobs.Reply) -> jobs.Done | jobs.Located:
    if isinstance(reply, jobs.Refused):
        raise RequestRefused(reply)
    assert isinstance(reply, jobs.Done | jobs.Located)
    return reply


def _key(served: Served, message: SearchMessage, client: Client, picture: bytes | None) -> str:
    """Names all that an answer depends on: a view is a release under rules."""
    parts = (served.view, message.model_dump_json(), repr(client.filter))
    digest = hashlib.sha256("\0".join(parts).encode())
    digest.update(picture or b"")
    return digest.hexdigest()
