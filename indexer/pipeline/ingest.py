"""One run: from the shop's files to a published release.

Read what the shop hands over, plan the difference to what the store holds, do it, publish. Each
stage is idempotent and commits as it goes, so a run that was killed is completed by the next one.
A run holds the store's lease from before its plan until its end.
"""

import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pyarrow as pa

from reelshelf.indexer.index.gpus import gpus_for
from reelshelf.indexer.pipeline.engine import Engine, TaskRunner
from reelshelf.indexer.pipeline.gating import NOTHING_AT_HAND, AtHand, check_files
from reelshelf.indexer.pipeline.indexing import (
    drop_gone_products,
    index_pictures,
    index_products,
    index_videos,
    leave_out_pictures,
    listed_products,
    note_failed,
)
from reelshelf.indexer.pipeline.plan import PlanCounts
from reelshelf.indexer.pipeline.planning import (
    IngestRequest,
    Planned,
    Source,
    check_spaces,
    check_whole,
    plan,
    read_source,
)
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.indexer.pipeline.releasing import BY_THE_GATE, Publication, release
from reelshelf.indexer.pipeline.run import Baseline, Clock, Outcomes, Run, row_context, run_end
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.quality.gate import FAILURE_RATE, failure_rate
from reelshelf.indexer.quality.rederiving import ShopFiles, Sources
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.connection import check_writable
from reelshelf.indexer.store.failures import note_failures, write_failures
from reelshelf.indexer.store.migration import keep_settings
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import RunRecord, end_run
from reelshelf.indexer.store.sources import forget_seen
from reelshelf.indexer.store.tables import Store, unguarded
from reelshelf.indexer.store.torn import drop_torn
from reelshelf.indexer.store.writing import recorded, writing
from reelshelf.models.weights import require
from reelshelf.schemas.catalog import RejectedPicture, RejectedRow
from reelshelf.schemas.config import Config, kept_settings
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.errors import AllNewFailed, GateRefused, StoreError, TooManyFailures
from reelshelf.schemas.gate import GateCheck, at_least
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.outcomes import Failed, Skipped, Tally
from reelshelf.schemas.release import Release
from reelshelf.schemas.run import Ending, Spent, Stage

_LOG = logging.getLogger(__name__)

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
    devices: ModelDevices | None
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
        if self.ending is Ending.ALL_NEW_FAILED:
            raise AllNewFailed(self.message)
        if self.ending is Ending.TOO_MANY_FAILURES:
            raise TooManyFailures(self.message)
        return self


def ingest(
    request: IngestRequest,
    config: Config,
    engine_for: EngineFactory,
    progress: Progress,
    reindex: ReindexRequest | None = None,
) -> IngestResult:
    """Run everything once, or only what is asked for.

    A run that may not publish is a result too; see `or_raise`. Raises StoreBusy where another run
    holds the store.
    """
    require("faiss", extra="cpu", what="training an index")
    if config.media.backend == "decord":
        require("decord", extra="decord", what='media.backend = "decord"')
    source = read_source(request, config)
    check_files(config)
    # Before the models: what cannot be written need not be computed.
    check_writable(request.store)
    run_id, began, clock = str(uuid.uuid4()), now(), Clock()
    with log_context(run_id=run_id), ExitStack() as stack:
        store = lease = None
        if Store.exists(request.store, config.storage):
            # Before the models: a second run must not load them beside those of the first.
            stored = Store.open(request.store, config.storage)
            store, lease = stack.enter_context(writing(stored, run_id, config))
            stack.enter_context(recorded(store, run_id, config, request.source, began))
        # What is wrong is told before the videos are done, and not when they are to be indexed.
        gpus_for(config.engine.index_device)
        with progress.stage("start models", 1) as stage:
            engine = stack.enter_context(engine_for(config))
            stage.advance()
        _LOG.info("models run on: %s", engine.devices.told)
        if store is not None:
            check_spaces(store, engine.refs, reindex)
        made = Store.create(
            request.store,
            config.shop_id,
            engine.refs,
            config.storage,
            encoders=config.models.encoders,
            settings=kept_settings(config),
            guard=lease.prove if lease is not None else unguarded,
        )
        if lease is None:
            store, lease = stack.enter_context(writing(made, run_id, config))
            stack.enter_context(recorded(store, run_id, config, request.source, began))
        else:
            store = made.guarded(lease.prove)
        run = Run(config, store, lease, row_context(run_id, config, engine.refs), progress)
        return _run(run, engine, source, request, reindex, clock)


