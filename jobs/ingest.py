"""One run: from the shop's files to a published release.

Each stage is idempotent and commits as it goes, so a run that was killed is completed by the next
one: videos whose rows are whole are not touched again. What left the source leaves the store.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from indexer.catalog import CatalogueRead, VideosRead, read_catalogue, read_videos
from indexer.index.build import build_indexes
from indexer.linking import link as linking
from indexer.linking.catalogue import LinkingCatalogue
from indexer.linking.likeness import background_of
from indexer.linking.link import Linker
from indexer.linking.sight import Sight
from indexer.media.decoder import check_file
from indexer.products import content_fingerprint, encoding_fingerprint
from indexer.quality.gate import check_release
from indexer.quality.measures import measure, widen
from indexer.search.duplicates import cluster_duplicates
from indexer.segments import stage_fingerprints
from indexer.store import releases
from indexer.store.backgrounds import read_background, save_background
from indexer.store.calibrations import newest_calibration
from indexer.store.linking import copies_of
from indexer.store.rows import RunContext, now
from indexer.store.tables import DATA_TABLES, Store, VideoState
from jobs.engine import Engine, failure
from jobs.progress import Progress
from models.weights import require
from schemas.background import Background
from schemas.calibration import Calibration
from schemas.catalog import EncodedProduct, RejectedRow, VideoSource
from schemas.config import Config, parse_config
from schemas.errors import FailureKind, GateRefused, InputError, MediaError, TooManyFailures
from schemas.keys import file_sha256, fingerprint, product_key, video_key
from schemas.links import ProductLink
from schemas.outcomes import Failed, Indexed, Skipped, SourceStamp, Tally, VideoJob
from schemas.release import Release, VectorIndex
from schemas.tables import SCHEMA_VERSION

EngineFactory = Callable[[Config], Engine]

_PRODUCTS_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class IngestRequest:
    """What to index into which store."""

    catalogue: Path
    videos: Path
    store: str


@dataclass(frozen=True, slots=True)
class IngestResult:
    """How a run ended. `release` is the newest one; `published` whether this run made it."""

    release: Release
    published: bool
    tally: Tally
    failed: tuple[Failed, ...]
    skipped: tuple[Skipped, ...]
    rejected: tuple[RejectedRow, ...]
    calls: dict[str, int]


@dataclass(frozen=True, slots=True)
class _VideoPlan:
    """Videos by what has to be done for them."""

    todo: list[VideoJob]
    changed_source: list[tuple[str, VideoSource]]
    unchanged: list[Skipped]
    failed: list[Failed]
    gone: list[str]


@dataclass(frozen=True, slots=True)
class _Linked:
    """What the links of a run were made with."""

    background: Background | None
    calibration: Calibration
    fingerprint: str


@dataclass(slots=True)
class _Run:
    """A run under way: what it works with, and what it has found so far."""

    config: Config
    engine: Engine
    store: Store
    context: RunContext
    progress: Progress
    previous: Release | None
    failed: list[Failed] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    links_moved: bool = False
    submitted: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    indexed: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def tally(self) -> Tally:
        return Tally(self.submitted, self.indexed, len(self.skipped), len(self.failed))


def ingest(
    request: IngestRequest, config: Config, engine_for: EngineFactory, progress: Progress
) -> IngestResult:
    """Run everything once. Raises TooManyFailures or GateRefused where nothing may be published."""
    require("faiss", extra="cpu", what="training an index")
    if config.media.backend == "decord":
        require("decord", extra="decord", what='media.backend = "decord"')
    catalogue = read_catalogue(request.catalogue)
    videos = read_videos(request.videos)
    if not catalogue.products:
        raise InputError(_nothing_usable(request.catalogue, "product", catalogue.rejected))
    if not videos.videos:
        raise InputError(_nothing_usable(request.videos, "video", videos.rejected))
    with progress.stage("start models", 1) as stage:
        engine = engine_for(config).__enter__()
        stage.advance()
    try:
        return _run(request, config, engine, catalogue, videos, progress)
    finally:
        engine.__exit__(None, None, None)


def _nothing_usable(path: Path, what: str, rejected: Sequence[RejectedRow]) -> str:
    reasons = "; ".join(f"line {row.line}: {row.reason}" for row in rejected[:3])
    return f"{path}: holds no usable {what}" + (f" ({reasons})" if reasons else "")


def _run(
    request: IngestRequest,
    config: Config,
    engine: Engine,
    catalogue: CatalogueRead,
    videos: VideosRead,
    progress: Progress,
) -> IngestResult:
    store = Store.create(request.store, config.shop_id, engine.refs)
    published = releases.list_releases(store)
    context = RunContext(
        run_id=str(uuid.uuid4()),
        shop_id=config.shop_id,
        started_at=now(),
        refs=engine.refs,
        fingerprints=stage_fingerprints(config, engine.refs),
    )
    previous = published[-1] if published else None
    run = _Run(config, engine, store, context, progress, previous)
    run.rejected += [*catalogue.rejected, *videos.rejected]
    run.links_moved = previous is None or any(
        store.table(name).version != previous.table_version(name) for name in ("links", "products")
    )
    _index_products(run, catalogue)
    stale = _index_videos(run, videos)
    run.tally.check()
    store.write_failures(run.failed, run.rejected, context)
    if run.tally.failure_rate > config.gate.max_failure_rate:
        error = _too_many(run)
        _record(run, "too_many_failures", str(error), None)
        raise error
    store.delete_videos(stale)
    indexes = _indexes(run)
    background = _background(run)
    _find_duplicates(run, indexes, background)
    linked = _link(run, {release.run_id for release in published}, background)
    if previous is not None and not _has_news(run, previous, linked.fingerprint):
        _record(run, "nothing_new", None, previous.release_id)
        return _result(run, previous, published=False)
    release = _build_release(run, indexes, linked)
    refused = [check for check in release.gate if not check.passed]
    if refused:
        message = "; ".join(f"{c.name}: wanted {c.wanted}, found {c.found}" for c in refused)
        _record(run, "gate_refused", message, None)
        raise GateRefused(f"not published, the last release stays. {message}")
    releases.publish(store, release)
    _record(run, "published", None, release.release_id)
    return _result(run, release, published=True)


def _index_products(run: _Run, catalogue: CatalogueRead) -> None:
    """Encode new and changed products, remove those that left the catalogue."""
    states = run.store.product_states()
    encoding = encoding_fingerprint(run.engine.refs, run.config.reading)
    shop = run.config.shop_id
    contents = {p.sku: content_fingerprint(p, catalogue.root) for p in catalogue.products}
    keys = {product.sku: product_key(shop, product.sku) for product in catalogue.products}
    todo = []
    for product in catalogue.products:
        state = states.get(keys[product.sku])
        held = (state.content_sha256, state.encoding_fingerprint) if state else None
        if held != (contents[product.sku], encoding):
            todo.append(product)
    with run.progress.stage("products", len(todo)) as stage:
        pending: list[EncodedProduct] = []
        for part in run.engine.encode_products(todo, catalogue.root):
            pending += part.products
            if len(pending) >= _PRODUCTS_PER_COMMIT:
                run.store.write_products(pending, contents, encoding, run.context, states)
                pending = []
            run.rejected += part.rejected
            stage.advance(len(part.products))
            run.calls["products_encoded"] += len(part.products)
            run.calls["pictures_encoded"] += sum(len(item.images) for item in part.products)
        run.store.write_products(pending, contents, encoding, run.context, states)
    gone = sorted(states.keys() - set(keys.values()))
    run.store.delete_products(gone)


def _index_videos(run: _Run, read: VideosRead) -> list[str]:
    """Index new and changed videos, remove those that left the source.

    Returns the keys of videos whose bytes have changed into something that cannot be indexed: what
    the store holds of them is stale.
    """
    states = run.store.video_states()
    plan = _plan_videos(run, read.videos, states)
    run.submitted = len(read.videos) + len(read.skipped)
    attempts = run.store.failed_attempts()
    run.failed += [_counted(item, attempts) for item in plan.failed]
    run.skipped += [*plan.unchanged, *read.skipped]
    run.store.delete_videos(plan.gone)
    run.store.update_sources(plan.changed_source, run.context)
    pending: list[Indexed] = []
    with run.progress.stage("videos", len(plan.todo)) as stage:
        for outcome in run.engine.index_videos(plan.todo):
            stage.advance()
            if isinstance(outcome, Failed):
                run.failed.append(_counted(outcome, attempts))
                continue
            pending.append(outcome)
            if len(pending) >= run.config.engine.videos_per_commit:
                _commit(run, pending, states)
                pending = []
        _commit(run, pending, states)
    run.store.delete_orphan_segments()
    failed = {item.video_id for item in run.failed}
    return sorted(
        job.key
        for job in plan.todo
        if job.source.video_id in failed
        and job.key in states
        and states[job.key].content_sha256 != job.content_sha256
    )


def _counted(outcome: Failed, attempts: dict[str, int]) -> Failed:
    before = attempts.get(outcome.video_id, 0)
    return Failed(
        outcome.video_id, outcome.path, outcome.stage, outcome.kind, outcome.message, before + 1
    )


def _commit(run: _Run, batch: Sequence[Indexed], states: dict[str, VideoState]) -> None:
    run.store.write_videos(batch, run.context, states)
    run.indexed += len(batch)
    for done in batch:
        run.calls.update(asdict(done.video.calls))


def _plan_videos(
    run: _Run, videos: Sequence[VideoSource], states: dict[str, VideoState]
) -> _VideoPlan:
    plan = _VideoPlan([], [], [], [], [])
    prints = run.context.fingerprints
    present = set()
    with run.progress.stage("plan", len(videos)) as stage:
        for source in videos:
            key = video_key(run.config.shop_id, source.video_id)
            present.add(key)
            state = states.get(key)
            try:
                job = _identify(key, source, run.config)
            except MediaError as error:
                unread = VideoJob(key, source, "", SourceStamp(0, 0, 0, 0))
                plan.failed.append(failure(unread, "read", error))
            else:
                done = state is not None and (
                    state.content_sha256 == job.content_sha256 and state.fingerprints == prints
                )
                if not done or state is None:
                    plan.todo.append(job)
                else:
                    plan.unchanged.append(Skipped(source.video_id, "unchanged"))
                    if not _says_the_same(state.source, source):
                        plan.changed_source.append((key, source))
            stage.advance()
    plan.gone.extend(sorted(states.keys() - present))
    return plan


def _identify(key: str, source: VideoSource, config: Config) -> VideoJob:
    path = Path(source.path)
    check_file(path, config.media)
    try:
        stat = path.stat()
        stamp = SourceStamp(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        return VideoJob(key, source, file_sha256(path), stamp)
    except OSError as error:
        raise MediaError(FailureKind.UNREADABLE, f"cannot be read: {error.strerror}") from error


def _says_the_same(held: VideoSource, given: VideoSource) -> bool:
    """Whether links and filters of a video would come out the same. Its path may change freely."""
    names = ("merchant_skus", "merchant_id", "title", "language", "published_at")
    return all(getattr(held, name) == getattr(given, name) for name in names)


def _link(run: _Run, published_runs: set[str], background: Background | None) -> _Linked:
    """Link what is new, or everything where catalogue, background or settings have changed."""
    products = run.store.read_products()
    catalogue = LinkingCatalogue.of(products)
    config = run.config.linking
    calibration = newest_calibration(run.store)
    contents = sorted(s.content_sha256 for s in run.store.product_states().values())
    encoding = encoding_fingerprint(run.engine.refs, run.config.reading)
    linked_as = fingerprint(
        [
            linking.VERSION,
            config.model_dump(mode="json"),
            background.background_id if background else None,
            calibration.model_dump(mode="json"),
            encoding,
            contents,
        ]
    )
    # Links of an unpublished run, or ones it deleted, are not those of the last release.
    same = run.previous is not None and (
        run.previous.linking_fingerprint == linked_as and not run.links_moved
    )
    groups = _groups_to_link(run, published_runs if same else set())
    sight = Sight(catalogue, background) if background else None
    product_keys = [product_key(run.config.shop_id, p.product.sku) for p in catalogue.products]
    linker = Linker(catalogue, product_keys, sight, calibration, config)
    with run.progress.stage("links", sum(len(group) for group in groups)) as stage:
        for batch in run.store.videos_to_link(groups):
            links: list[tuple[str, ProductLink]] = []
            for copies in batch:
                found = linker.link([video for _, video in copies])
                for (video_id, _), own in zip(copies, found, strict=True):
                    links += [(video_id, link) for link in own]
                    stage.advance()
            batch_keys = [video.video_key for copies in batch for _, video in copies]
            run.store.write_links(batch_keys, links, linked_as, run.context)
    return _Linked(background, calibration, linked_as)


def _groups_to_link(run: _Run, published_runs: set[str]) -> list[list[str]]:
    """New videos, each with its copies, and videos whose copies are no longer the same ones."""
    new = run.store.videos_not_of(published_runs)
    clusters = run.store.clusters()
    if run.previous is None or not published_runs:
        return copies_of(clusters, new)
    before = copies_of(held := run.store.clusters(run.previous.table_version("videos")), held)
    unchanged = {tuple(group) for group in before}
    groups = copies_of(clusters, clusters)
    started = set(new)
    return [g for g in groups if tuple(g) not in unchanged or not started.isdisjoint(g)]


def _background(run: _Run) -> Background | None:
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
    catalogue = LinkingCatalogue.of(run.store.read_products())
    background = background_of(frames, shots, catalogue, segments=count)
    save_background(run.store, background)
    return background


def _has_news(run: _Run, previous: Release, linked_as: str) -> bool:
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


def _indexes(run: _Run) -> list[VectorIndex]:
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


def _find_duplicates(
    run: _Run, indexes: Sequence[VectorIndex], background: Background | None
) -> None:
    with run.progress.stage("duplicates", 1) as stage:
        cluster_duplicates(run.store, indexes, background, run.config.duplicates)
        stage.advance()


def _build_release(run: _Run, indexes: list[VectorIndex], linked: _Linked) -> Release:
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


def _too_many(run: _Run) -> TooManyFailures:
    kinds = Counter(item.kind.value for item in run.failed)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    first = run.failed[0]
    return TooManyFailures(
        f"{len(run.failed)} of {run.tally.submitted} videos failed ({listed}), "
        f"gate.max_failure_rate is {run.config.gate.max_failure_rate:g}: not published. "
        f"First: {first.video_id}: {first.message}"
    )


def _record(run: _Run, status: str, message: str | None, release_id: str | None) -> None:
    tally = run.tally
    run.store.write_run(
        run.context.common
        | {
            "status": status,
            "started_at": run.context.started_at,
            "ended_at": now(),
            "submitted": tally.submitted,
            "indexed": tally.indexed,
            "skipped": tally.skipped,
            "failed": tally.failed,
            "config": run.config.model_dump_json(),
            "models": run.engine.refs.model_dump_json(),
            "calls": json.dumps(dict(run.calls), sort_keys=True),
            "message": message,
            "release_id": release_id,
        }
    )


def _result(run: _Run, release: Release, *, published: bool) -> IngestResult:
    return IngestResult(
        release,
        published,
        run.tally,
        tuple(run.failed),
        tuple(run.skipped),
        tuple(run.rejected),
        dict(run.calls),
    )
