"""The part of a run that makes a release of what the tables hold: indexes, copies, links, gate."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.index.duplicates import cluster_duplicates
from reelshelf.indexer.index.gpus import gpus_for
from reelshelf.indexer.index.linkers import LinkerRecipe
from reelshelf.indexer.linking import link as linking
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.pipeline.catalog_changes import (
    CatalogChange,
    ProductFacts,
    carried_states,
)
from reelshelf.indexer.pipeline.engine import TaskRunner
from reelshelf.indexer.pipeline.gating import NOTHING_AT_HAND, AtHand, gated
from reelshelf.indexer.pipeline.linking import LinkedFrom, concerned, due_links, make_links
from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run
from reelshelf.indexer.pipeline.statistics import statistics
from reelshelf.indexer.quality.inspection import inspect_rows
from reelshelf.indexer.quality.measures import Candidate, measure
from reelshelf.indexer.sources.queries import read_typed
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.calibrations import newest_calibration
from reelshelf.indexer.store.checksums import damage, damaged_files
from reelshelf.indexer.store.head import held_back, read_head
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import DATA_TABLES, UNREADABLE
from reelshelf.indexer.store.visual_stats import known_visual_stats
from reelshelf.models.registry import load_text_encoder
from reelshelf.schemas.calibration import Calibration
from reelshelf.schemas.errors import GateRefused, SpaceMismatch
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.keys import fingerprint
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import CatalogState, Release, VectorIndex
from reelshelf.schemas.stages import (
    LATER_LINK_SETTINGS,
    LINK_SETTINGS,
    identity,
    later_settings,
    picture_fingerprint,
    settings_of,
)
from reelshelf.schemas.tables import SCHEMA_VERSION
from reelshelf.schemas.visual_stats import VisualStats

_LOG = logging.getLogger(__name__)
# What comes of rows and files that are not what was written, beside errors of ours.
_OVER_WHAT_IS_STORED = (
    OSError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    pa.ArrowException,
)
# A message of more conditions than this is read by nobody.
_MOST_TOLD = 6


@dataclass(frozen=True, slots=True)
class _Linked:
    """What the links of a run were made with."""

    stats: VisualStats | None
    calibration: Calibration
    linked_from: LinkedFrom


@dataclass(frozen=True, slots=True)
class Publication:
    """How a release is made. `forced` is why it is published against the gate's word.

    `asked`: somebody asked for it by name, which ends a hold that a rollback has put on publishing.
    """

    forced: str | None = None
    asked: bool = False


BY_THE_GATE = Publication()


def release(
    run: Run,
    baseline: Baseline,
    outcomes: Outcomes,
    tasks: TaskRunner,
    how: Publication = BY_THE_GATE,
    at_hand: AtHand = NOTHING_AT_HAND,
) -> Release | None:
    """Index, link, measure and publish. None where nothing differs from the served release.

    Raises GateRefused where the gate finds the candidate worse than it may be and nothing is
    forced, or where publishing is on hold and nobody asked for this release by name. Raises
    CorruptFile where files of the last release cannot be read any more.
    """
    latest = baseline.latest_in_generation
    try:
        return _release(run, baseline, outcomes, tasks, how, at_hand)
    except _OVER_WHAT_IS_STORED as error:
        # What Lance raises over a file that is cut off or gone says neither which nor what to do.
        wrong = damaged_files(run.store, latest.tables) if latest else []
        if latest is not None and wrong:
            raise damage(run.store.uri, latest.release_id, wrong) from error
        # Nor does what our own code raises over rows that are not what was written.
        broken = _broken_rows(run, baseline)
        if not broken:
            raise
        _LOG.warning("work on rows that are not what was written failed", exc_info=error)
        raise GateRefused(_told(broken), broken) from error


def _broken_rows(run: Run, baseline: Baseline) -> list[GateCheck]:
    """What rows of the tables are not as they are declared, where work on them has failed."""
    served = baseline.latest_in_generation
    before = ReleaseSnapshot.of(run.store, served) if served is not None else None
    newest = PinnedTables.newest(run.store)
    found = inspect_rows(newest, before, run.config.shop_id, run.config.index.seed)
    return [finding.as_check() for finding in found if not finding.passed]


def _release(
    run: Run,
    baseline: Baseline,
    outcomes: Outcomes,
    tasks: TaskRunner,
    how: Publication,
    at_hand: AtHand,
) -> Release | None:
    typed = _TypedQueries(run)
    indexes = _indexes(run, baseline, tasks, typed)
    if run.scope.products_only:
        linked = _linked_before(run, baseline)
    else:
        pinned = PinnedTables.newest(run.store)
        facts = ProductFacts.of(pinned)
        stats = statistics(run, baseline, facts)
        with run.stage("duplicates", 1) as stage:
            cluster_duplicates(run.store, indexes, stats, run.config.duplicates)
            stage.advance()
        linked = _link(run, baseline, tasks, stats, facts)
    if not _has_news(run, baseline, linked.linked_from, indexes):
        return None
    hold = read_head(run.store).hold
    if hold and not how.asked:
        raise GateRefused(held_back(hold))
    made = _build_release(
        run, baseline, outcomes, indexes, linked, typed, how.forced, at_hand, tasks
    )
    refused = [check for check in made.gate if not check.passed]
    if refused and not how.forced:
        raise GateRefused(_told(refused), refused)
    releases.publish(run.store, made, run.lease, end_hold=how.asked)
    return made


def _told(refused: Sequence[GateCheck]) -> str:
    """Why a release is not published, for people: those that missed most first, not all of many."""
    shown = [check.told for check in refused[:_MOST_TOLD]]
    if len(refused) > _MOST_TOLD:
        shown.append(f"and {len(refused) - _MOST_TOLD} conditions more, which the run's record has")
    return f"not published, the last release stays. {'; '.join(shown)}"


def _indexes(
    run: Run, baseline: Baseline, tasks: TaskRunner, typed: "_TypedQueries"
) -> list[VectorIndex]:
    """The indexes, brought up where their tables or their settings have changed."""
    last = baseline.latest_in_generation
    if last is not None and not run.scope.index:
        tables = {index.table for index in last.indexes} | {"links"}
        if releases.config_of(last).index == run.config.index and all(
            run.store.holds(name, last.table_version(name)) for name in tables
        ):
            return [index.model_copy(update={"rebuilt": None}) for index in last.indexes]
    with run.stage("index", 1) as stage:
        builder = Builder(
            config=run.config.index,
            map_tasks=tasks.map_tasks,
            workers=tasks.index_workers,
            query_vectors=typed.vectors,
            retrain=run.scope.index,
            gpus=gpus_for(run.config.engine.index_device),
            analyzer=run.config.text.analyzer,
        )
        indexes = build_indexes(run.store, builder, last.indexes if last else ())
        stage.advance()
    return indexes


class _TypedQueries:
    """What shoppers typed, where the config names a file of it; encoded when first asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @cached_property
    def vectors(self) -> Vectors | None:
        """Their vectors. They are few: the driver encodes them itself.

        Raises InputError where the file has no query.
        """
        config = self._run.config
        if config.index.queries is None:
            return None
        texts = read_typed(Path(config.index.queries), most=config.index.tune_queries)
        encoder = load_text_encoder(config)
        if encoder.ref.space != self._run.refs.text.space:
            raise SpaceMismatch(
                f"index.queries: {encoder.ref.space!r} makes no vectors of "
                f"{self._run.refs.text.space!r}, which the store holds"
            )
        return encoder.encode_texts(texts)


