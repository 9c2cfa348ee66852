"""One run: from the shop's files to a published release.

Read what the shop hands over, plan the difference to what the store holds, do it, publish. Each
stage is idempotent and commits as it goes, so a run that was killed is completed by the next one.
A run holds the store's lease from before its plan until its end.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from indexer.catalog import CatalogueRead, VideosRead, read_catalogue, read_videos
from indexer.plan import (
    Held,
    PlanCounts,
    ProductPlan,
    VideoPlan,
    check_shrinkage,
    count_plan,
    plan_products,
    plan_videos,
)
from indexer.products import picture_fingerprint
from indexer.segments import stage_fingerprints
from indexer.sources.files import Files
from indexer.store import releases
from indexer.store.failures import known_failures, write_failures
from indexer.store.head import Lease
from indexer.store.products import picture_states, product_states
from indexer.store.rows import RunContext, now
from indexer.store.sources import forget_seen, seen_files
from indexer.store.tables import Store
from jobs.engine import Engine
from jobs.indexing import index_products, index_videos, note_failed
from jobs.progress import Progress
from jobs.releasing import release
from jobs.run import Run, cost_of
from models.weights import require
from schemas.catalog import RejectedPicture, RejectedRow
from schemas.config import Config, parse_config
from schemas.errors import GateRefused, InputError, StoreError, TooManyFailures
from schemas.outcomes import Failed, Skipped, Tally
from schemas.release import ModelRefs, Release
from schemas.run import Spent, Stage

EngineFactory = Callable[[Config], Engine]


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to index into which store: paths or s3:// URLs. `verify` hashes every file."""

    catalogue: str
    videos: str
    store: str
    verify: bool = False


