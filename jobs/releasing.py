"""The part of a run that makes a release of what the tables hold: indexes, copies, links, gate."""

import json
from dataclasses import dataclass

from indexer.index.build import build_indexes
from indexer.linking import link as linking
from indexer.linking.catalogue import LinkingCatalogue, linking_facts
from indexer.linking.likeness import background_of
from indexer.linking.link import Linker
from indexer.linking.sight import Sight
from indexer.products import picture_fingerprint
from indexer.quality.gate import check_release
from indexer.quality.measures import measure, widen
from indexer.search.duplicates import cluster_duplicates
from indexer.store import releases
from indexer.store.backgrounds import read_background, save_background
from indexer.store.calibrations import newest_calibration
from indexer.store.linking import copies_of
from indexer.store.products import read_products
from indexer.store.rows import now
from indexer.store.tables import DATA_TABLES
from jobs.run import Run
from schemas.background import Background
from schemas.calibration import Calibration
from schemas.config import parse_config
from schemas.errors import GateRefused
from schemas.keys import fingerprint, product_key
from schemas.links import ProductLink
from schemas.release import Release, VectorIndex
from schemas.tables import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class _Linked:
    """What the links of a run were made with."""

    background: Background | None
    calibration: Calibration
    fingerprint: str


def release(run: Run) -> Release | None:
    """Index, link, measure and publish. None where nothing differs from the last release.

    Raises GateRefused where the gate finds the candidate worse than it may be.
    """
    run.lease.check()
    indexes = _indexes(run)
    background = _background(run)
    with run.progress.stage("duplicates", 1) as stage:
        cluster_duplicates(run.store, indexes, background, run.config.duplicates)
        stage.advance()
    linked = _link(run, background)
    if run.previous is not None and not _has_news(run, run.previous, linked.fingerprint):
        return None
    made = _build_release(run, indexes, linked)
    refused = [check for check in made.gate if not check.passed]
    if refused:
        message = "; ".join(f"{c.name}: wanted {c.wanted}, found {c.found}" for c in refused)
        raise GateRefused(f"not published, the last release stays. {message}")
    releases.publish(run.store, made, run.lease)
    return made


def _indexes(run: Run) -> list[VectorIndex]:
    """The vector indexes, built anew only where their tables or their settings have changed."""
    previous = run.previous
    if previous is not None:
        settings = parse_config(json.loads(previous.config))
        tables = {index.table for index in previous.indexes}
        if settings.index == run.config.index and all(
            run.store.table(name).version == previous.table_version(name) for name in tables
        ):
            return previous.indexes
    with run.progress.stage("index", 1) as stage:
        built = build_indexes(run.store, run.config.index)
        indexes = [widen(run.store, index, run.config) for index in built]
        stage.advance()
    return indexes


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
    held = read_background(run.store, run.previous.background_id) if run.previous else None
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
            run.engine.refs.text.model_dump(),
            picture_fingerprint(run.engine.refs, run.config.reading),
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
            run.lease.check()
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


def _has_news(run: Run, previous: Release, linked_as: str) -> bool:
    """Whether a release made now would differ from the last one.

    Table versions tell of this run's changes and of those that a killed run left unpublished.
    """
    settings = parse_config(json.loads(previous.config))
    if (previous.linking_fingerprint, previous.models) != (linked_as, run.engine.refs):
        return True
    if (settings.index, settings.search, settings.duplicates) != (
        run.config.index,
        run.config.search,
        run.config.duplicates,
    ):
        return True
    return any(
        run.store.table(name).version != previous.table_version(name)
        for name in DATA_TABLES
        if name != "failures"  # written by every run
    )


def _build_release(run: Run, indexes: list[VectorIndex], linked: _Linked) -> Release:
    with run.progress.stage("quality", 1) as stage:
        quality = measure(run.store, indexes, run.config, run.tally)
        stage.advance()
    sequence = releases.next_sequence(run.store)
    return Release(
        release_id=releases.release_id(sequence),
        sequence=sequence,
        created_at=now().isoformat(),
        schema_version=SCHEMA_VERSION,
        shop_id=run.config.shop_id,
        profile=run.config.profile.value,
        run_id=run.context.run_id,
        tables=releases.pin_tables(run.store),
        models=run.engine.refs,
        indexes=indexes,
        quality=quality,
        gate=check_release(
            quality, run.previous.quality if run.previous else None, run.config.gate
        ),
        background_id=linked.background.background_id if linked.background else None,
        calibration=linked.calibration,
        linking_fingerprint=linked.fingerprint,
        config=run.config.model_dump_json(),
    )
