"""What a run has to do: the difference between what the shop hands over and what the store holds.

A file's stamp decides whether its bytes are looked at again: while it is the one that was seen, the
hash seen then is believed, and planning reads nothing. Any change of it, ctime included, costs one
hash, which tells a file that was only touched from one with other content. Settings and models
count through fingerprints. Nothing here writes, so a plan can be shown and thrown away.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum

import pyarrow as pa

from reelshelf.indexer.extract.post_text import post_fingerprint
from reelshelf.indexer.extract.products import row_fingerprint, text_fingerprint
from reelshelf.indexer.pipeline.scope import EVERYTHING, Scope
from reelshelf.indexer.sources.catalog import CatalogRead
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.store.failures import KnownFailure
from reelshelf.indexer.store.products import PictureState, ProductState
from reelshelf.indexer.store.sources import FileState
from reelshelf.indexer.store.tables import VideoState
from reelshelf.indexer.store.vanished import KeptVideo
from reelshelf.schemas.catalog import (
    PictureJob,
    Product,
    RejectedPicture,
    VideoSource,
)
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import FailureKind, GateRefused, MediaError
from reelshelf.schemas.gate import at_most
from reelshelf.schemas.keys import child_key, product_key, video_key
from reelshelf.schemas.outcomes import Failed, Skipped, SourceStamp, VideoJob
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Stage, StageFingerprints, after, changed_stages
from reelshelf.schemas.stages import (
    PRODUCTS_VERSION,
    failure_fingerprint,
    picture_fingerprint,
    picture_fingerprints,
    with_dependants,
)

# How many videos may always leave at once, and how many times what usually does.
_SMALL_SHARE, _SMALL_COUNT, _TIMES_USUAL = 0.05, 20, 3.0
# Runs from which it is told what is usual.
_FEWEST_LOSSES, _MOST_LOSSES = 3, 30
# Hashing releases Python's lock; more threads than this only wait for the disk.
_HASHERS = 8
OUTSIDE = "lies outside the catalog's folder, and below no prefix in storage.allow"


class Why(StrEnum):
    """Why a video has to be indexed."""

    NEW = "new"
    CHANGED = "changed"
    SETTINGS = "settings"
    AGAIN = "again"
    ASKED = "asked"
    DESCRIBED = "described"


@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """A video to index. `tries` counts runs that failed on it; `stale` rows must go if it fails.

    `reusable` is what the store knows of the same bytes, where only some stages are done again;
    `job.stored` is read from there when its turn comes.
    """

    job: VideoJob
    why: Why
    tries: int = 0
    stale: bool = False
    reusable: VideoState | None = None


@dataclass(slots=True)
class VideoPlan:
    """Videos by what has to be done for them. `sources` are all that are in the source, by key."""

    sources: dict[str, VideoSource] = field(default_factory=dict)
    todo: list[PlannedVideo] = field(default_factory=list)
    touched: dict[str, FileState] = field(default_factory=dict)
    described_anew: list[tuple[str, VideoSource]] = field(default_factory=list)
    unchanged: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    returned: list[tuple[str, VideoSource]] = field(default_factory=list)
    # Of what is quarantined since a run that failed on it and could not remove its old rows.
    stale: set[str] = field(default_factory=set)
    hashed: int = 0
    # Of `failed`: new videos whose file cannot be read, for the first time; and of the `stored`
    # ones that were looked for, those whose file cannot.
    unread: list[Failed] = field(default_factory=list)
    away: list[Failed] = field(default_factory=list)
    stored: int = 0


def _no_places() -> "array[int]":
    return array("Q")


def _no_keys() -> pa.Array:
    return pa.array([], pa.string())


@dataclass(slots=True)
class ProductPlan:
    """Products and pictures by what has to be done for them. `keys` are those of all pictures.

    Products to write are places in the catalog: `rows` of those that keep their vectors, `texts` of
    those that are encoded. `listed` are the keys of all that the source lists, within the scope.
    """

    keys: set[str] = field(default_factory=set)
    rows: "array[int]" = field(default_factory=_no_places)
    texts: "array[int]" = field(default_factory=_no_places)
    listed: pa.Array = field(default_factory=_no_keys)
    pictures: list[PictureJob] = field(default_factory=list)
    stamps: dict[str, SourceStamp] = field(default_factory=dict)
    touched: dict[str, FileState] = field(default_factory=dict)
    rejected: list[RejectedPicture] = field(default_factory=list)
    gone_pictures: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    hashed: int = 0


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """A plan in numbers, for people and for the run's record."""

    videos_new: int = 0
    videos_changed: int = 0
    videos_with_other_settings: int = 0
    videos_tried_again: int = 0
    videos_asked_for: int = 0
    videos_touched: int = 0
    videos_described_anew: int = 0
    videos_unchanged: int = 0
    videos_failed_before: int = 0
    videos_gone: int = 0
    videos_back: int = 0
    products_to_write: int = 0
    products_to_encode: int = 0
    products_gone: int = 0
    pictures_to_encode: int = 0
    pictures_touched: int = 0
    pictures_gone: int = 0
    files_hashed: int = 0

    @property
    def nothing_to_do(self) -> bool:
        """Whether the source says what it said last time. A touch says nothing."""
        idle = (
            "videos_touched",
            "videos_unchanged",
            "videos_failed_before",
            "pictures_touched",
            "files_hashed",
        )
        names = [name for name in self.__slots__ if name not in idle]
        return not any(getattr(self, name) for name in names)


