"""Overrides of links by people: taken in, and at once in what is served.

The release that is made is the one that is served with the links of the named videos, and of their
copies, made again: nothing else in it is new, no model is asked, and the gate is not either. What
runs have written since and not published stays unpublished.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from reelshelf.indexer.pipeline.engine import ThisProcess
from reelshelf.indexer.pipeline.linking import LinkedFrom, due_links, make_links
from reelshelf.indexer.pipeline.run import row_context
from reelshelf.indexer.quality.relinking import released_recipe
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.ids import stored_skus, stored_videos
from reelshelf.indexer.store.links import count_links
from reelshelf.indexer.store.migration import add_columns
from reelshelf.indexer.store.overrides import delete_overrides, were_any, write_overrides
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.runs import RunEnd, end_run
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.stepping import as_released
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import recorded, writing
from reelshelf.schemas.config import Config
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.overrides import Override
from reelshelf.schemas.release import Release
from reelshelf.schemas.run import Ending
from reelshelf.schemas.tables import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Corrected:
    """What came of some overrides.

    `relinked` counts the videos that were linked again. `release` is None where nothing that is
    served changed. `unknown` are of videos or products that the served release does not have:
    they count when it does.
    """

    overrides: tuple[Override, ...]
    relinked: int
    release: Release | None
    unknown: tuple[Override, ...] = ()


def import_overrides(uri: str, config: Config, overrides: Sequence[Override]) -> Corrected:
    """Take overrides in, link their videos again and publish. Later ones replace earlier ones."""
    return _corrected(uri, config, overrides, removed=False)


def remove_overrides(uri: str, config: Config, overrides: Sequence[Override]) -> Corrected:
    """Take overrides back: the evidence of their videos counts again."""
    return _corrected(uri, config, overrides, removed=True)


def reapply_overrides(uri: str, config: Config) -> Corrected:
    """Bring what is served into line with all overrides, after going back to an older release.

    Overrides that it was made with, and that were taken back since, go too.
    """
    if not were_any(Store.open(uri, config.storage)):
        return Corrected((), 0, None)
    return _corrected(uri, config, (), removed=False)


def _corrected(
    uri: str, config: Config, overrides: Sequence[Override], *, removed: bool
) -> Corrected:
    run_id = str(uuid.uuid4())
    with (
        log_context(run_id=run_id),
        writing(Store.open(uri, config.storage), run_id, config) as (store, lease),
        recorded(store, run_id, config, {}, now()),
    ):
        served = releases.served_release(store)
        unknown: tuple[Override, ...] = ()
        if served is not None and overrides:
            overrides, unknown = _as_stored(ReleaseSnapshot.of(store, served), overrides)
        if overrides:
            (delete_overrides if removed else write_overrides)(store, overrides)
        releases.clear_unpublished(store)
        relinked, made = 0, None
        if served is not None:
            seen = store.of(served.generation)
            keys = {override.video_key for override in overrides} or None
            relinked, made = _publish_relinked(seen, served, keys, run_id, lease, config)
        refs = served.models if served else store.generations()[-1].models
        name = made.release_id if made else served.release_id if served else None
        ending = Ending.PUBLISHED if made else Ending.NOTHING_NEW
        number = store.generation_of(refs)
        rows = store.of(number).row_counts() if number is not None else None
        end_run(
            store, row_context(run_id, config, refs), RunEnd(ending, release_id=name, rows=rows)
        )
        return Corrected(tuple(overrides), relinked, made, unknown)


def _as_stored(
    snapshot: ReleaseSnapshot, overrides: Sequence[Override]
) -> tuple[list[Override], tuple[Override, ...]]:
    """Overrides with their ids spelled as the release spells them; those that it does not know."""
    shop = snapshot.release.shop_id
    videos = stored_videos(snapshot, [override.video_id for override in overrides])
    skus = stored_skus(
        snapshot, [override.sku for override in overrides if override.sku is not None]
    )
    spelled = [
        replace(
            override,
            video_id=videos[override.video_id],
            video_key=video_key(shop, videos[override.video_id]),
            sku=skus[override.sku] if override.sku is not None else None,
        )
        for override in overrides
    ]
    known_videos = set(snapshot.scan("videos", ["video_key"])["video_key"].to_pylist())
    products = snapshot.scan("products", ["sku", "group_id"])
    known_skus = set(products["sku"].to_pylist())
    known_groups = known_skus | set(products["group_id"].to_pylist())
    unknown = tuple(
        override
        for override in spelled
        if override.video_key not in known_videos
        or (override.sku is not None and override.sku not in known_skus)
        or (override.group_id is not None and override.group_id not in known_groups)
    )
    return spelled, unknown


def _publish_relinked(
    store: Store,
    served: Release,
    keys: Collection[str] | None,
    run_id: str,
    lease: Lease,
    config: Config,
) -> tuple[int, Release | None]:
    """Publish what is served with these videos linked again, or with all that are due.

    Unpublished work comes back afterwards.
    """
    with as_released(store, lease, served):
        # A release of an older version has tables without what links have today.
        add_columns(store, [table.name for table in served.tables])
        due = due_links(store, LinkedFrom.of(served), keys)
        if not due.made_from:
            return 0, None
        recipe = released_recipe(ReleaseSnapshot.of(store, served))
        context = row_context(run_id, config, served.models)
        relinked = sum(make_links(store, recipe, due, ThisProcess(), context))
        made = _with_links(store, served, run_id)
        releases.publish(store, made, lease, in_place_of=served.run_id)
    return relinked, made


def _with_links(store: Store, served: Release, run_id: str) -> Release:
    """The record of the served release with the tables as they are now."""
    links = count_links(store, releases.config_of(served).linking.link_above)
    return releases.in_place_of(store, served, run_id).model_copy(
        update={
            "schema_version": SCHEMA_VERSION,
            "quality": served.quality.model_copy(update={"links": links}),
            "corrected": f"links of {served.release_id} corrected by people",
        }
    )
