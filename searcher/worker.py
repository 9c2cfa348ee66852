"""A process that answers: it holds views of releases open, and works on one job at a time.

It is spawned, not forked: threads of Lance and of numeric libraries do not survive a fork. The
arrays of a release are mapped, so the workers of a machine share their memory.
"""

import io
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from pydantic import BaseModel

from reelshelf.indexer.search import (
    Effort,
    QueryEncoders,
    Searcher,
    SearchRequest,
    StaleCursor,
    Suggestions,
    UnknownThing,
    read_like,
)
from reelshelf.indexer.store import ReleaseSnapshot, Store, find_run
from reelshelf.models.pictures import load_picture
from reelshelf.models.registry import load_image_encoder, load_joint_text, load_query_encoder
from reelshelf.schemas import logs
from reelshelf.schemas.errors import InputError, ReelshelfError
from reelshelf.schemas.media import Pixels
from reelshelf.searcher import jobs
from reelshelf.searcher.details import Details
from reelshelf.searcher.doubtful import DoubtfulLinks
from reelshelf.searcher.framing import Channel
from reelshelf.searcher.garbage import set_aside
from reelshelf.searcher.messages import (
    Body,
    SuggestionMessage,
    SuggestionsMessage,
    answer_body,
    why_body,
)
from reelshelf.searcher.query_log import frequent_queries, watched_videos
from reelshelf.searcher.settings import SearcherSettings

_LOG = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
# Pictures that browsers show. Others that Pillow knows are read by programs of their own.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "MPO")
# Asked when a release is opened: it loads what the first query would otherwise wait for.
_WARM = SearchRequest("red shoes", rows="mixed")
# Threads take turns this often, so that none waits long for another.
_TURN_SECONDS = 0.001
_NICE = 10


@dataclass(slots=True)
class OpenedView:
    """A release under rules, with what answers from it.

    The parts that few requests need are made late.
    """

    snapshot: ReleaseSnapshot
    searcher: Searcher
    details: Details
    suggestions: Suggestions | None = None
    doubtful: DoubtfulLinks | None = None