def count_plan(videos: VideoPlan, products: ProductPlan) -> PlanCounts:
    """Count what is planned."""
    why = [planned.why for planned in videos.todo]
    return PlanCounts(
        videos_new=why.count(Why.NEW),
        videos_changed=why.count(Why.CHANGED),
        videos_with_other_settings=why.count(Why.SETTINGS),
        videos_tried_again=why.count(Why.AGAIN),
        videos_asked_for=why.count(Why.ASKED),
        videos_touched=len(videos.touched),
        videos_described_anew=len(videos.described_anew) + why.count(Why.DESCRIBED),
        videos_unchanged=len(videos.unchanged),
        videos_failed_before=len(videos.failed),
        videos_gone=len(videos.gone),
        videos_back=len(videos.returned),
        products_to_write=len(products.rows) + len(products.texts),
        products_to_encode=len(products.texts),
        products_gone=len(products.gone),
        pictures_to_encode=len(products.pictures),
        pictures_touched=len(products.touched),
        pictures_gone=len(products.gone_pictures),
        files_hashed=videos.hashed + products.hashed,
    )


@dataclass(frozen=True, slots=True)
class Stored:
    """What the store knows, as planning needs it. Empty for a store that is still to be made.

    `reusable` is what the generation that is served knows, where another one is being built: what
    its models have in common with the new ones need not be asked again. `kept` is what is left of
    videos that the tables do not hold.
    """

    videos: Mapping[str, VideoState] = field(default_factory=dict)
    products: Mapping[str, ProductState] = field(default_factory=dict)
    pictures: Mapping[str, PictureState] = field(default_factory=dict)
    seen: Mapping[str, FileState] = field(default_factory=dict)
    failures: Mapping[str, KnownFailure] = field(default_factory=dict)
    reusable: "Stored | None" = None
    kept: Mapping[str, KeptVideo] = field(default_factory=dict)

    def video(self, key: str) -> VideoState | None:
        """The state of a video here, or else in the generation that is served, or kept."""
        if key in self.videos:
            return self.videos[key]
        if self.reusable and key in self.reusable.videos:
            return self.reusable.videos[key]
        return self.kept[key].state if key in self.kept else None

    def product(self, key: str) -> ProductState | None:
        """The state of a product here, or else in the generation that is served."""
        return self.products.get(key) or (
            self.reusable.products.get(key) if self.reusable else None
        )

    def picture(self, key: str) -> PictureState | None:
        """The state of a picture here, or else in the generation that is served."""
        return self.pictures.get(key) or (
            self.reusable.pictures.get(key) if self.reusable else None
        )