def _linked_before(run: Run, baseline: Baseline) -> _Linked:
    """What the links were made with that the tables hold: the next whole run links what is due."""
    latest = baseline.latest_in_generation
    assert latest is not None
    stats = known_visual_stats(run.store, latest.visual_stats_id)
    return _Linked(stats, latest.calibration, LinkedFrom.of(latest))


def _link(
    run: Run,
    baseline: Baseline,
    tasks: TaskRunner,
    stats: VisualStats | None,
    facts: ProductFacts,
) -> _Linked:
    """Link videos whose links are due: new ones, those whose copies or facts changed, or all."""
    pinned = PinnedTables.newest(run.store)
    calibration = newest_calibration(run.store) or default_calibration()
    stats_id = stats.stats_id if stats else None
    settings = fingerprint(
        [
            linking.VERSION,
            settings_of(run.config, LINK_SETTINGS)
            | later_settings(run.config, LATER_LINK_SETTINGS),
            stats_id,
            calibration.model_dump(mode="json"),
            identity(run.refs.text),
            picture_fingerprint(run.refs, run.config),
        ]
    )
    versions = {name: pinned.versions[name] for name in ("products", "product_images")}
    alone = LinkedFrom(settings, (facts.state,), versions)
    recipe = LinkerRecipe.of(pinned, run.config, stats_id, calibration, run.refs.text.space)
    # Without statistics every product weighs in every link.
    before = _carried_from(run, baseline, settings) if stats else None
    if before is None:
        due = due_links(run.store, alone)
    elif _same(before.states[0], facts.state):
        due = due_links(run.store, replace(before, versions=versions))
    else:
        change = CatalogChange.between(_catalog_of(run, before), pinned, facts)
        states = carried_states(before.states, change, len(facts.skus))
        due = due_links(run.store, replace(alone, states=(facts.state, *states)))
        if states:
            due = concerned(run.store, recipe, due, change, tasks)
    with run.stage("links", sum(len(group) for group in due.made_from)) as stage:
        for linked in make_links(run.store, recipe, due, tasks, run.context):
            stage.advance(linked)
    return _Linked(stats, calibration, due.linked_from)


