"""The part of a run that asks models: products, pictures and videos, committed as they come."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from indexer.catalog import VideosRead
from indexer.plan import PlannedVideo, ProductPlan, VideoPlan
from indexer.products import picture_fingerprint
from indexer.store import products as stored
from indexer.store.products import ProductState
from indexer.store.sources import Seen, note_seen
from indexer.store.tables import VideoState
from jobs.run import Run
from schemas.catalog import EncodedPicture
from schemas.outcomes import Failed, Indexed

_PRODUCTS_PER_COMMIT = 256
_PICTURES_PER_COMMIT = 64


def index_products(run: Run, plan: ProductPlan, states: dict[str, ProductState]) -> None:
    """Write new and changed products; encode those whose words changed, and pictures that did."""
    due = {item.product.sku for item in plan.texts}
    seen = {key: state.first_seen_at for key, state in states.items()}
    with run.progress.stage("products", len(plan.rows)) as stage:
        for start in range(0, len(plan.rows), _PRODUCTS_PER_COMMIT):
            batch = plan.rows[start : start + _PRODUCTS_PER_COMMIT]
            same = [item.product for item in batch if item.product.sku not in due]
            vectors = stored.held_vectors(run.store, same, run.config.shop_id)
            changed = [item.product for item in batch if item.product.sku in due]
            for part in run.engine.encode_texts(changed):
                vectors |= part
                run.calls["products_encoded"] += len(part)
            run.lease.check()
            stored.write_products(run.store, batch, vectors, seen, run.context)
            stage.advance(len(batch))
    _index_pictures(run, plan)
    run.lease.check()
    stored.delete_pictures(run.store, plan.gone_pictures)
    stored.delete_products(run.store, plan.gone)


def _index_pictures(run: Run, plan: ProductPlan) -> None:
    encoding = picture_fingerprint(run.engine.refs, run.config.reading)
    run.rejected_pictures += plan.rejected
    note_seen(run.store, plan.touched)
    pending: list[EncodedPicture] = []

    def commit() -> None:
        run.lease.check()
        stored.write_pictures(run.store, pending, encoding, run.context)
        keys = [item.job.image_key for item in pending]
        hashes = [item.image.content_sha256 for item in pending]
        found = zip(keys, hashes, strict=True)
        note_seen(run.store, {key: Seen(plan.stamps[key], sha) for key, sha in found})
        pending.clear()

    broken: list[str] = []
    with run.progress.stage("pictures", len(plan.pictures)) as stage:
        for item in run.engine.encode_pictures(plan.pictures):
            stage.advance()
            if isinstance(item, EncodedPicture):
                pending.append(item)
                run.calls["pictures_encoded"] += 1
            else:
                run.rejected_pictures.append(item)
                if item.lasting:
                    broken.append(item.image_key)
            if len(pending) >= _PICTURES_PER_COMMIT:
                commit()
        commit()
    stored.delete_pictures(run.store, broken)


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
    run.lease.check()
    note_seen(run.store, plan.touched)
    run.store.delete_videos(plan.gone)
    run.store.update_sources(plan.described_anew, run.context)
    tries = {planned.job.source.video_id: planned.tries for planned in plan.todo}
    failed: dict[str, Failed] = {}
    pending: list[Indexed] = []
    with run.progress.stage("videos", len(plan.todo)) as stage:
        for outcome in run.engine.index_videos([planned.job for planned in plan.todo]):
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
    run.lease.check()
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
    run.lease.check()
    run.store.write_videos(batch, run.context, states)
    note_seen(
        run.store,
        {done.job.key: Seen(done.job.stamp, done.video.content_sha256) for done in batch},
    )
    run.indexed += len(batch)
    for done in batch:
        run.calls.update(asdict(done.video.calls))
