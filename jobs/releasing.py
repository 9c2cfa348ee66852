"""The part of a run that makes a release of what the tables hold: indexes, copies, links, gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.index.build import Builder, build_indexes
from indexer.linking import link as linking
from indexer.linking.catalogue import LinkingCatalogue, linking_facts
from indexer.linking.likeness import background_of
from indexer.linking.link import Linker
from indexer.linking.sight import Sight
from indexer.products import picture_fingerprint
from indexer.quality.gate import check_release
from indexer.quality.measures import measure
from indexer.queries import read_typed
from indexer.search.duplicates import cluster_duplicates
from indexer.store import releases
from indexer.store.backgrounds import read_background, save_background
from indexer.store.calibrations import newest_calibration
from indexer.store.checksums import damage, damaged_files
from indexer.store.head import held_back, read_head
from indexer.store.linking import copies_of
from indexer.store.products import read_products
from indexer.store.rows import now
from indexer.store.tables import DATA_TABLES
from jobs.run import Run
from models.registry import load_text_encoder
from schemas.background import Background
from schemas.calibration import Calibration
from schemas.errors import GateRefused, SpaceMismatch
from schemas.keys import fingerprint, product_key
from schemas.links import ProductLink
from schemas.media import Vectors
from schemas.release import Release, VectorIndex
from schemas.tables import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class _Linked:
    """What the links of a run were made with."""

    background: Background | None
    calibration: Calibration
    fingerprint: str


def release(run: Run, *, forced: str | None = None, asked: bool = False) -> Release | None:
    """Index, link, measure and publish. None where nothing differs from the last release.

    Raises GateRefused where the gate finds the candidate worse than it may be and nothing is
    `forced`, or where publishing is on hold and nobody `asked` for this release by name. Raises
    Damaged where files of the last release cannot be read any more.
    """
    try:
        return _release(run, forced=forced, asked=asked)
    except (OSError, RuntimeError, ValueError) as error:
        # What Lance raises over a file that is cut off or gone says neither which nor what to do.
        wrong = damaged_files(run.store, run.last.tables) if run.last else []
        if run.last is None or not wrong:
            raise
        raise damage(run.store.uri, run.last.release_id, wrong) from error


def _release(run: Run, *, forced: str | None, asked: bool) -> Release | None:
    indexes = _indexes(run)
    background = _background(run)
    with run.progress.stage("duplicates", 1) as stage:
        cluster_duplicates(run.store, indexes, background, run.config.duplicates)
        stage.advance()
    linked = _link(run, background)
    if not _has_news(run, linked.fingerprint, indexes):
        return None
    hold = read_head(run.store).hold
    if hold and not asked:
        raise GateRefused(held_back(hold))
    made = _build_release(run, indexes, linked, forced)
    refused = [check for check in made.gate if not check.passed]
    if refused and not forced:
        message = "; ".join(f"{c.name}: wanted {c.wanted}, found {c.found}" for c in refused)
        raise GateRefused(f"not published, the last release stays. {message}", refused)
    releases.publish(run.store, made, run.lease, end_hold=asked)
    return made


def _indexes(run: Run) -> list[VectorIndex]:
    """The indexes, brought up where their tables or their settings have changed."""
    last = run.last
    if last is not None and not run.scope.index:
        tables = {index.table for index in last.indexes} | {"links"}
        if releases.config_of(last).index == run.config.index and all(
            run.store.table(name).version == last.table_version(name) for name in tables
        ):
            return [index.model_copy(update={"rebuilt": None}) for index in last.indexes]
    with run.progress.stage("index", 1) as stage:
        builder = Builder(
            config=run.config.index,
            spread=run.engine.spread,
            workers=run.engine.index_workers,
            typed=_typed(run),
            anew=run.scope.index,
        )
        indexes = build_indexes(run.store, builder, last.indexes if last else ())
        stage.advance()
    return indexes


def _typed(run: Run) -> Vectors | None:
    """Vectors of what shoppers typed, where the config names a file of it.

    They are few: the driver encodes them itself. Raises InputError where the file has no query.
    """
    named = run.config.index.queries
    if named is None:
        return None
    texts = read_typed(Path(named), most=run.config.index.tune_queries)
    encoder = load_text_encoder(run.config)
    if encoder.ref.space != run.refs.text.space:
        raise SpaceMismatch(
            f"index.queries: {encoder.ref.space!r} makes no vectors of {run.refs.text.space!r}, "
            "which the store holds"
        )
    return encoder.encode_texts(texts)


def _background(run: Run) -> Background | None:
    """What likeness means in this shop; measured anew only when videos or pictures have doubled.

    A background that moved a little every night would change every link every night.
    """
    pictures = run.store.table("product_images").count_rows()
    if not pictures:
        return None
    count = run.store.table("segments").count_rows()
    if not count:
        return None
    held = read_background(run.store, run.last.background_id) if run.last else None
    if held is not None and count < 2 * held.segments and pictures < 2 * held.pictures:
        return held
    frames, shots = run.store.frame_sample(run.config.linking.background_segments)
    catalogue = LinkingCatalogue.of(read_products(run.store))
    background = background_of(frames, shots, catalogue, segments=count)
    save_background(run.store, background)
    return background


def _link(run: Run, background: Background | None) -> _Linked:
    """Link videos whose links are due: new ones, those whose copies or facts changed, or all."""
    products = read_products(run.store)
    catalogue = LinkingCatalogue.of(products)
    config = run.config.linking
    calibration = newest_calibration(run.store)
    linked_as = fingerprint(
        [
            linking.VERSION,
            config.model_dump(mode="json"),
            background.background_id if background else None,
            calibration.model_dump(mode="json"),
            run.refs.text.model_dump(),
            picture_fingerprint(run.refs, run.config.reading),
            [linking_facts(item) for item in products],
        ]
    )
    due = _due(run, linked_as)
    sight = Sight(catalogue, background) if background else None
    product_keys = [product_key(run.config.shop_id, p.product.sku) for p in catalogue.products]
    linker = Linker(catalogue, product_keys, sight, calibration, config)
    groups = [list(group) for group in due]
    made_from = {key: print_ for group, print_ in due.items() for key in group}
    with run.progress.stage("links", sum(len(group) for group in groups)) as stage:
        for batch in run.store.videos_to_link(groups):
            links: list[tuple[str, ProductLink]] = []
            for copies in batch:
                found = linker.link([video for _, video in copies])
                for (video_id, _), own in zip(copies, found, strict=True):
                    links += [(video_id, link) for link in own]
                    stage.advance()
            keys = [video.video_key for copies in batch for _, video in copies]
            run.store.write_links({key: made_from[key] for key in keys}, links, run.context)
    return _Linked(background, calibration, linked_as)


def _due(run: Run, linked_as: str) -> dict[tuple[str, ...], str]:
    """Groups of copies whose links were made from something else, with what to make them from."""
    states = run.store.link_states()
    groups = copies_of({key: state.cluster for key, state in states.items()}, states)
    due = {}
    for group in groups:
        members = [[key, states[key].content_sha256] for key in group]
        made_from = fingerprint([linked_as, members])
        if any(states[key].made_from != made_from for key in group):
            due[tuple(group)] = made_from
    return due


def _has_news(run: Run, linked_as: str, indexes: Sequence[VectorIndex]) -> bool:
    """Whether a release made now would differ from the one that is served.

    Table versions tell of this run's changes and of those that a killed run left unpublished.
    """
    previous = run.previous
    if previous is None or previous.generation != run.store.generation:
        return True
    settings = releases.config_of(previous)
    if (previous.linking_fingerprint, previous.models) != (linked_as, run.refs):
        return True
    if (settings.index, settings.search, settings.duplicates) != (
        run.config.index,
        run.config.search,
        run.config.duplicates,
    ):
        return True
    if [index.name for index in indexes] != [index.name for index in previous.indexes]:
        return True
    return any(
        run.store.table(name).version != previous.table_version(name)
        for name in DATA_TABLES
        if name != "failures"  # written by every run
    )


def _build_release(
    run: Run, indexes: list[VectorIndex], linked: _Linked, forced: str | None
) -> Release:
    with run.progress.stage("quality", 1) as stage:
        tables = releases.pin_tables(run.store)
        tally = run.counted or run.tally
        rate = run.failure_rate
        quality = measure(run.store, tables, indexes, run.previous, run.config, tally, rate)
        stage.advance()
    sequence = releases.next_sequence(run.store)
    before = run.previous.quality if run.previous else None
    return Release(
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
        gate=check_release(quality, before, run.config.gate, tried=run.failure_rate is not None),
        background_id=linked.background.background_id if linked.background else None,
        calibration=linked.calibration,
        linking_fingerprint=linked.fingerprint,
        config=run.config.model_dump_json(),
        forced=forced,
    )
