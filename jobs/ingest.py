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

from indexer.plan import PlanCounts, check_shrinkage
from indexer.products import picture_fingerprint
from indexer.quality.gate import failure_rate
from indexer.scope import Demand
from indexer.segments import stage_fingerprints
from indexer.store import releases
from indexer.store.connection import check_writable
from indexer.store.failures import write_failures
from indexer.store.head import Lease
from indexer.store.rows import RunContext, now
from indexer.store.sources import forget_seen
from indexer.store.tables import Store
from jobs.engine import Engine
from jobs.indexing import index_products, index_videos, note_failed
from jobs.planning import IngestRequest, Source, check_spaces, plan, read_source
from jobs.progress import Progress
from jobs.releasing import release
from jobs.run import Run, cost_of
from models.weights import require
from schemas.catalog import RejectedPicture, RejectedRow
from schemas.config import Config
from schemas.errors import GateRefused, StoreError, TooManyFailures
from schemas.gate import GateCheck, at_least
from schemas.outcomes import Failed, Skipped, Tally
from schemas.release import Release
from schemas.run import Ending, Spent, Stage

EngineFactory = Callable[[Config], Engine]


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
            raise GateRefused(self.message or "")
        if self.ending is Ending.TOO_MANY_FAILURES:
            raise TooManyFailures(self.message)
        return self


def ingest(
    request: IngestRequest,
    config: Config,
    engine_for: EngineFactory,
    progress: Progress,
    demand: Demand | None = None,
) -> IngestResult:
    """Run everything once, or only what is demanded.

    A run that may not publish is a result too; see `or_raise`. Raises StoreBusy where another run
    holds the store.
    """
    require("faiss", extra="cpu", what="training an index")
    if config.media.backend == "decord":
        require("decord", extra="decord", what='media.backend = "decord"')
    source = read_source(request, config)
    # Before the models: what cannot be written need not be computed.
    check_writable(request.store)
    run_id = str(uuid.uuid4())
    with ExitStack() as stack:
        held = lease = None
        if Store.exists(request.store, config.storage):
            # Before the models: a second run must not load them beside those of the first.
            held = Store.open(request.store, config.storage)
            lease = stack.enter_context(Lease.take(held, run_id, config.nightly.lease_s))
        with progress.stage("start models", 1) as stage:
            engine = stack.enter_context(engine_for(config))
            stage.advance()
        if held is not None:
            check_spaces(held, engine.refs, demand)
        store = Store.create(
            request.store,
            config.shop_id,
            engine.refs,
            config.storage,
            encoders=config.models.encoders,
        )
        if lease is None:
            lease = stack.enter_context(Lease.take(store, run_id, config.nightly.lease_s))
        guarded = store.guarded(lease.check)
        return _run(request, config, engine, guarded, lease, source, run_id, progress, demand)


def _run(
    request: IngestRequest,
    config: Config,
    engine: Engine,
    store: Store,
    lease: Lease,
    source: Source,
    run_id: str,
    progress: Progress,
    demand: Demand | None,
) -> IngestResult:
    context = RunContext(
        run_id=run_id,
        shop_id=config.shop_id,
        started_at=now(),
        refs=engine.refs,
        fingerprints=stage_fingerprints(config, engine.refs),
    )
    releases.clear_unpublished(store)
    served = releases.served_release(store)
    beside = served is not None and served.generation != store.generation
    base = store.of(served.generation) if served is not None and beside else None
    with progress.stage("plan", 1) as stage:
        planned = plan(source, store, base, engine.refs, config, demand, verify=request.verify)
        stage.advance()
    videos, products, held = planned.videos, planned.products, planned.held
    run = Run(
        config,
        engine,
        store,
        lease,
        context,
        progress,
        previous=served,
        last=releases.last_made(store),
        base=base,
        source=request.source,
        planned=planned.counts,
        scope=planned.scope,
    )
    try:
        check_shrinkage(held, videos, products, config.gate.max_shrink)
    except GateRefused as error:
        return _ended(run, Ending.GATE_REFUSED, str(error), run.previous, error.checks)
    run.rejected += [*source.catalogue.rejected, *source.videos.rejected]
    if planned.counts.files_hashed:
        run.calls["files_hashed"] = planned.counts.files_hashed
    index_products(run, products, dict(held.products), dict(held.pictures))
    stale = index_videos(run, source.videos, videos, dict(held.videos))
    run.tally.check()
    pictures = picture_fingerprint(engine.refs, config.reading)
    write_failures(store, run.failed, run.rejected_pictures, run.rejected, pictures, context)
    note_failed(run, videos.todo, products)
    if run.scope.removes:
        forget_seen(store, held.seen.keys() - videos.keys - products.keys)
    check = failure_rate(run.tries.failure_rate, config.gate)
    if not check.passed:
        return _ended(run, Ending.TOO_MANY_FAILURES, _too_many(run), run.previous, [check])
    store.delete_videos(stale)
    if run.scope.links:
        store.unlink([key for key in store.link_states() if run.scope.has_video(key)])
    return finish(run)


def finish(run: Run, *, forced: str | None = None, asked: bool = False) -> IngestResult:
    """Make a release of what the tables hold, and write the run's record."""
    try:
        made = release(run, forced=forced, asked=asked)
    except GateRefused as error:
        return _ended(run, Ending.GATE_REFUSED, str(error), run.previous, error.checks)
    if made is None and run.tries.all_failed:
        # However many may fail: that nothing came of what is new is not that nothing was new.
        check = at_least("videos indexed of those tried", 0, 1)
        return _ended(run, Ending.TOO_MANY_FAILURES, _too_many(run), run.previous, [check])
    if made is None:
        return _ended(run, Ending.NOTHING_NEW, None, run.previous)
    return _ended(run, Ending.PUBLISHED, None, made)


def _ended(
    run: Run,
    ending: Ending,
    message: str | None,
    newest: Release | None,
    refused_by: Sequence[GateCheck] = (),
) -> IngestResult:
    run.record(ending.value, message, newest.release_id if newest else None, refused_by)
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
    tries, most = run.tries, run.config.gate.max_failure_rate
    limit = f"gate.max_failure_rate is {most:g}: not published."
    if tries.failure_rate <= most:
        limit = "and nothing else is new: nothing to publish."
    if tries.share_away > tries.share_failed:
        first = tries.away[0]
        return (
            f"{len(tries.away)} of {tries.held} videos that the store holds cannot be read; "
            f"{limit} Look whether the source is whole. First: {first.video_id}: {first.message}"
        )
    failed = tries.failed
    kinds = Counter(item.kind.value for item in failed)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (
        f"{len(failed)} of {tries.indexed + len(failed)} videos failed ({listed}), of those "
        f"that were tried; {limit} First: {failed[0].video_id}: {failed[0].message}"
    )
