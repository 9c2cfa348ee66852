"""The part of a run that asks models: products, pictures and videos, committed as they come."""

import datetime as dt
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from reelshelf.indexer.extract.hotwords import Hotwords
from reelshelf.indexer.extract.products import row_fingerprint, text_fingerprint
from reelshelf.indexer.pipeline.committing import Commits
from reelshelf.indexer.pipeline.engine import EncodeTexts, Engine
from reelshelf.indexer.pipeline.long_videos import LongVideos
from reelshelf.indexer.pipeline.plan import PlannedVideo, ProductPlan, Stored, VideoPlan, Why
from reelshelf.indexer.pipeline.progress import Stage
from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run
from reelshelf.indexer.sources.packed import Packed
from reelshelf.indexer.sources.videos import VideosRead
from reelshelf.indexer.store import products as product_rows
from reelshelf.indexer.store.chunks import begun_videos, forget_chunks
from reelshelf.indexer.store.products import PictureState, ProductState
from reelshelf.indexer.store.sources import FileState, note_seen
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.vanished import (
    KeptIn,
    bring_back,
    forget_vanished,
    keep_vanished,
    kept_keys,
)
from reelshelf.indexer.text.catalog import analyzer_for
from reelshelf.schemas.catalog import (
    EncodedImage,
    EncodedPicture,
    FingerprintedProduct,
    PictureJob,
    Product,
    ProductVectors,
    RejectedRow,
    RejectedText,
)
from reelshelf.schemas.errors import FailureKind, TooManyFailures
from reelshelf.schemas.keys import product_key
from reelshelf.schemas.outcomes import Divided, Failed, Indexed, Skipped, Tries, VideoJob
from reelshelf.schemas.run import VIDEO_STAGES
from reelshelf.schemas.segments import SegmentedVideo
from reelshelf.schemas.stages import PRODUCTS_VERSION, picture_fingerprints

_PRODUCTS_PER_COMMIT = 2048
_ROWS_PER_COMMIT = 8192
_PICTURES_PER_COMMIT = 2048
_VIDEOS_PER_READ = 64
# So many failures that are alike end a run in which no more videos than that went well.
_ALIKE = 20
# The stage in which long videos are worked on.
CHUNKS = "chunks of long videos"
_CAME_BACK = "came back: what was kept of it is used"


def index_products(
    run: Run,
    encode_texts: EncodeTexts,
    baseline: Baseline,
    outcomes: Outcomes,
    products: Packed[Product],
    plan: ProductPlan,
    known: Stored,
) -> None:
    """Write new and changed `products`, of which the plan is; encode those whose words changed."""
    seen = {key: state.first_seen_at for key, state in known.products.items()}

    def write(batch: Sequence[FingerprintedProduct], vectors: dict[str, ProductVectors]) -> None:
        # What the store has of a product that failed stays; the next run tries it again.
        well = [item for item in batch if item.product.sku in vectors]
        product_rows.write_products(run.store, well, vectors, seen, run.context)

    with run.stage("products", len(plan.rows) + len(plan.texts)) as stage:
        # Those that ask no model first, in larger pieces.
        for places in _pieces(plan.rows, _ROWS_PER_COMMIT):
            batch = [_as_encoded(run, product, known) for product in products.some(places)]
            write(batch, _stored_vectors(run, baseline, batch, known))
            stage.advance(len(batch))
        for places in _pieces(plan.texts, _PRODUCTS_PER_COMMIT):
            due = products.some(places)
            vectors = _encoded_vectors(encode_texts, outcomes, due, stage)
            write([_fingerprinted(run, product, PRODUCTS_VERSION) for product in due], vectors)


def _pieces(places: "array[int]", size: int) -> Iterator["array[int]"]:
    for start in range(0, len(places), size):
        yield places[start : start + size]


def _fingerprinted(run: Run, product: Product, version: int) -> FingerprintedProduct:
    texts = text_fingerprint(product, run.refs)
    return FingerprintedProduct(product, row_fingerprint(product), texts, version)


def _as_encoded(run: Run, product: Product, known: Stored) -> FingerprintedProduct:
    """A product that keeps its vectors, and with them the version of the code that made them."""
    state = known.product(product_key(run.config.shop_id, product.sku))
    assert state is not None
    return _fingerprinted(run, product, state.version)


