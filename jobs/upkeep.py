"""What is done to releases by hand: publish what the tables hold, prune, verify."""

import datetime as dt
import uuid

from indexer.plan import PlanCounts
from indexer.quality.gate import FAILURE_RATE
from indexer.segments import stage_fingerprints
from indexer.store import releases
from indexer.store.checksums import damage, damaged_files
from indexer.store.head import Lease
from indexer.store.retention import Pruned, prunable, prune, youngest
from indexer.store.rows import RunContext, now
from indexer.store.runs import RunRecord, last_indexing
from indexer.store.tables import Store
from jobs.ingest import IngestResult, finish
from jobs.local import LocalEngine
from jobs.progress import Progress
from jobs.run import Run
from models.registry import load_models
from schemas.config import Config
from schemas.errors import StoreError
from schemas.release import Release


def publish(
    uri: str, config: Config | None, progress: Progress, *, forced: str | None = None
) -> IngestResult:
    """Make a release of what the tables hold, without reading the shop or asking a model.

    It ends a hold that a rollback has put on publishing. `forced` is why it is to be published
    against the gate's word; it stands in the release. Without a config the last run's is taken.
    """
    store = Store.open(uri, config.storage if config else None)
    last = last_indexing(store)
    settings = config or last.config
    number = store.generation_of(last.models)
    if number is None:
        raise StoreError(
            f"{uri}: the last run made vectors of {last.models.image.space!r} and "
            f"{last.models.text.space!r}, which the store does not hold: run `reelshelf ingest`"
        )
    run_id = str(uuid.uuid4())
    with Lease.take(store, run_id, settings.nightly.lease_s) as lease:
        own = store.of(number).guarded(lease.check)
        releases.clear_unpublished(own)
        context = RunContext(
            run_id=run_id,
            shop_id=settings.shop_id,
            started_at=now(),
            refs=last.models,
            fingerprints=stage_fingerprints(settings, last.models),
        )
        run = Run(
            settings,
            # Never entered: nothing here asks a model.
            LocalEngine(settings, load_models),
            own,
            lease,
            context,
            progress,
            previous=releases.served_release(own),
            last=releases.last_made(own),
            base=None,
            source={},
            planned=PlanCounts(),
            counted=last.tally,
            refused_rate=_refused_rate(last),
        )
        return finish(run, forced=forced, asked=True)


def _refused_rate(run: RunRecord) -> float | None:
    """The failure rate that a run was refused for, if it was."""
    missed = (check.missed_by for check in run.refused_by if check.name == FAILURE_RATE)
    beyond = next(missed, None)
    return None if beyond is None else run.config.gate.max_failure_rate + beyond


def prune_store(
    uri: str,
    config: Config,
    *,
    keep: int,
    grace: dt.timedelta,
    older_than: dt.timedelta | None = None,
) -> Pruned:
    """Let go of old releases, and of what killed runs left behind.

    `older_than` is the age from which versions of tables may go (see `retention.youngest`).
    """
    store = Store.open(uri, config.storage)
    with Lease.take(store, str(uuid.uuid4()), config.nightly.lease_s) as lease:
        guarded = store.guarded(lease.check)
        releases.clear_unpublished(guarded)
        age = youngest(config.nightly.lease_s) if older_than is None else older_than
        return prune(guarded, lease, keep=keep, grace=grace, older_than=age)


def would_prune(uri: str, config: Config, *, keep: int, grace: dt.timedelta) -> list[Release]:
    """The releases that pruning would let go of."""
    store = Store.open(uri, config.storage)
    return prunable(releases.listed_releases(store), keep, grace)


def verify(uri: str, config: Config, name: str | None = None) -> Release:
    """Read every file of a release and compare it with its checksum; the release, if all is well.

    Raises Damaged with the files that are not what they were.
    """
    store = Store.open(uri, config.storage)
    release = releases.find_release(store, name) if name else releases.newest_release(store)
    wrong = damaged_files(store.of(release.generation), release.tables)
    if wrong:
        raise damage(uri, release.release_id, wrong)
    return release