class Ending(StrEnum):
    """How a run ended, in its record."""

    PUBLISHED = "published"
    NOTHING_NEW = "nothing_new"
    GATE_REFUSED = "gate_refused"
    TOO_MANY_FAILURES = "too_many_failures"


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How a run ended. `release` is the newest one, None before the first."""

    ending: Ending
    message: str | None
    run_id: str
    release: Release | None
    planned: PlanCounts
    tally: Tally
    failed: tuple[Failed, ...]
    skipped: tuple[Skipped, ...]
    rejected: tuple[RejectedRow, ...]
    rejected_pictures: tuple[RejectedPicture, ...]
    calls: dict[str, int]
    spent: dict[Stage, Spent]
    cost: float | None

    @property
    def published(self) -> bool:
        """Whether this run made the newest release."""
        return self.ending is Ending.PUBLISHED

    @property
    def newest(self) -> Release:
        """The newest release. Raises StoreError where nothing was ever published."""
        if self.release is None:
            raise StoreError("nothing has been published yet")
        return self.release

    def or_raise(self) -> "IngestResult":
        """Itself, or the error that kept it from being published."""
        if self.ending is Ending.GATE_REFUSED:
            raise GateRefused(self.message)
        if self.ending is Ending.TOO_MANY_FAILURES:
            raise TooManyFailures(self.message)
        return self


@dataclass(frozen=True, slots=True)
class _Source:
    """What the shop hands over."""

    catalogue: CatalogueRead
    videos: VideosRead
    files: Files


def ingest(
    request: IngestRequest, config: Config, engine_for: EngineFactory, progress: Progress
) -> IngestResult:
    """Run everything once. A run that may not publish is a result too; see `or_raise`.

    Raises StoreBusy where another run holds the store.
    """
    require("faiss", extra="cpu", what="training an index")
    if config.media.backend == "decord":
        require("decord", extra="decord", what='media.backend = "decord"')
    source = _read(request, config)
    run_id = str(uuid.uuid4())
    with ExitStack() as stack:
        lease = None
        if Store.exists(request.store, config.storage):
            # Before the models: a second run must not load them beside those of the first.
            held = Store.open(request.store, config.storage)
            lease = stack.enter_context(Lease.take(held, run_id, config.nightly.lease_s))
        with progress.stage("start models", 1) as stage:
            engine = stack.enter_context(engine_for(config))
            stage.advance()
        store = Store.create(request.store, config.shop_id, engine.refs, config.storage)
        if lease is None:
            lease = stack.enter_context(Lease.take(store, run_id, config.nightly.lease_s))
        return _run(request, config, engine, store, lease, source, run_id, progress)


def plan_only(request: IngestRequest, config: Config) -> PlanCounts:
    """What a run would do, without models and without touching anything.

    Where the config names other models than the last release's, every video counts as due.
    """
    source = _read(request, config)
    if not Store.exists(request.store, config.storage):
        return count_plan(*_plan(request, config, source, Held(), None))
    store = Store.open(request.store, config.storage)
    held = _held(store)
    published = releases.list_releases(store)
    refs = None
    if published:
        settings = parse_config(config_of(published[-1]))
        same = (settings.models, settings.profile) == (config.models, config.profile)
        refs = published[-1].models if same else None
    plans = _plan(request, config, source, held, refs)
    check_shrinkage(held, *plans, config.gate.max_shrink)
    return count_plan(*plans)


def config_of(published: Release) -> dict[str, object]:
    """The config that a release was made with, as plain values."""
    found: dict[str, object] = Config.model_validate_json(published.config).model_dump(mode="json")
    return found


def _read(request: IngestRequest, config: Config) -> _Source:
    files = Files(config.storage)
    catalogue = read_catalogue(request.catalogue, files)
    videos = read_videos(request.videos, files)
    if not catalogue.products:
        raise InputError(_nothing_usable(request.catalogue, "product", catalogue.rejected))
    if not videos.videos:
        raise InputError(_nothing_usable(request.videos, "video", videos.rejected))
    return _Source(catalogue, videos, files)


def _nothing_usable(uri: str, what: str, rejected: Sequence[RejectedRow]) -> str:
    reasons = "; ".join(f"line {row.line}: {row.reason}" for row in rejected[:3])
    return f"{uri}: holds no usable {what}" + (f" ({reasons})" if reasons else "")


def _held(store: Store) -> Held:
    return Held(
        videos=store.video_states(),
        products=product_states(store),
        pictures=picture_states(store),
        seen=seen_files(store),
        failures=known_failures(store),
    )


def _plan(
    request: IngestRequest, config: Config, source: _Source, held: Held, refs: ModelRefs | None
) -> tuple[VideoPlan, ProductPlan]:
    prints = stage_fingerprints(config, refs) if refs else None
    videos = plan_videos(
        source.videos.videos, held, prints, source.files, config, verify=request.verify
    )
    products = plan_products(
        source.catalogue, held, refs, source.files, config, verify=request.verify
    )
    return videos, products


def _run(
    request: IngestRequest,
    config: Config,
    engine: Engine,
    store: Store,
    lease: Lease,
    source: _Source,
    run_id: str,
    progress: Progress,
) -> IngestResult:
    context = RunContext(
        run_id=run_id,
        shop_id=config.shop_id,
        started_at=now(),
        refs=engine.refs,
        fingerprints=stage_fingerprints(config, engine.refs),
    )
    releases.clear_unpublished(store, lease)
    published = releases.list_releases(store)
    with progress.stage("plan", 1) as stage:
        held = _held(store)
        videos, products = _plan(request, config, source, held, engine.refs)
        stage.advance()
    run = Run(
        config,
        engine,
        store,
        lease,
        context,
        progress,
        published[-1] if published else None,
        count_plan(videos, products),
    )
    try:
        check_shrinkage(held, videos, products, config.gate.max_shrink)
    except GateRefused as error:
        return _ended(run, Ending.GATE_REFUSED, str(error), run.previous)
    run.rejected += [*source.catalogue.rejected, *source.videos.rejected]
    if run.planned.files_hashed:
        run.calls["files_hashed"] = run.planned.files_hashed
    index_products(run, products, dict(held.products))
    stale = index_videos(run, source.videos, videos, dict(held.videos))
    run.tally.check()
    lease.check()
    pictures = picture_fingerprint(engine.refs, config.reading)
    write_failures(store, run.failed, run.rejected_pictures, run.rejected, pictures, context)
    note_failed(run, videos.todo, products)
    forget_seen(store, held.seen.keys() - videos.keys - products.keys)
    if run.tally.failure_rate > config.gate.max_failure_rate:
        return _ended(run, Ending.TOO_MANY_FAILURES, _too_many(run), run.previous)
    store.delete_videos(stale)
    try:
        made = release(run)
    except GateRefused as error:
        return _ended(run, Ending.GATE_REFUSED, str(error), run.previous)
    if made is None:
        return _ended(run, Ending.NOTHING_NEW, None, run.previous)
    return _ended(run, Ending.PUBLISHED, None, made)


def _ended(run: Run, ending: Ending, message: str | None, newest: Release | None) -> IngestResult:
    run.record(ending.value, message, newest.release_id if newest else None)
    return IngestResult(
        ending=ending,
        message=message,
        run_id=run.context.run_id,
        release=newest,
        planned=run.planned,
        tally=run.tally,
        failed=tuple(run.failed),
        skipped=tuple(run.skipped),
        rejected=tuple(run.rejected),
        rejected_pictures=tuple(run.rejected_pictures),
        calls=dict(run.calls),
        spent=run.spent,
        cost=cost_of(run.spent, run.config.cost),
    )


def _too_many(run: Run) -> str:
    kinds = Counter(item.kind.value for item in run.failed)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    first = run.failed[0]
    return (
        f"{len(run.failed)} of {run.tally.submitted} videos failed ({listed}), "
        f"gate.max_failure_rate is {run.config.gate.max_failure_rate:g}: not published. "
        f"First: {first.video_id}: {first.message}"
    )