@dataclass(frozen=True, slots=True)
class HashCheck:
    """A file whose stamp is not the one that was seen with the content that the store holds."""

    key: str
    location: str
    stamp: SourceStamp
    stored_sha256: str


def plan_videos(
    sources: Sequence[VideoSource],
    stored: Stored,
    fingerprints: StageFingerprints | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
    scope: Scope = EVERYTHING,
) -> VideoPlan:
    """Compare the shop's videos with the store's.

    `fingerprints` is None where the models are not known yet: then every video counts as due.
    `verify` hashes every file, whatever its stamp. What is outside the scope keeps what it has.
    """
    plan = VideoPlan()
    checks: list[HashCheck] = []
    due: dict[str, _Looked] = {}
    stamps = files.stamps([source.path for source in sources])
    beside = _subtitle_stamps(sources, files)
    for source, stamp in zip(sources, stamps, strict=True):
        key = video_key(config.shop_id, source.video_id)
        plan.sources[key] = source
        failure = stored.failures.get(key)
        if not scope.has_video(key):
            _outside(plan, key, source, stored, stamp)
            continue
        plan.stored += key in stored.videos
        if isinstance(stamp, MediaError):
            _cannot_be_read(plan, key, source, stamp, stored)
            continue
        content = _believed(stored.seen.get(key), stamp, verify=verify)
        post = post_fingerprint(source, beside.get(source.subtitles or ""))
        state, reusable = stored.videos.get(key), stored.video(key)
        looked = _Looked(key, source, stamp, content, state, reusable, post)
        if _settled(plan, looked, failure, fingerprints, scope, config):
            continue
        due[key] = looked
        if looked.reusable is not None and content != looked.reusable.content_sha256:
            checks.append(HashCheck(key, source.path, stamp, looked.reusable.content_sha256))
    hashes = _hash(checks, files, config.media.max_bytes)
    plan.hashed = len(checks)
    for key, looked in due.items():
        found = hashes.get(key)
        if isinstance(found, MediaError):
            _cannot_be_read(plan, key, looked.source, found, stored)
        else:
            _plan_video(plan, looked, found, stored.failures.get(key), fingerprints, scope)
    plan.gone = sorted(stored.videos.keys() - plan.sources.keys()) if scope.removes else []
    return plan


@dataclass(frozen=True, slots=True)
class _Looked:
    """A video that was looked at. `content` is the hash its bytes are believed to have.

    `state` is what the store knows of it, `reusable` that or what the served generation knows.
    `post` is the fingerprint of what is said of it in words.
    """

    key: str
    source: VideoSource
    stamp: SourceStamp
    content: str | None
    state: VideoState | None
    reusable: VideoState | None
    post: str = ""


def _outside(
    plan: VideoPlan, key: str, source: VideoSource, stored: Stored, stamp: SourceStamp | MediaError
) -> None:
    """What is not looked at keeps its rows, or stays failed."""
    failure = stored.failures.get(key)
    if failure is None or key in stored.videos:
        plan.unchanged.append(Skipped(source.video_id, "outside the scope"))
        return
    plan.failed.append(_carried(source, failure, None if isinstance(stamp, MediaError) else stamp))


def _settled(
    plan: VideoPlan,
    looked: _Looked,
    failure: KnownFailure | None,
    fingerprints: StageFingerprints | None,
    scope: Scope,
    config: Config,
) -> bool:
    """Whether a video needs no more looking at: it is quarantined, or is left to a nightly run."""
    state, content = looked.state, looked.content
    if scope.only and (looked.reusable is None or not scope.stages):
        if failure is not None and state is None:
            plan.failed.append(_carried(looked.source, failure, looked.stamp))
        else:
            plan.unchanged.append(Skipped(looked.source.video_id, "outside the scope"))
        return True
    quarantined = (
        failure
        and content is not None
        and fingerprints
        and _is_quarantined(failure, fingerprints, config)
    )
    due = state is None or bool(fingerprints and changed_stages(state.fingerprints, fingerprints))
    if failure and quarantined and not scope.again and due:
        plan.failed.append(_carried(looked.source, failure, looked.stamp))
        if state is not None and content != state.content_sha256:
            plan.stale.add(looked.key)
        return True
    return False


