"""Following the store and the rules: from what is served to what comes next, without a gap.

What is served is a view: a release under rules. The next one is opened by all workers before any
request goes to it, and the last one is closed when nothing is answered from it any more. As long as
the store cannot be reached, holds a release that this version cannot read, or the rules have an
error, the last view is served, and `problem` says why.
"""

import asyncio
import hashlib
import logging
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass

from reelshelf.indexer.store import Store, read_head
from reelshelf.schemas.errors import ReelshelfError, StoreError
from reelshelf.schemas.rules import NO_RULES, read_rules
from reelshelf.searcher import jobs
from reelshelf.searcher.pool import Pool
from reelshelf.searcher.settings import SearcherSettings
from reelshelf.searcher.worker import make_arrays

_LOG = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_SELDOM_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """The view that is answered from: the release of a run, under rules."""

    view: str
    run_id: str
    release_id: str


class Follower:
    """Keeps `served` at the release that the store says, under the rules of the file."""

    def __init__(self, uri: str, settings: SearcherSettings, pools: tuple[Pool, ...]) -> None:
        self._uri, self._settings, self._pools = uri, settings, pools
        self._store: Store | None = None
        self._left: list[str] = []
        self._in_use: dict[str, int] = {}
        self.served: Served | None = None
        self.problem: str | None = None
        self.switches = 0
        self._failures = 0

    async def run(self, on_switch: Callable[[], None]) -> None:
        """Follow for ever. `on_switch` is called after each switch."""
        while True:
            if await self.follow():
                on_switch()
            # A release that cannot be opened is tried less and less often.
            often = self._settings.server.poll_seconds
            await asyncio.sleep(max(often, min(often * 2**self._failures, _SELDOM_SECONDS)))

    async def follow(self) -> bool:
        """Go to what is to be served; whether that was something else."""
        try:
            wanted = await asyncio.to_thread(self._wanted)
            if self.served is not None and wanted.view == self.served.view:
                self.problem, self._failures = None, 0
                return False
            opened = await self._open(wanted)
        except Exception as error:
            # Whatever keeps the next release away, the one that is open answers.
            self._failures += 1
            self._tell_problem(f"{type(error).__name__}: {error}")
            if not isinstance(error, ReelshelfError | OSError | RuntimeError | ValueError):
                _LOG.exception("following the store failed")
            return False
        before, self.served, self.problem = self.served, opened, None
        self._failures = 0
        _LOG.info("answering from release %s", opened.release_id)
        if before is not None:
            self.switches += 1
            self._left.append(before.view)
        await self._close_left()
        return True

    def begin(self) -> Served:
        """The view for one request, which stays open until `end`. Raises StoreError."""
        if self.served is None:
            raise StoreError(self.problem or "no release is open yet")
        self._in_use[self.served.view] = self._in_use.get(self.served.view, 0) + 1
        return self.served

    def end(self, served: Served) -> None:
        """A request is answered."""
        self._in_use[served.view] -= 1

    async def _close_left(self) -> None:
        """Close views that nothing is answered from any more."""
        for view in list(self._left):
            while self._in_use.get(view):
                await asyncio.sleep(0.01)
            for pool in self._pools:
                await pool.close_view(view)
            self._left.remove(view)
            self._in_use.pop(view, None)

    def _wanted(self) -> jobs.OpenView:
        """The view that is to be served. Raises StoreError, ConfigError."""
        rules = read_rules(self._settings.rules) if self._settings.rules else NO_RULES
        digest = hashlib.sha256(rules.model_dump_json().encode()).hexdigest()
        run_id = self._serving()
        return jobs.OpenView(f"{run_id} {digest}", run_id, rules)

    def _serving(self) -> str:
        if self._store is None:
            self._store = Store.open(self._uri, self._settings.storage)
        serving = read_head(self._store).serving
        if serving is None:
            raise StoreError(f"{self._uri}: nothing has been published yet")
        return serving

    async def _make_arrays(self, run_id: str) -> None:
        # Workers would wait for each other, and answer nothing, while one of them makes arrays.
        making = _SPAWN.Process(target=make_arrays, args=(self._uri, self._settings, run_id))
        making.start()
        await asyncio.to_thread(making.join)
        if making.exitcode:
            raise StoreError(f"its arrays could not be made (exit code {making.exitcode})")

    async def _open(self, wanted: jobs.OpenView) -> Served:
        if self.served is None or self.served.run_id != wanted.run_id:
            await self._make_arrays(wanted.run_id)
        if self.served is None:
            by_pool = await asyncio.gather(*(pool.open(wanted) for pool in self._pools))
        else:
            by_pool = [await pool.open(wanted) for pool in self._pools]
        replies = [reply for replies in by_pool for reply in replies]
        refused = [reply for reply in replies if isinstance(reply, jobs.Refused)]
        opened = [reply for reply in replies if isinstance(reply, jobs.Opened)]
        if refused or not opened:
            for pool in self._pools:
                await pool.close_view(wanted.view)
            raise StoreError(refused[0].message if refused else "no worker runs")
        for remark in opened[0].remarks:
            _LOG.warning("rules: %s", remark)
        return Served(wanted.view, wanted.run_id, opened[0].release_id)

    def _tell_problem(self, text: str) -> None:
        if text != self.problem:
            _LOG.error(
                "what comes next cannot be opened, the last release and rules are served: %s", text
            )
        self.problem = text