class Worker:
    """Answers jobs from the views that it has open.

    One that does not search loads no encoders.
    """

    def __init__(self, uri: str, settings: SearcherSettings, *, searches: bool) -> None:
        self._settings, self._searches = settings, searches
        self._store = Store.open(uri, settings.storage)
        self._encoders: dict[str, QueryEncoders] = {}
        self._open: dict[str, OpenedView] = {}

    def do(self, view: str, job: jobs.Job) -> jobs.Reply:
        """Do a job in a view. Every error becomes a reply: a worker goes on."""
        began = time.perf_counter()
        try:
            match job:
                case jobs.OpenView():
                    opened = self._opened(job)
                    set_aside()
                    return opened
                case jobs.CloseView():
                    self._open.pop(job.view, None)
                    set_aside()
                    return None
            found = self._answer(self._open[view], job)
        except StaleCursor as error:
            return jobs.Refused("stale", str(error))
        except UnknownThing as error:
            return jobs.Refused("absent", str(error))
        except InputError as error:
            return jobs.Refused("input", str(error))
        except ReelshelfError as error:
            return jobs.Refused("service", str(error))
        except Exception as error:
            _LOG.exception("%s failed", type(job).__name__)
            return jobs.Refused("bug", f"{type(error).__name__} in {type(job).__name__}")
        if not isinstance(found, BaseModel):
            return found
        body = found.model_dump_json().encode()
        took_ms = (time.perf_counter() - began) * 1000
        if isinstance(job, jobs.Search) and isinstance(found, Body):
            return jobs.Done(body, took_ms, found.answered, self._degraded(view, job))
        return jobs.Done(body, took_ms)

    def _answer(self, opened: OpenedView, job: jobs.Question) -> BaseModel | jobs.Reply:
        match job:
            case jobs.Search():
                return self._search(opened, job)
            case jobs.Explain():
                request = job.message.request(job.forced)
                why = opened.searcher.why(request, read_like(job.of))
                return why_body(why, opened.searcher.release.release_id)
            case jobs.Suggest():
                return self._suggest(opened, job)
            case jobs.ShowVideo():
                return opened.details.video(job.video_id) or _nothing("video", job.video_id)
            case jobs.ShowProduct():
                return opened.details.product(job.sku) or _nothing("product", job.sku)
            case jobs.FindMedia():
                return opened.details.media(job.video_id) or _nothing("video", job.video_id)
            case jobs.FindPoster():
                return opened.details.poster(job.video_id) or _nothing("poster of", job.video_id)
            case jobs.FindPicture():
                found = opened.details.picture(job.sku, job.number)
                return found or _nothing("picture of product", job.sku)
            case jobs.CheckLink():
                link = opened.details.has_link(job.video_id, job.sku)
                return link or _nothing("link", f"of {job.video_id} to {job.sku}")
            case jobs.ListDoubtful():
                if opened.doubtful is None:
                    events = self._settings.log.events
                    watched = watched_videos(events) if events else Counter[str]()
                    opened.doubtful = DoubtfulLinks(opened.snapshot, opened.details, watched)
                return opened.doubtful.message(job.offset, job.count, job.decided)

    def _degraded(self, view: str, job: jobs.Search) -> tuple[Effort, ...]:
        """What a search lacks. Frames count where a picture is sent, or texts reach frames too."""
        encoders = self._encoders_for(self._open[view].snapshot)
        counts = job.picture is not None or encoders.joint_text is not None
        return tuple(sorted(part for part in job.without if part != "image" or counts))

    def _search(self, opened: OpenedView, job: jobs.Search) -> BaseModel:
        request = job.message.request(job.forced, self._picture(job.picture), job.without)
        found = opened.searcher.search(request)
        release = opened.searcher.release.release_id
        return answer_body(found, release, "shipped", opened.details, job.message.explain)

    def _suggest(self, opened: OpenedView, job: jobs.Suggest) -> BaseModel:
        if opened.suggestions is None:
            events = self._settings.log.events
            queries = frequent_queries(events) if events else []
            opened.suggestions = opened.searcher.suggestions(queries)
        found = opened.suggestions.find(job.text, job.count)
        return SuggestionsMessage(
            release=opened.searcher.release.release_id,
            suggestions=tuple(SuggestionMessage(text=one.text, kind=one.kind) for one in found),
        )

    def _opened(self, job: jobs.OpenView) -> jobs.Opened:
        snapshot = ReleaseSnapshot.of(self._store, find_run(self._store, job.run_id))
        encoders = self._encoders_for(snapshot)
        searcher = Searcher(snapshot, encoders, rules=job.rules)
        details = Details(snapshot, self._settings.media)
        opened = OpenedView(snapshot, searcher, details)
        if self._searches:
            searcher.search(_WARM)
        else:
            self._suggest(opened, jobs.Suggest("", 1))
        self._open[job.view] = opened
        remarks = tuple(f"{remark.rule}: {remark.told}" for remark in searcher.unknown)
        return jobs.Opened(job.view, searcher.release.release_id, remarks)

    def _encoders_for(self, snapshot: ReleaseSnapshot) -> QueryEncoders:
        """The encoders of a release; releases of the same models share them."""
        config = snapshot.config
        name = config.models.model_dump_json()
        if name not in self._encoders:
            if not self._searches:
                self._encoders[name] = QueryEncoders()
            else:
                image = load_image_encoder(config) if self._settings.server.images else None
                self._encoders[name] = QueryEncoders(
                    load_query_encoder(config), image, load_joint_text(config)
                )
        return self._encoders[name]

    def _picture(self, given: bytes | None) -> Pixels | None:
        """What a shopper sent, decoded."""
        if given is None:
            return None
        if not self._settings.server.images:
            raise InputError("image: this service searches by words alone (server.images)")
        try:
            return load_picture(
                io.BytesIO(given), formats=_FORMATS, most_pixels=self._settings.limits.pixels
            )
        except ValueError as error:
            raise InputError(f"image: {error}") from error


def _nothing(kind: str, name: str) -> jobs.Refused:
    return jobs.Refused("absent", f"this release has no {kind} {name!r}")


def work(
    own: socket.socket,
    uri: str,
    settings: SearcherSettings,
    searches: bool,
    log_format: logs.Format,
) -> None:
    """What a worker process does: reply to jobs until the other end closes."""
    # Both may go to the whole group; the service ends its workers itself, when they are done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Whoever takes and refuses requests comes before those that search.
    os.nice(_NICE)
    logs.configure(form=log_format)
    sys.setswitchinterval(_TURN_SECONDS)
    worker, channel = Worker(uri, settings, searches=searches), Channel(own)
    while True:
        try:
            view, job = channel.receive()
            channel.send(worker.do(view, job))
        except (EOFError, OSError):
            # The service has ended.
            return


def starting(
    uri: str, settings: SearcherSettings, *, searches: bool, log_format: logs.Format
) -> Callable[[socket.socket], BaseProcess]:
    """What starts a worker of a store, given its end of a pair of sockets."""

    def start(own: socket.socket) -> BaseProcess:
        arguments = (own, uri, settings, searches, log_format)
        process = _SPAWN.Process(target=work, args=arguments, daemon=True)
        process.start()
        return process

    return start


def make_arrays(uri: str, settings: SearcherSettings, run_id: str) -> None:
    """Make what workers map of a release, in a process of its own: that may take minutes.

    Why a release cannot be opened is told by the workers, who try it afterwards.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(ReelshelfError):
        store = Store.open(uri, settings.storage)
        Searcher(ReleaseSnapshot.of(store, find_run(store, run_id)), QueryEncoders())