def _run(
    run: Run,
    engine: Engine,
    source: Source,
    request: IngestRequest,
    reindex: ReindexRequest | None,
    clock: Clock,
) -> IngestResult:
    config, store = run.config, run.store
    releases.clear_unpublished(store)
    drop_torn(store)
    baseline, outcomes = Baseline.of(store), Outcomes()
    with run.stage("plan", 1) as stage:
        base = baseline.served_store
        planned = plan(source, store, base, run.refs, config, reindex, verify=request.verify)
        stage.advance()
    source = planned.source
    run = replace(run, scope=planned.scope, allow_shrink=request.allow_shrink)
    outcomes.planned = planned.counts
    ending = Finisher(
        run,
        baseline,
        outcomes,
        lambda: _spent(engine, config, clock),
        lambda: engine.devices,
    )
    videos, products, stored = planned.videos, planned.products, planned.stored
    try:
        check_whole(planned, store, config, request)
    except GateRefused as error:
        return ending.refused(Ending.GATE_REFUSED, str(error), error.checks)
    keep_settings(store, config)
    outcomes.rejected += [*source.catalog.rejected, *source.videos.rejected]
    if planned.counts.files_hashed:
        outcomes.calls["files_hashed"] = planned.counts.files_hashed
    try:
        catalog = source.catalog.products
        index_products(run, engine.encode_texts, baseline, outcomes, catalog, products, stored)
        leave_out_pictures(products, outcomes, stored.products)
    except TooManyFailures as error:
        return ending.refused(Ending.TOO_MANY_FAILURES, str(error))
    index_pictures(run, engine, baseline, outcomes, products, stored.pictures)
    drop_gone_products(run, products)
    try:
        stale = index_videos(
            run,
            engine,
            baseline,
            outcomes,
            source.videos,
            videos,
            stored,
            catalog,
        )
    except TooManyFailures as error:
        note_failures(store, outcomes.failed, run.context)
        note_failed(run, outcomes, videos.todo, products)
        check = failure_rate(outcomes.tries.failure_rate, config.gate)
        return ending.refused(Ending.TOO_MANY_FAILURES, str(error), [check])
    outcomes.tally.check()
    write_failures(
        store, outcomes.failed, outcomes.rejected_pictures, outcomes.rejected, run.context
    )
    note_failed(run, outcomes, videos.todo, products)
    if run.scope.removes:
        forget_seen(store, stored.seen.keys() - videos.sources.keys() - products.keys)
    check = failure_rate(outcomes.tries.failure_rate, config.gate)
    if not check.passed:
        return ending.refused(outcomes.failed_ending, too_many(outcomes, config), [check])
    store.delete_videos(stale)
    if run.scope.links:
        store.unlink([key for key in store.link_states() if run.scope.has_video(key)])
    return ending.publish(engine, at_hand=_at_hand(run, outcomes, planned, engine))


def _at_hand(run: Run, outcomes: Outcomes, planned: Planned, engine: Engine) -> AtHand:
    """What the gate may look at beside the store: the models, and all that the source lists."""
    videos = planned.videos.sources
    listed = {
        "videos": pa.array([key for key in videos if run.scope.has_video(key)], pa.string()),
        "products": listed_products(run, outcomes, planned.products),
    }
    files = ShopFiles(engine, planned.source.files, planned.source.catalog.root, videos)
    return AtHand(Sources(engine, files), listed)


def _spent(engine: Engine, config: Config, clock: Clock) -> dict[Stage, Spent]:
    return clock.spent(engine.spent, in_process=config.engine.kind == "local")


