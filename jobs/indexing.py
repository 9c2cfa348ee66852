"""The part of a run that asks models: products, pictures and videos, committed as they come."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from indexer.catalog import VideosRead
from indexer.plan import PlannedVideo, ProductPlan, VideoPlan
from indexer.products import picture_fingerprints
from indexer.store import products as stored
from indexer.store.products import PictureState, ProductState
from indexer.store.sources import Seen, note_seen
from indexer.store.tables import VideoState
from jobs.run import Run
from schemas.catalog import EncodedImage, EncodedPicture, PictureJob, ProductVectors
from schemas.keys import product_key
from schemas.outcomes import Failed, Indexed, Tries, VideoJob
from schemas.run import VIDEO_STAGES
from schemas.segments import SegmentedVideo

_PRODUCTS_PER_COMMIT = 256
_PICTURES_PER_COMMIT = 64
_VIDEOS_PER_READ = 64


def index_products(
    run: Run,
    plan: ProductPlan,
    states: dict[str, ProductState],
    pictures: dict[str, PictureState],
) -> None:
    """Write new and changed products; encode those whose words changed, and pictures that did."""
    shop = run.config.shop_id
    due = {item.product.sku for item in plan.texts}
    known = set(states)
    seen = {key: state.first_seen_at for key, state in states.items()}
    with run.progress.stage("products", len(plan.rows)) as stage:
        for start in range(0, len(plan.rows), _PRODUCTS_PER_COMMIT):
            batch = plan.rows[start : start + _PRODUCTS_PER_COMMIT]
            same = [item.product for item in batch if item.product.sku not in due]
            vectors: dict[str, ProductVectors] = {}
            for store, keys in run.donors([product_key(shop, p.sku) for p in same], known):
                vectors |= stored.held_vectors(store, keys)
            changed = [item.product for item in batch if item.product.sku in due]
            for part in run.engine.encode_texts(changed):
                vectors |= part
                run.calls["products_encoded"] += len(part)
            stored.write_products(run.store, batch, vectors, seen, run.context)
            stage.advance(len(batch))
    _index_pictures(run, plan, pictures)
    stored.delete_pictures(run.store, plan.gone_pictures)
    stored.delete_products(run.store, plan.gone)


def _index_pictures(run: Run, plan: ProductPlan, states: dict[str, PictureState]) -> None:
    made_by = picture_fingerprints(run.refs, run.config.reading)
    run.rejected_pictures += plan.rejected
    note_seen(run.store, plan.touched)
    pending: list[EncodedPicture] = []

    def commit() -> None:
        stored.write_pictures(run.store, pending, made_by, run.context)
        keys = [item.job.image_key for item in pending]
        hashes = [item.image.content_sha256 for item in pending]
        found = zip(keys, hashes, strict=True)
        note_seen(run.store, {key: Seen(plan.stamps[key], sha) for key, sha in found})
        pending.clear()

    broken: list[str] = []
    jobs = list(_picture_jobs(run, plan.pictures, states))
    with run.progress.stage("pictures", len(jobs)) as stage:
        for item in run.engine.encode_pictures(jobs):
            stage.advance()
            if isinstance(item, EncodedPicture):
                pending.append(item)
                run.calls["pictures_encoded"] += item.job.look
                run.calls["pictures_read"] += item.job.read
            else:
                run.rejected_pictures.append(item)
                if item.lasting:
                    broken.append(item.image_key)
            if len(pending) >= _PICTURES_PER_COMMIT:
                commit()
        commit()
    stored.delete_pictures(run.store, broken)


def _picture_jobs(
    run: Run, planned: Sequence[PictureJob], states: dict[str, PictureState]
) -> Iterator[PictureJob]:
    """Pictures to encode or read, with what is held of those that need not both."""
    partly = [job.image_key for job in planned if not (job.look and job.read)]
    held: dict[str, EncodedImage] = {}
    for store, keys in run.donors(partly, set(states)):
        held |= stored.held_pictures(store, keys)
    for job in planned:
        yield replace(job, held=held.get(job.image_key))


def _video_jobs(
    run: Run, planned: Sequence[PlannedVideo], states: dict[str, VideoState]
) -> Iterator[VideoJob]:
    """Videos to index, with what is held of those that are done in part, a few at a time."""
    for start in range(0, len(planned), _VIDEOS_PER_READ):
        part = planned[start : start + _VIDEOS_PER_READ]
        keys = [p.job.key for p in part if p.donor is not None and p.job.stages != VIDEO_STAGES]
        held: dict[str, SegmentedVideo] = {}
        for store, own in run.donors(keys, set(states)):
            held |= store.held_videos(own)
        for item in part:
            found = held.get(item.job.key)
            if found is not None:
                yield replace(item.job, held=found)
            else:
                yield replace(item.job, stages=VIDEO_STAGES, kept=None)


def index_videos(
    run: Run, read: VideosRead, plan: VideoPlan, states: dict[str, VideoState]
) -> list[str]:
    """Index new and changed videos, remove those that left the source.

    Returns the keys of videos whose bytes have changed into something that cannot be indexed: what
    the store holds of them is stale.
    """
    run.submitted = len(read.videos) + len(read.skipped)
    run.failed += plan.failed
    run.skipped += [*plan.unchanged, *read.skipped]
    note_seen(run.store, plan.touched)
    run.store.delete_videos(plan.gone)
    run.store.update_sources(plan.described_anew, run.context)
    tries = {planned.job.source.video_id: planned.tries for planned in plan.todo}
    failed: dict[str, Failed] = {}
    pending: list[Indexed] = []
    with run.progress.stage("videos", len(plan.todo)) as stage:
        for outcome in run.engine.index_videos(_video_jobs(run, plan.todo, states)):
            stage.advance()
            if isinstance(outcome, Failed):
                counted = replace(outcome, attempt=tries[outcome.video_id] + 1)
                failed[outcome.video_id] = counted
                continue
            pending.append(outcome)
            if len(pending) >= run.config.engine.videos_per_commit:
                _commit(run, pending, states)
                pending = []
        _commit(run, pending, states)
    run.failed += failed.values()
    run.tries = Tries(
        indexed=run.indexed,
        failed=(*plan.unread, *failed.values()),
        held=plan.held,
        away=tuple(plan.away),
    )
    run.store.delete_orphans()
    stale = {p.job.key for p in plan.todo if p.stale and p.job.source.video_id in failed}
    return sorted(stale | plan.stale)


def note_failed(run: Run, plan: Sequence[PlannedVideo], pictures: ProductPlan) -> None:
    """Remember the stamps of what failed, so that it rests until its file changes."""
    keys = {planned.job.source.video_id: planned.job.key for planned in plan}
    found = {
        keys[item.video_id]: Seen(item.stamp, "")
        for item in run.failed
        if item.stamp is not None and item.video_id in keys
    }
    for item in run.rejected_pictures:
        if item.lasting and item.image_key in pictures.stamps:
            found[item.image_key] = Seen(pictures.stamps[item.image_key], "")
    note_seen(run.store, found)


def _commit(run: Run, batch: Sequence[Indexed], states: dict[str, VideoState]) -> None:
    run.store.write_videos(batch, run.context, states)
    note_seen(
        run.store,
        {done.job.key: Seen(done.job.stamp, done.video.content_sha256) for done in batch},
    )
    run.indexed += len(batch)
    for done in batch:
        run.calls.update(asdict(done.video.asked))