def _plan_video(
    plan: VideoPlan,
    looked: _Looked,
    hashed: str | None,
    failure: KnownFailure | None,
    fingerprints: StageFingerprints | None,
    scope: Scope,
) -> None:
    """Decide on a video whose content is known. `hashed` is the hash of a file in check."""
    key, source, stamp, state = looked.key, looked.source, looked.stamp, looked.state
    reusable, content = looked.reusable, hashed or looked.content
    # Another file starts to count anew.
    tries = failure.attempt if failure and content is not None else 0
    whole = VideoJob(key, source, stamp, post_fingerprint=looked.post)
    if reusable is None or fingerprints is None:
        why = Why.SETTINGS if state else Why.AGAIN if failure else Why.NEW
        plan.todo.append(PlannedVideo(whole, why, tries))
        return
    if content != reusable.content_sha256:
        job = whole
        plan.todo.append(PlannedVideo(job, Why.CHANGED, stale=state is not None))
        return
    if hashed is not None:
        plan.touched[key] = FileState(stamp, hashed)
    changed = changed_stages(reusable.fingerprints, fingerprints, outdated=scope.outdated)
    described = _described_anew(reusable, looked)
    stages = with_dependants(changed | scope.stages | described)
    if scope.only and not _cut_differently(reusable, fingerprints) and state is not None:
        stages = scope.stages | described
    if not stages and state is None:
        plan.returned.append((key, source))
        plan.touched[key] = FileState(stamp, reusable.content_sha256)
        return
    if not stages:
        _unchanged(plan, key, source, reusable)
        return
    why = Why.DESCRIBED if stages == described else Why.ASKED
    if changed & stages or state is None:
        why = Why.SETTINGS
    kept = after(reusable.fingerprints, fingerprints, stages)
    job = replace(whole, stages=stages, kept=kept)
    plan.todo.append(PlannedVideo(job, why, tries, reusable=reusable))


def _described_anew(state: VideoState, looked: _Looked) -> frozenset[str]:
    """The stage that reads what is said of a video in words, where that is something else now.

    Rows that were made before anything read it are left as they are while it says the same.
    """
    if state.post_fingerprint is None:
        same = state.source.own_text == looked.source.own_text and not looked.source.subtitles
    else:
        same = state.post_fingerprint == looked.post
    return frozenset() if same else frozenset([Stage.TEXT])


def _subtitle_stamps(sources: Sequence[VideoSource], files: Files) -> dict[str, SourceStamp | None]:
    """Stamps of the subtitles of videos that have some; None where they cannot be read."""
    places = list(dict.fromkeys(s.subtitles for s in sources if s.subtitles is not None))
    stamps = zip(places, files.stamps(places), strict=True)
    return {place: None if isinstance(s, MediaError) else s for place, s in stamps}


def _cut_differently(state: VideoState, wanted: StageFingerprints) -> bool:
    return state.fingerprints[Stage.DECODE].value != wanted[Stage.DECODE].value


def plan_products(
    read: CatalogRead,
    stored: Stored,
    refs: ModelRefs | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
    scope: Scope = EVERYTHING,
) -> ProductPlan:
    """Compare the shop's catalog with the store's. `refs`, `verify`, `scope` as for videos."""
    plan = ProductPlan()
    gone = set(stored.products)
    listed: list[str] = []
    jobs: list[PictureJob] = []
    for place, product in enumerate(read.products):
        key = product_key(config.shop_id, product.sku)
        gone.discard(key)
        if scope.has_product(key):
            listed.append(key)
            text = text_fingerprint(product, refs) if refs else ""
            if _to_encode(stored.product(key), text, scope):
                plan.texts.append(place)
            elif _to_write(stored.products.get(key), product):
                plan.rows.append(place)
        for uri in dict.fromkeys(product.images):
            image_key = child_key(key, uri)
            location = files.resolve(read.root, uri)
            if location is None:
                plan.rejected.append(RejectedPicture(image_key, product.sku, uri, OUTSIDE))
            else:
                jobs.append(PictureJob(image_key, key, product.sku, uri, location))
    plan.listed = pa.array(listed, pa.string())
    plan.keys = {job.image_key for job in jobs}
    if not scope.products_only:
        _plan_pictures(plan, jobs, stored, refs, files, config, verify=verify, scope=scope)
    if scope.removes:
        # A picture that cannot be read tonight keeps its row, as a video does.
        plan.gone_pictures = sorted(stored.pictures.keys() - plan.keys)
        plan.gone = sorted(gone)
    return plan