def _carried_from(run: Run, baseline: Baseline, settings: str) -> LinkedFrom | None:
    """What the last links were made from, where only the catalog may be another since."""
    latest = baseline.latest_in_generation
    if latest is None or not latest.catalog_states:
        return None
    before = LinkedFrom.of(latest)
    if before.settings != settings:
        return None
    try:
        _catalog_of(run, before).count("products")
    except UNREADABLE as error:
        _LOG.info("all videos are linked: the last catalog cannot be read any more", exc_info=error)
        return None
    return before


def _catalog_of(run: Run, linked_from: LinkedFrom) -> PinnedTables:
    return PinnedTables(run.store, linked_from.versions)


def _same(one: CatalogState, other: CatalogState) -> bool:
    return (one.rest, one.prices) == (other.rest, other.prices)


def _has_news(
    run: Run, baseline: Baseline, linked_from: LinkedFrom, indexes: Sequence[VectorIndex]
) -> bool:
    """Whether a release made now would differ from the one that is served.

    Tables tell of this run's changes and of those that a killed run left unpublished.
    """
    served = baseline.served
    if served is None or served.generation != run.store.generation or baseline.damaged:
        return True
    settings = releases.config_of(served)
    if (served.linking_fingerprint, served.models) != (linked_from.fingerprint, run.refs):
        return True
    if any(
        getattr(settings, section) != getattr(run.config, section)
        for section in ("index", "search", "duplicates", "linking")
    ):
        return True
    if [index.name for index in indexes] != [index.name for index in served.indexes]:
        return True
    return any(
        not run.store.holds(name, served.table_version(name))
        for name in DATA_TABLES
        if name != "failures"  # written by every run
    )


def _build_release(
    run: Run,
    baseline: Baseline,
    outcomes: Outcomes,
    indexes: list[VectorIndex],
    linked: _Linked,
    typed: _TypedQueries,
    forced: str | None,
    at_hand: AtHand,
    tasks: TaskRunner,
) -> Release:
    served = baseline.readable
    snapshot = ReleaseSnapshot.of(run.store, served) if served is not None else None
    searched = any(index.kind != "flat" for index in indexes)
    with run.stage("quality", 1) as stage:
        tables = releases.pin_tables(run.store)
        pinned = PinnedTables.at(run.store, tables)
        asked = typed.vectors if searched else None
        workers = tasks.index_workers
        candidate = Candidate(pinned, tables, indexes, asked, tasks.map_tasks, workers)
        tally, rate = outcomes.released_tally, outcomes.failure_rate
        quality = measure(candidate, snapshot, run.config, tally, rate)
        if outcomes.counted is None and outcomes.tries.new:
            new = outcomes.tries.share_new_failed
            quality = quality.model_copy(update={"failure_rate_new": new})
        stage.advance()
    sequence = releases.next_sequence(run.store)
    draft = Release(
        release_id=releases.release_id(sequence),
        sequence=sequence,
        created_at=now().isoformat(),
        schema_version=SCHEMA_VERSION,
        generation=run.store.generation,
        shop_id=run.config.shop_id,
        profile=run.config.profile.value,
        run_id=run.context.run_id,
        tables=tables,
        models=run.refs,
        indexes=indexes,
        quality=quality,
        gate=[],
        visual_stats_id=linked.stats.stats_id if linked.stats else None,
        calibration=linked.calibration,
        linking_fingerprint=linked.linked_from.fingerprint,
        linking_settings_fingerprint=linked.linked_from.settings,
        catalog_states=list(linked.linked_from.states),
        catalog_versions=dict(linked.linked_from.versions),
        config=run.config.model_dump_json(),
        forced=forced,
    )
    with run.stage("gate", 1) as stage:
        made = gated(run, baseline, outcomes, draft, at_hand)
        stage.advance()
    return made