@dataclass(frozen=True, slots=True)
class Finisher:
    """Ends a run: makes its release if it may, and writes its record either way."""

    run: Run
    baseline: Baseline
    outcomes: Outcomes
    spent: Callable[[], dict[Stage, Spent]]
    devices: Callable[[], ModelDevices | None] = lambda: None

    def publish(
        self,
        tasks: TaskRunner,
        how: Publication = BY_THE_GATE,
        at_hand: AtHand = NOTHING_AT_HAND,
    ) -> IngestResult:
        """Make a release of what the tables hold."""
        try:
            made = release(self.run, self.baseline, self.outcomes, tasks, how, at_hand)
        except GateRefused as error:
            return self.refused(Ending.GATE_REFUSED, str(error), error.checks)
        if made is None and self.outcomes.tries.all_failed:
            # However many may fail: that nothing came of what is new is not that nothing was new.
            check = at_least("videos indexed of those tried", 0, 1)
            message = too_many(self.outcomes, self.run.config)
            return self.refused(self.outcomes.failed_ending, message, [check])
        if made is None:
            return self._ended(Ending.NOTHING_NEW, None, self.baseline.served)
        return self._ended(Ending.PUBLISHED, None, made)

    def refused(
        self, ending: Ending, message: str, checks: Sequence[GateCheck] = ()
    ) -> IngestResult:
        """End without a release: the one that is served stays."""
        return self._ended(ending, message, self.baseline.served, checks)

    def _ended(
        self,
        ending: Ending,
        message: str | None,
        served: Release | None,
        refused_by: Sequence[GateCheck] = (),
    ) -> IngestResult:
        run, outcomes, spent, devices = self.run, self.outcomes, self.spent(), self.devices()
        prices = run.config.cost
        # Tables that a run has only borrowed are given back after this.
        rows = None if run.scope.products_only else run.store.row_counts()
        end = run_end(outcomes, spent, prices, ending, message, served, refused_by, rows, devices)
        end_run(run.store, run.context, end)
        return IngestResult(
            ending=ending,
            message=message,
            run_id=run.context.run_id,
            release=served,
            planned=outcomes.planned,
            tally=outcomes.tally,
            failed=tuple(outcomes.failed),
            skipped=tuple(outcomes.skipped),
            rejected=tuple(outcomes.rejected),
            rejected_pictures=tuple(outcomes.rejected_pictures),
            calls=dict(outcomes.calls),
            spent=spent,
            devices=devices,
            cost=end.cost,
        )


def refused_rate(run: RunRecord) -> float | None:
    """The failure rate of a run, for the release that is made of what it left.

    Records of schema 5 have it only where the run was refused for it.
    """
    if run.failure_rate is not None:
        return run.failure_rate
    missed = (check.missed_by for check in run.refused_by if check.name == FAILURE_RATE)
    beyond = next(missed, None)
    return None if beyond is None else run.config.gate.max_failure_rate + beyond


def too_many(outcomes: Outcomes, config: Config) -> str:
    """What somebody is told whose run had too many failures."""
    tries, most = outcomes.tries, config.gate.max_failure_rate
    limit = f"gate.max_failure_rate is {most:g}: not published."
    if tries.failure_rate <= most:
        limit = "and nothing else is new: nothing to publish."
    if tries.share_away > tries.share_failed:
        first = tries.away[0]
        return (
            f"{len(tries.away)} of {tries.stored} videos that the store holds cannot be read; "
            f"{limit} Look whether the source is whole. First: {first.video_id}: {first.message}"
        )
    failed = tries.failed
    kinds = Counter(item.kind.value for item in failed)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    told = (
        f"{len(failed)} of {tries.indexed + len(failed)} videos failed ({listed}), of those "
        "that were tried"
    )
    if tries.share_new_failed > tries.share_failed:
        told += f", {tries.new_failed} of {tries.new} new and changed ones"
    return f"{told}; {limit} First: {failed[0].video_id}: {failed[0].message}"
