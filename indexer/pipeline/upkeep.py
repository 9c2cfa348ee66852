"""What is done to releases by hand: publish what the tables hold, prune, verify, upgrade."""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import replace

from reelshelf.indexer.pipeline.engine import ThisProcess
from reelshelf.indexer.pipeline.gating import AtHand, check_files
from reelshelf.indexer.pipeline.ingest import Finisher, IngestResult, refused_rate
from reelshelf.indexer.pipeline.progress import Progress
from reelshelf.indexer.pipeline.releasing import Publication
from reelshelf.indexer.pipeline.run import Baseline, Clock, Outcomes, Run, row_context
from reelshelf.indexer.quality.labeled import JUDGED
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.calibrations import calibration_of, save_calibration
from reelshelf.indexer.store.checksums import damage, damaged_elsewhere, damaged_files
from reelshelf.indexer.store.connection import check_conditional_writes
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.migration import Upgrade, upgrade
from reelshelf.indexer.store.overrides import (
    delete_overrides,
    read_overrides,
    write_overrides,
)
from reelshelf.indexer.store.recovery import clear_head, wrong_with_release
from reelshelf.indexer.store.retention import Pruned, prunable, prune, youngest
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import (
    close_dead_runs,
    forget_rows,
    last_indexing,
    rows_left,
)
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.stepping import restore_tables
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import recorded, taking, writing
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.config import Config, StorageConfig
from reelshelf.schemas.errors import ConfigError, StoreError
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.release import Release


def publish(
    uri: str, config: Config | None, progress: Progress, *, forced: str | None = None
) -> IngestResult:
    """Make a release of what the tables hold, without reading the shop or asking a model.

    It ends a hold that a rollback has put on publishing. `forced` is why it is to be published
    against the gate's word; it stands in the release. Without a config the last run's is taken.
    """
    stored = Store.open(uri, config.storage if config else None)
    last = last_indexing(stored)
    settings = config or last.config
    check_files(settings)
    assert last.models is not None
    number = stored.generation_of(last.models)
    if number is None:
        raise StoreError(
            f"{uri}: the last run made vectors of {last.models.image.space!r} and "
            f"{last.models.text.space!r}, which the store does not hold: run `reelshelf ingest`"
        )
    run_id, clock = str(uuid.uuid4()), Clock()
    with (
        log_context(run_id=run_id),
        writing(stored, run_id, settings) as (store, lease),
        recorded(store, run_id, settings, {}, now()),
    ):
        own = store.of(number)
        left = rows_left(own)
        releases.clear_unpublished(own)
        context = row_context(run_id, settings, last.models)
        outcomes = Outcomes(counted=last.tally, refused_rate=refused_rate(last))
        standing = [check for check in last.refused_by if check.asked_models]
        at_hand = AtHand(left=left, standing=standing)
        ending = Finisher(
            Run(settings, own, lease, context, progress),
            replace(Baseline.of(own), served_store=None),
            outcomes,
            lambda: clock.spent({}, in_process=True),
        )
        return ending.publish(ThisProcess(), Publication(forced, asked=True), at_hand)


def upgrade_store(uri: str, config: Config) -> Upgrade:
    """Bring a store of an older version to today's schema; what was done."""
    store = Store.open(uri, config.storage)
    with taking(store, str(uuid.uuid4()), config.nightly.lease_s) as (guarded, _):
        done = upgrade(guarded, config)
        close_dead_runs(guarded)
        return done


def prune_store(
    uri: str,
    config: Config,
    *,
    keep: int,
    grace: dt.timedelta,
    older_than: dt.timedelta | None = None,
) -> Pruned:
    """Delete old releases, and what killed runs left behind.

    `older_than` is the age from which versions of tables may go (see `retention.youngest`).
    """
    stored = Store.open(uri, config.storage)
    with writing(stored, str(uuid.uuid4()), config) as (store, lease):
        releases.clear_unpublished(store)
        age = youngest(config.nightly.lease_s) if older_than is None else older_than
        return prune(store, lease, keep=keep, grace=grace, older_than=age)


def keep_calibration(
    uri: str, config: Config, calibration: Calibration, overrides: Sequence[Override] = ()
) -> None:
    """Save a calibration, which the next run links with, and what people said when they judged."""
    snapshot = ReleaseSnapshot.open(uri, config.storage)
    with writing(snapshot.store, str(uuid.uuid4()), config) as (store, lease):
        save_calibration(store, calibration, lease)
        if overrides:
            # Who judges a video again takes back what was judged of it before.
            videos = {item.video_key for item in overrides}
            before = [
                item
                for item in read_overrides(store)
                if item.video_key in videos and (item.why or "").startswith(JUDGED)
            ]
            delete_overrides(store, before)
            write_overrides(store, overrides)


def restore_store(uri: str, config: Config, name: str) -> Release:
    """Set all tables back to what a retained release names; that release.

    What is served stays. Raises CorruptFile where files of the release are missing or cut off, and
    ConfigError for one that holds something erased.
    """
    run_id = str(uuid.uuid4())
    with (
        log_context(run_id=run_id),
        writing(Store.open(uri, config.storage), run_id, config) as (
            store,
            lease,
        ),
    ):
        release = releases.find_release(store, name)
        if release.run_id in read_head(store).erased:
            raise ConfigError(f"restore: {name} holds something that was erased since")
        if wrong := wrong_with_release(store, release):
            raise damage(uri, name, [wrong])
        seen = store.of(release.generation)
        # First: a run that dies over this leaves rows that the next one upgrades.
        seen.change_generation(release.generation, schema_version=release.schema_version)
        forget_rows(store)
        restore_tables(seen, lease, {table.name: table.version for table in release.tables})
        calibration = calibration_of(release)
        lease.change(lambda head: replace(head, calibration=calibration))
        store.sync("head")
        upgrade(store, config)
        return release


def rollback_store(uri: str, storage: StorageConfig, to: str | None) -> tuple[Release, Release]:
    """Have searchers go to an older release (see `releases.rollback`), also after a power cut."""
    store = Store.open(uri, storage)
    check_conditional_writes(uri, storage)
    clear_head(store)
    return releases.rollback(store, to)


def would_prune(uri: str, config: Config, *, keep: int, grace: dt.timedelta) -> list[Release]:
    """The releases that pruning would delete."""
    store = Store.open(uri, config.storage)
    return prunable(releases.listed_releases(store), keep, grace)


def verify(uri: str, config: Config, name: str | None = None) -> Release:
    """Read every file and compare it with its checksum; the release, if all is well.

    Those of the release, its record, and the newest version of every table: the next run starts
    there. Raises CorruptFile with the files that are not what they were.
    """
    snapshot = ReleaseSnapshot.open(uri, config.storage, name)
    release = snapshot.release
    wrong = damaged_files(snapshot.store, release.tables)
    wrong += damaged_elsewhere(snapshot.store, release)
    if wrong:
        raise damage(uri, release.release_id, wrong)
    return release