def _to_encode(reusable: ProductState | None, text: str, scope: Scope) -> bool:
    if reusable is None or reusable.text_fingerprint != text:
        return True
    return scope.texts or (scope.outdated and reusable.version < PRODUCTS_VERSION)


def _to_write(state: ProductState | None, product: Product) -> bool:
    return state is None or state.row_fingerprint != row_fingerprint(product)


def _plan_pictures(
    plan: ProductPlan,
    jobs: Sequence[PictureJob],
    stored: Stored,
    refs: ModelRefs | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
    scope: Scope,
) -> None:
    both = picture_fingerprint(refs, config) if refs else ""
    wanted = PictureState("", *picture_fingerprints(refs, config)) if refs else None
    checks: list[HashCheck] = []
    due: list[tuple[PictureJob, str | None]] = []
    stamps = files.stamps([job.location for job in jobs])
    for job, stamp in zip(jobs, stamps, strict=True):
        key = job.image_key
        failure, reusable = stored.failures.get(key), stored.picture(key)
        if not scope.has_product(job.product_key):
            if failure is not None:
                plan.rejected.append(RejectedPicture(key, job.sku, job.uri, failure.message))
            continue
        if isinstance(stamp, MediaError):
            plan.rejected.append(_unreadable(job, stamp))
            continue
        plan.stamps[key] = stamp
        content = _believed(stored.seen.get(key), stamp, verify=verify)
        if reusable is not None:
            due.append((job, content))
            if content != reusable.content_sha256:
                checks.append(HashCheck(key, job.location, stamp, reusable.content_sha256))
        elif failure and content is not None and failure.stage_fingerprint == both:
            if scope.again and scope.products is not None:
                plan.pictures.append(job)
            else:
                plan.rejected.append(RejectedPicture(key, job.sku, job.uri, failure.message))
        else:
            plan.pictures.append(job)
    hashes = _hash(checks, files, config.media.max_bytes)
    plan.hashed = len(checks)
    for job, content in due:
        key = job.image_key
        found = hashes.get(key, content)
        if isinstance(found, MediaError):
            plan.rejected.append(_unreadable(job, found))
            continue
        if key in hashes and found is not None:
            plan.touched[key] = FileState(plan.stamps[key], found)
        reusable = stored.picture(key)
        assert reusable is not None
        if found != reusable.content_sha256:
            plan.touched.pop(key, None)
            plan.pictures.append(job)
            continue
        look = wanted is None or reusable.image_fingerprint != wanted.image_fingerprint
        read = wanted is None or reusable.reading_fingerprint != wanted.reading_fingerprint
        old = scope.outdated and reusable.version < PRODUCTS_VERSION
        look, read = look or scope.looks or old, read or scope.reads or old
        if look or read or key not in stored.pictures:
            version = PRODUCTS_VERSION if look and read else reusable.version
            plan.pictures.append(replace(job, look=look, read=read, version=version))


def _unreadable(job: PictureJob, error: MediaError) -> RejectedPicture:
    return RejectedPicture(job.image_key, job.sku, job.uri, str(error), lasting=False)