def _stored_vectors(
    run: Run, baseline: Baseline, batch: Sequence[FingerprintedProduct], known: Stored
) -> dict[str, ProductVectors]:
    """The vectors of products by SKU, as they are stored."""
    own = [product_key(run.config.shop_id, item.product.sku) for item in batch]
    vectors: dict[str, ProductVectors] = {}
    for store, keys in baseline.stored(run.store, own, known.products.keys()):
        vectors |= product_rows.stored_vectors(store, keys)
    return vectors


def _encoded_vectors(
    encode_texts: EncodeTexts, outcomes: Outcomes, due: Sequence[Product], stage: Stage
) -> dict[str, ProductVectors]:
    """The vectors of products by SKU, of those that can be encoded."""
    vectors: dict[str, ProductVectors] = {}
    refused = 0
    for sku, made in (answer for part in encode_texts(due) for answer in part.items()):
        stage.advance()
        if isinstance(made, RejectedText):
            outcomes.rejected.append(RejectedRow("catalog", 0, sku, made.reason))
            outcomes.refused_products.add(sku)
            refused += 1
            if refused >= _ALIKE and refused > outcomes.calls["products_encoded"]:
                raise TooManyFailures(
                    f"the texts of {refused} products could not be encoded, and of "
                    f"{outcomes.calls['products_encoded']} could: stopped, and nothing is "
                    f"published. Last: {sku}: {made.reason}"
                )
        else:
            vectors[sku] = made
            outcomes.calls["products_encoded"] += 1
    return vectors


def listed_products(run: Run, outcomes: Outcomes, plan: ProductPlan) -> pa.Array:
    """Keys of products that the source lists and that were not refused."""
    refused = [product_key(run.config.shop_id, sku) for sku in sorted(outcomes.refused_products)]
    return plan.listed.filter(pc.invert(pc.is_in(plan.listed, pa.array(refused, pa.string()))))


def leave_out_pictures(
    plan: ProductPlan, outcomes: Outcomes, states: Mapping[str, ProductState]
) -> None:
    """Pictures of products that could not be written, and are not there, wait for these."""
    refused = outcomes.refused_products
    plan.pictures = [
        job for job in plan.pictures if job.sku not in refused or job.product_key in states
    ]


def drop_gone_products(run: Run, plan: ProductPlan) -> None:
    """Remove products and pictures that left the source."""
    product_rows.delete_pictures(run.store, plan.gone_pictures)
    product_rows.delete_products(run.store, plan.gone)


def index_pictures(
    run: Run,
    engine: Engine,
    baseline: Baseline,
    outcomes: Outcomes,
    plan: ProductPlan,
    states: Mapping[str, PictureState],
) -> None:
    """Encode and read pictures that are new or changed."""
    made_by = picture_fingerprints(run.refs, run.config)
    outcomes.rejected_pictures += plan.rejected
    note_seen(run.store, plan.touched)
    pending: list[EncodedPicture] = []

    def commit() -> None:
        product_rows.write_pictures(run.store, pending, made_by, states.keys(), run.context)
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
    run: Run, baseline: Baseline, planned: Sequence[PictureJob], states: Mapping[str, PictureState]
) -> Iterator[PictureJob]:
    """Pictures to encode or read, with what is held of those that need not both."""
    partly = [job.image_key for job in planned if not (job.look and job.read)]
    stored: dict[str, EncodedImage] = {}
    for store, keys in baseline.stored(run.store, partly, set(states)):
        stored |= product_rows.stored_pictures(store, keys)
    for job in planned:
        yield replace(job, stored=stored.get(job.image_key))


