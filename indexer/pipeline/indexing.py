"""The part of a run that asks models: products, pictures and videos, committed as they come."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

from reelshelf.indexer.pipeline.engine import Engine
from reelshelf.indexer.pipeline.plan import PlannedVideo, ProductPlan, Stored, VideoPlan
from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run
from reelshelf.indexer.sources.catalog import VideosRead
from reelshelf.indexer.store import products as product_rows
from reelshelf.indexer.store.products import PictureState, ProductState
from reelshelf.indexer.store.sources import FileState, note_seen
from reelshelf.indexer.store.tables import Store, VideoState
from reelshelf.indexer.store.vanished import KeptIn, bring_back, forget_vanished, keep_vanished
from reelshelf.schemas.catalog import EncodedImage, EncodedPicture, PictureJob, ProductVectors
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.outcomes import Failed, Indexed, Skipped, Tries, VideoJob
from reelshelf.schemas.run import VIDEO_STAGES
from reelshelf.schemas.segments import SegmentedVideo
from reelshelf.schemas.stages import picture_fingerprints

_PRODUCTS_PER_COMMIT = 256
_PICTURES_PER_COMMIT = 64
_VIDEOS_PER_READ = 64
_CAME_BACK = "came back: what was kept of it is used"


def index_products(
    run: Run,
    engine: Engine,
    baseline: Baseline,
    outcomes: Outcomes,
    plan: ProductPlan,
    states: dict[str, ProductState],
    pictures: dict[str, PictureState],
) -> None:
    """Write new and changed products; encode those whose words changed, and pictures that did."""
    shop = run.config.shop_id
    due = {item.product.sku for item in plan.texts}
    known = set(states)
    seen = {key: state.first_seen_at for key, state in states.items()}
    with run.stage("products", len(plan.rows)) as stage:
        for start in range(0, len(plan.rows), _PRODUCTS_PER_COMMIT):
            batch = plan.rows[start : start + _PRODUCTS_PER_COMMIT]
            same = [item.product for item in batch if item.product.sku not in due]
            vectors: dict[str, ProductVectors] = {}
            own = [product_key(shop, product.sku) for product in same]
            for store, keys in baseline.stored(run.store, own, known):
                vectors |= product_rows.stored_vectors(store, keys)
            changed = [item.product for item in batch if item.product.sku in due]
            for part in engine.encode_texts(changed):
                vectors |= part
                outcomes.calls["products_encoded"] += len(part)
            product_rows.write_products(run.store, batch, vectors, seen, run.context)
            stage.advance(len(batch))
    _index_pictures(run, engine, baseline, outcomes, plan, pictures)
    product_rows.delete_pictures(run.store, plan.gone_pictures)
    product_rows.delete_products(run.store, plan.gone)


def _index_pictures(
    run: Run,
    engine: Engine,
    baseline: Baseline,
    outcomes: Outcomes,
    plan: ProductPlan,
    states: dict[str, PictureState],
) -> None:
    made_by = picture_fingerprints(run.refs, run.config)
    outcomes.rejected_pictures += plan.rejected
    note_seen(run.store, plan.touched)
    pending: list[EncodedPicture] = []

    def commit() -> None:
        product_rows.write_pictures(run.store, pending, made_by, run.context)
        keys = [item.job.image_key for item in pending]
        hashes = [item.image.content_sha256 for item in pending]
        found = zip(keys, hashes, strict=True)
        note_seen(run.store, {key: FileState(plan.stamps[key], sha) for key, sha in found})
        pending.clear()

    broken: list[str] = []
    jobs = list(_picture_jobs(run, baseline, plan.pictures, states))
    with run.stage("pictures", len(jobs)) as stage:
        for item in engine.encode_pictures(jobs):
            stage.advance()
            if isinstance(item, EncodedPicture):
                pending.append(item)
                outcomes.calls["pictures_encoded"] += item.job.look
                outcomes.calls["pictures_read"] += item.job.read
            else:
                outcomes.rejected_pictures.append(item)
                if item.lasting:
                    broken.append(item.image_key)
            if len(pending) >= _PICTURES_PER_COMMIT:
                commit()
        commit()
    product_rows.delete_pictures(run.store, broken)


def _picture_jobs(
    run: Run, baseline: Baseline, planned: Sequence[PictureJob], states: dict[str, PictureState]
) -> Iterator[PictureJob]:
    """Pictures to encode or read, with what is held of those that need not both."""
    partly = [job.image_key for job in planned if not (job.look and job.read)]
    stored: dict[str, EncodedImage] = {}
    for store, keys in baseline.stored(run.store, partly, set(states)):
        stored |= product_rows.stored_pictures(store, keys)
    for job in planned:
        yield replace(job, stored=stored.get(job.image_key))


def _video_jobs(
    run: Run, baseline: Baseline, planned: Sequence[PlannedVideo], known: Stored
) -> Iterator[VideoJob]:
    """Videos to index, with what is held of those that are done in part, a few at a time."""
    for start in range(0, len(planned), _VIDEOS_PER_READ):
        part = planned[start : start + _VIDEOS_PER_READ]
        keys = [p.job.key for p in part if p.reusable is not None and p.job.stages != VIDEO_STAGES]
        stored: dict[str, SegmentedVideo] = {}
        for place, own in _by_place(run, baseline, keys, known):
            stored |= place.stored_videos(own)
        for item in part:
            found = stored.get(item.job.key)
            if found is not None:
                yield replace(item.job, stored=found)
            else:
                yield replace(item.job, stages=VIDEO_STAGES, kept=None)


def _by_place(
    run: Run, baseline: Baseline, keys: Sequence[str], known: Stored
) -> Iterator[tuple[Store | KeptIn, list[str]]]:
    """Where to read what is stored of videos: in the tables, or where they are kept."""
    beside = known.reusable.videos if known.reusable else {}
    kept: dict[KeptIn, list[str]] = {}
    for key in keys:
        if key not in known.videos and key not in beside and key in known.kept:
            kept.setdefault(known.kept[key].place, []).append(key)
    elsewhere = {key for own in kept.values() for key in own}
    rest = [key for key in keys if key not in elsewhere]
    yield from baseline.stored(run.store, rest, set(known.videos))
    yield from kept.items()


def index_videos(
    run: Run,
    engine: Engine,
    baseline: Baseline,
    outcomes: Outcomes,
    read: VideosRead,
    plan: VideoPlan,
    known: Stored,
) -> list[str]:
    """Index new and changed videos, remove those that left the source.

    Returns the keys of videos whose bytes have changed into something that cannot be indexed: what
    the store holds of them is stale.
    """
    outcomes.submitted = len(read.videos) + len(read.skipped)
    outcomes.failed += plan.failed
    outcomes.skipped += [*plan.unchanged, *read.skipped]
    outcomes.skipped += [Skipped(source.video_id, _CAME_BACK) for _, source in plan.returned]
    days = dt.timedelta(days=run.config.release.keep_vanished_days)
    keep_vanished(run.store, plan.gone, run.context.started_at)
    bring_back(run.store, plan.returned, known.kept, run.context)
    forget_vanished(run.store, run.context.started_at - days)
    note_seen(run.store, plan.touched)
    run.store.update_sources(plan.described_anew, run.context)
    tries = {planned.job.source.video_id: planned.tries for planned in plan.todo}
    failed: dict[str, Failed] = {}
    pending: list[Indexed] = []
    with run.stage("videos", len(plan.todo)) as stage:
        for outcome in engine.index_videos(_video_jobs(run, baseline, plan.todo, known)):
            stage.advance()
            if isinstance(outcome, Failed):
                counted = replace(outcome, attempt=tries[outcome.video_id] + 1)
                failed[outcome.video_id] = counted
                continue
            pending.append(outcome)
            if len(pending) >= run.config.engine.videos_per_commit:
                _commit(run, outcomes, pending, known.videos)
                pending = []
        _commit(run, outcomes, pending, known.videos)
    outcomes.failed += failed.values()
    outcomes.tries = Tries(
        indexed=outcomes.indexed,
        failed=(*plan.unread, *failed.values()),
        stored=plan.stored,
        away=tuple(plan.away),
    )
    stale = {p.job.key for p in plan.todo if p.stale and p.job.source.video_id in failed}
    return sorted(stale | plan.stale)


def note_failed(
    run: Run, outcomes: Outcomes, plan: Sequence[PlannedVideo], pictures: ProductPlan
) -> None:
    """Remember the stamps of what failed, so that it is quarantined until its file changes."""
    keys = {planned.job.source.video_id: planned.job.key for planned in plan}
    found = {
        keys[item.video_id]: FileState(item.stamp, "")
        for item in outcomes.failed
        if item.stamp is not None and item.video_id in keys
    }
    for item in outcomes.rejected_pictures:
        if item.lasting and item.image_key in pictures.stamps:
            found[item.image_key] = FileState(pictures.stamps[item.image_key], "")
    note_seen(run.store, found)


def _commit(
    run: Run, outcomes: Outcomes, batch: Sequence[Indexed], states: Mapping[str, VideoState]
) -> None:
    run.store.write_videos(batch, run.context, states)
    note_seen(
        run.store,
        {done.job.key: FileState(done.job.stamp, done.video.content_sha256) for done in batch},
    )
    outcomes.indexed += len(batch)
    for done in batch:
        outcomes.calls.update(asdict(done.video.asked))