def check_shrinkage(
    stored: Stored, videos: VideoPlan, products: ProductPlan, limit: float, losses: Sequence[float]
) -> None:
    """Raise GateRefused where so much has left the source that something must be wrong with it.

    `losses` are the shares of its videos that the shop lost in earlier runs; `limit` is the share
    that may leave where there are too few of them to tell, and the most in any case.
    """
    usual = _usual_loss(losses)
    for what, gone, known in (
        ("videos", len(videos.gone), len(stored.videos)),
        ("products", len(products.gone), len(stored.products)),
    ):
        most = limit * known
        reason = f"gate.max_shrink ({limit:g})"
        if what == "videos" and usual is not None:
            beyond = max(_SMALL_SHARE * known, _SMALL_COUNT, _TIMES_USUAL * usual * known)
            if beyond < most:
                most = beyond
                reason = f"a shop that usually loses {usual:.2%} of them a run"
        if known and gone > most:
            name = f"share of {what} that left the source"
            raise GateRefused(
                f"{gone} of the {known} {what} in the store are not in the source any more, more "
                f"than {reason} allows: nothing was deleted. Look whether the source is whole; "
                "--allow-shrink lets one run do it if it is meant",
                [at_most(name, gone / known, most / known)],
            )


def _usual_loss(losses: Sequence[float]) -> float | None:
    """The mean loss of the last runs; None where there are too few to tell."""
    last = losses[-_MOST_LOSSES:]
    return sum(last) / len(last) if len(last) >= _FEWEST_LOSSES else None


def _believed(saw: FileState | None, stamp: SourceStamp, *, verify: bool) -> str | None:
    """The hash of a file that looks as it did when it was hashed; None where nobody can tell."""
    return saw.content_sha256 if saw and saw.stamp == stamp and not verify else None


def _hash(checks: Sequence[HashCheck], files: Files, max_bytes: int) -> dict[str, str | MediaError]:
    def hash_one(check: HashCheck) -> str | MediaError:
        try:
            return files.sha256(check.location, max_bytes=max_bytes)
        except MediaError as error:
            return error

    with ThreadPoolExecutor(_HASHERS) as pool:
        keys: Iterable[str] = (check.key for check in checks)
        return dict(zip(keys, pool.map(hash_one, checks), strict=True))


def _unchanged(plan: VideoPlan, key: str, source: VideoSource, state: VideoState) -> None:
    plan.unchanged.append(Skipped(source.video_id, "unchanged"))
    if not _says_the_same(state.source, source):
        plan.described_anew.append((key, source))


def _says_the_same(stored: VideoSource, given: VideoSource) -> bool:
    """Whether links and filters of a video would come out the same. Its path may change freely."""
    names = (
        *("merchant_skus", "merchant_id", "title", "language", "published_at", "kind"),
        *("started_at", "ended_at"),
    )
    return all(getattr(stored, name) == getattr(given, name) for name in names)


def _is_quarantined(failure: KnownFailure, fingerprints: StageFingerprints, config: Config) -> bool:
    """Whether a failed video is left alone until its file or the settings change."""
    if failure.kind is None or failure.stage_fingerprint != failure_fingerprint(
        fingerprints, config
    ):
        return False
    given_up = failure.attempt >= config.engine.quarantine_after_runs
    return failure.kind.lies_in_the_file or given_up


def _carried(source: VideoSource, failure: KnownFailure, stamp: SourceStamp | None) -> Failed:
    kind = failure.kind or FailureKind.INTERNAL
    return Failed(
        source.video_id,
        source.path,
        failure.stage,
        kind,
        failure.message,
        failure.attempt,
        stamp,
    )


def _cannot_be_read(
    plan: VideoPlan, key: str, source: VideoSource, error: MediaError, stored: Stored
) -> None:
    """A file that is away tonight. Not counted as one more attempt: it may be well."""
    failure = stored.failures.get(key)
    attempt = failure.attempt if failure else 1
    failed = Failed(source.video_id, source.path, "read", error.kind, str(error), attempt)
    plan.failed.append(failed)
    if key in stored.videos:
        plan.away.append(failed)
    elif failure is None:
        # A list may name files that never come: they count once.
        plan.unread.append(failed)