def _video_jobs(
    run: Run,
    baseline: Baseline,
    planned: Sequence[PlannedVideo],
    known: Stored,
    products: Sequence[Product],
    begun: Collection[str],
) -> Iterator[VideoJob]:
    """Videos to index, with what is held of those that are done in part, a few at a time.

    Titles of `products` may be said in them. Of long ones, of which chunks are noted in `begun`,
    each chunk has what is held of it.
    """
    if not planned:
        return  # a night without new videos reads no title
    sources = (item.job.source for item in planned)
    hotwords = Hotwords(products, analyzer_for(products, run.config.text.analyzer), sources)
    for start in range(0, len(planned), _VIDEOS_PER_READ):
        part = planned[start : start + _VIDEOS_PER_READ]
        keys = [
            item.job.key
            for item in part
            if item.reusable is not None
            and item.job.stages != VIDEO_STAGES
            and item.job.key not in begun
        ]
        stored: dict[str, SegmentedVideo] = {}
        for place, own in _by_place(run, baseline, keys, known):
            stored |= place.stored_videos(own)
        for item in part:
            job = replace(item.job, hotwords=hotwords.of(item.job.source))
            found = stored.get(job.key)
            if found is not None:
                yield replace(job, stored=found)
            else:
                yield replace(job, stages=VIDEO_STAGES, kept=None)


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
    products: Sequence[Product],
) -> list[str]:
    """Index new and changed videos, remove those that left the source.

    `products` are those of the catalog, whose titles may be said.

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
    alike, why = Alike(), None
    begun = begun_videos(run.store)
    if baseline.served_store is not None:
        begun |= begun_videos(baseline.served_store)
    if run.scope.removes:
        forget_chunks(run.store, sorted(begun - plan.sources.keys() - kept_keys(run.store)))
    planned = {item.job.key: item for item in plan.todo}
    commits = Commits(run, outcomes, known.videos, known.seen.keys() | plan.touched.keys(), begun)
    long = LongVideos(run, baseline, planned, known.videos)
    with run.stage("videos", len(plan.todo)) as stage:
        jobs = _video_jobs(run, baseline, plan.todo, known, products, begun)
        for outcome in engine.index_videos(jobs):
            stage.advance()
            if isinstance(outcome, Divided):
                long.add(outcome)
                continue
            if isinstance(outcome, Failed):
                counted = replace(outcome, attempt=tries[outcome.video_id] + 1)
                failed[outcome.video_id] = counted
                if (why := alike.after(outcome)) is not None:
                    break
                continue
            alike.well += 1
            commits.add(outcome)
        commits.close()
    if why is None:
        why = _index_chunks(run, engine, outcomes, long, alike)
        for item in long.finish(outcomes):
            failed[item.video_id] = replace(item, attempt=tries[item.video_id] + 1)
        commits.note_files()
    outcomes.failed += failed.values()
    fresh = {p.job.source.video_id for p in plan.todo if p.why in (Why.NEW, Why.CHANGED)}
    unread = sum(item.video_id not in tries and item.attempt == 1 for item in plan.unread)
    outcomes.tries = Tries(
        new=len(fresh) + unread,
        new_failed=len(fresh & failed.keys()) + unread,
        indexed=outcomes.indexed,
        failed=(*plan.unread, *failed.values()),
        stored=plan.stored,
        away=tuple(plan.away),
    )
    if why is not None:
        raise TooManyFailures(why)
    # What is held of a long video that has grown is right as far as it goes.
    stale = {
        p.job.key
        for p in plan.todo
        if p.stale and p.job.source.video_id in failed and p.job.key not in long.keys
    }
    return sorted(stale | plan.stale)


def _index_chunks(
    run: Run, engine: Engine, outcomes: Outcomes, long: LongVideos, alike: "Alike"
) -> str | None:
    """Do the chunks of long videos; why it was stopped, if it was."""
    keys = {video.job.source.video_id: key for key, video in long.planned.items()}
    with run.stage(CHUNKS, long.count) as stage:
        for outcome in engine.index_videos(long.jobs()):
            stage.advance()
            if isinstance(outcome, Failed):
                long.failed(outcome, keys[outcome.video_id])
                if (why := alike.after(outcome)) is not None:
                    long.commit()
                    return why
            elif isinstance(outcome, Indexed):
                alike.well += 1
                outcomes.calls.update(asdict(outcome.video.asked))
                long.done(outcome)
        long.commit()
    return None


@dataclass(slots=True)
class Alike:
    """Watches for a run in which most videos fail in one way that is no video's fault."""

    well: int = 0
    found: Counter[str] = field(default_factory=Counter)
    first: dict[str, Failed] = field(default_factory=dict)

    def after(self, failure: Failed) -> str | None:
        """What to tell where it makes no sense to go on; None where it does."""
        if failure.kind is not FailureKind.INTERNAL:
            return None
        kind = f"{failure.stage}: {failure.message.partition(':')[0]}"
        self.found[kind] += 1
        first, count = self.first.setdefault(kind, failure), self.found[kind]
        if count < _ALIKE or count <= self.well:
            return None
        return (
            f"{count} videos failed alike in stage {failure.stage!r}, with an error that is no "
            f"fault of a video, and {self.well} went well: stopped, and nothing is published. What "
            f"is done is kept. First: {first.video_id}: {first.message}\n{first.trace or ''}"
        )


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
