"""What a run has to do: the difference between what the shop hands over and what the store holds.

A file's stamp decides whether its bytes are looked at again: while it is the one that was seen, the
hash seen then is believed, and planning reads nothing. Any change of it, ctime included, costs one
hash, which tells a file that was only touched from one with other content. Settings and models
count through fingerprints. Nothing here writes, so a plan can be shown and thrown away.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from indexer.catalog import CatalogueRead
from indexer.products import picture_fingerprint, row_fingerprint, text_fingerprint
from indexer.sources.files import Files
from indexer.store.failures import KnownFailure
from indexer.store.products import PictureState, ProductState
from indexer.store.sources import Seen
from indexer.store.tables import VideoState
from schemas.catalog import FingerprintedProduct, PictureJob, RejectedPicture, VideoSource
from schemas.config import Config
from schemas.errors import FailureKind, GateRefused, MediaError
from schemas.keys import child_key, product_key, video_key
from schemas.outcomes import Failed, Skipped, SourceStamp, VideoJob
from schemas.release import ModelRefs
from schemas.run import StageFingerprints

# Hashing releases Python's lock; more threads than this only wait for the disk.
_HASHERS = 8


class Why(StrEnum):
    """Why a video has to be indexed."""

    NEW = "new"
    CHANGED = "changed"
    SETTINGS = "settings"
    AGAIN = "again"


@dataclass(frozen=True, slots=True)
class PlannedVideo:
    """A video to index. `tries` counts runs that failed on it; `stale` rows must go if it fails."""

    job: VideoJob
    why: Why
    tries: int = 0
    stale: bool = False


@dataclass(slots=True)
class VideoPlan:
    """Videos by what has to be done for them. `keys` are those of all that are in the source."""

    keys: set[str] = field(default_factory=set)
    todo: list[PlannedVideo] = field(default_factory=list)
    touched: dict[str, Seen] = field(default_factory=dict)
    described_anew: list[tuple[str, VideoSource]] = field(default_factory=list)
    unchanged: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    # Of what rests since a night that failed on it and could not take its old rows away.
    stale: set[str] = field(default_factory=set)
    hashed: int = 0


@dataclass(slots=True)
class ProductPlan:
    """Products and pictures by what has to be done for them. `keys` are those of all pictures."""

    keys: set[str] = field(default_factory=set)
    rows: list[FingerprintedProduct] = field(default_factory=list)
    texts: list[FingerprintedProduct] = field(default_factory=list)
    pictures: list[PictureJob] = field(default_factory=list)
    stamps: dict[str, SourceStamp] = field(default_factory=dict)
    touched: dict[str, Seen] = field(default_factory=dict)
    rejected: list[RejectedPicture] = field(default_factory=list)
    gone_pictures: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    hashed: int = 0


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """A plan in numbers, for people and for the run's record."""

    videos_new: int
    videos_changed: int
    videos_with_other_settings: int
    videos_tried_again: int
    videos_touched: int
    videos_described_anew: int
    videos_unchanged: int
    videos_failed_before: int
    videos_gone: int
    products_to_write: int
    products_to_encode: int
    products_gone: int
    pictures_to_encode: int
    pictures_touched: int
    pictures_gone: int
    files_hashed: int

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
        videos_touched=len(videos.touched),
        videos_described_anew=len(videos.described_anew),
        videos_unchanged=len(videos.unchanged),
        videos_failed_before=len(videos.failed),
        videos_gone=len(videos.gone),
        products_to_write=len(products.rows),
        products_to_encode=len(products.texts),
        products_gone=len(products.gone),
        pictures_to_encode=len(products.pictures),
        pictures_touched=len(products.touched),
        pictures_gone=len(products.gone_pictures),
        files_hashed=videos.hashed + products.hashed,
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What the store knows, as planning needs it. Empty for a store that is still to be made."""

    videos: Mapping[str, VideoState] = field(default_factory=dict)
    products: Mapping[str, ProductState] = field(default_factory=dict)
    pictures: Mapping[str, PictureState] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    failures: Mapping[str, KnownFailure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A file whose stamp is not the one that was seen with the content that the store holds."""

    key: str
    location: str
    stamp: SourceStamp
    held_sha256: str


def plan_videos(
    sources: Sequence[VideoSource],
    held: Held,
    prints: StageFingerprints | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
) -> VideoPlan:
    """Compare the shop's videos with the store's.

    `prints` is None where the models are not known yet: then every video counts as due. `verify`
    hashes every file, whatever its stamp.
    """
    plan = VideoPlan()
    doubts: dict[str, tuple[_Doubt, VideoSource]] = {}
    stamps = files.stamps([source.path for source in sources])
    for source, stamp in zip(sources, stamps, strict=True):
        key = video_key(config.shop_id, source.video_id)
        plan.keys.add(key)
        if isinstance(stamp, MediaError):
            # Not counted as a try: a file that is away may be well.
            tries = held.failures[key].attempt if key in held.failures else 1
            plan.failed.append(_unread(source, stamp, tries))
            continue
        state, saw, failure = held.videos.get(key), held.seen.get(key), held.failures.get(key)
        content = _believed(saw, stamp, verify=verify)
        known = state is not None and content == state.content_sha256
        if state is None or state.fingerprints != prints:
            if failure and content is not None and prints and _rests(failure, prints, config):
                plan.failed.append(_carried(source, failure, stamp))
                if state is not None and not known:
                    plan.stale.add(key)
                continue
            why = Why.SETTINGS if state else Why.AGAIN if failure else Why.NEW
            job = VideoJob(key, source, stamp)
            # Another file starts to count anew.
            tries = failure.attempt if failure and content is not None else 0
            plan.todo.append(PlannedVideo(job, why, tries, stale=state is not None and not known))
        elif known:
            _unchanged(plan, key, source, state)
        else:
            doubts[key] = (_Doubt(key, source.path, stamp, state.content_sha256), source)
    hashes = _hash([doubt for doubt, _ in doubts.values()], files, config.media.max_bytes)
    plan.hashed = len(doubts)
    for key, (doubt, source) in doubts.items():
        found = hashes[key]
        if isinstance(found, MediaError):
            plan.failed.append(_unread(source, found, 1))
        elif found == doubt.held_sha256:
            plan.touched[key] = Seen(doubt.stamp, found)
            _unchanged(plan, key, source, held.videos[key])
        else:
            job = VideoJob(key, source, doubt.stamp)
            plan.todo.append(PlannedVideo(job, Why.CHANGED, stale=True))
    plan.gone = sorted(held.videos.keys() - plan.keys)
    return plan


def plan_products(
    read: CatalogueRead,
    held: Held,
    refs: ModelRefs | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
) -> ProductPlan:
    """Compare the shop's catalogue with the store's. `refs` and `verify` as for videos."""
    plan = ProductPlan()
    keys = set()
    jobs: list[PictureJob] = []
    for product in read.products:
        key = product_key(config.shop_id, product.sku)
        keys.add(key)
        state = held.products.get(key)
        text = text_fingerprint(product, refs) if refs else ""
        item = FingerprintedProduct(product, row_fingerprint(product), text)
        if state is None or state.text_fingerprint != text:
            plan.texts.append(item)
        if state is None or (state.row_fingerprint, state.text_fingerprint) != (
            item.row_fingerprint,
            text,
        ):
            plan.rows.append(item)
        for uri in dict.fromkeys(product.images):
            image_key = child_key(key, uri)
            location = files.resolve(read.root, uri)
            if location is None:
                reason = "lies outside the catalogue's folder and the storage that is allowed"
                plan.rejected.append(RejectedPicture(image_key, product.sku, uri, reason))
            else:
                jobs.append(PictureJob(image_key, key, product.sku, uri, location))
    _plan_pictures(plan, jobs, held, refs, files, config, verify=verify)
    plan.keys = {job.image_key for job in jobs}
    # A picture that cannot be read tonight keeps its row, as a video does.
    plan.gone_pictures = sorted(held.pictures.keys() - plan.keys)
    plan.gone = sorted(held.products.keys() - keys)
    return plan


def _plan_pictures(
    plan: ProductPlan,
    jobs: Sequence[PictureJob],
    held: Held,
    refs: ModelRefs | None,
    files: Files,
    config: Config,
    *,
    verify: bool,
) -> None:
    encoding = picture_fingerprint(refs, config.reading) if refs else ""
    doubts: dict[str, tuple[_Doubt, PictureJob]] = {}
    stamps = files.stamps([job.location for job in jobs])
    for job, stamp in zip(jobs, stamps, strict=True):
        key = job.image_key
        if isinstance(stamp, MediaError):
            plan.rejected.append(_unreadable(job, stamp))
            continue
        plan.stamps[key] = stamp
        state, saw, failure = held.pictures.get(key), held.seen.get(key), held.failures.get(key)
        content = _believed(saw, stamp, verify=verify)
        if state is None or state.encoding_fingerprint != encoding:
            if failure and content is not None and failure.stage_fingerprint == encoding:
                plan.rejected.append(RejectedPicture(key, job.sku, job.uri, failure.message))
            else:
                plan.pictures.append(job)
        elif content != state.content_sha256:
            doubts[key] = (_Doubt(key, job.location, stamp, state.content_sha256), job)
    hashes = _hash([doubt for doubt, _ in doubts.values()], files, config.media.max_bytes)
    plan.hashed = len(doubts)
    for key, (doubt, job) in doubts.items():
        found = hashes[key]
        if isinstance(found, MediaError):
            plan.rejected.append(_unreadable(job, found))
        elif found == doubt.held_sha256:
            plan.touched[key] = Seen(doubt.stamp, found)
        else:
            plan.pictures.append(job)


def _unreadable(job: PictureJob, error: MediaError) -> RejectedPicture:
    return RejectedPicture(job.image_key, job.sku, job.uri, str(error), lasting=False)


def check_shrinkage(held: Held, videos: VideoPlan, products: ProductPlan, limit: float) -> None:
    """Raise GateRefused where so much has left the source that something must be wrong with it."""
    for what, gone, known in (
        ("videos", len(videos.gone), len(held.videos)),
        ("products", len(products.gone), len(held.products)),
    ):
        if known and gone > limit * known:
            raise GateRefused(
                f"{gone} of the {known} {what} in the store are not in the source any more, more "
                f"than gate.max_shrink ({limit:g}) allows: nothing was deleted. Look whether the "
                "source is whole; raise gate.max_shrink for one run if it is meant"
            )


def _believed(saw: Seen | None, stamp: SourceStamp, *, verify: bool) -> str | None:
    """The hash of a file that looks as it did when it was hashed; None where nobody can tell."""
    return saw.content_sha256 if saw and saw.stamp == stamp and not verify else None


def _hash(doubts: Sequence[_Doubt], files: Files, max_bytes: int) -> dict[str, str | MediaError]:
    def hash_one(doubt: _Doubt) -> str | MediaError:
        try:
            return files.sha256(doubt.location, max_bytes=max_bytes)
        except MediaError as error:
            return error

    with ThreadPoolExecutor(_HASHERS) as pool:
        keys: Iterable[str] = (doubt.key for doubt in doubts)
        return dict(zip(keys, pool.map(hash_one, doubts), strict=True))


def _unchanged(plan: VideoPlan, key: str, source: VideoSource, state: VideoState) -> None:
    plan.unchanged.append(Skipped(source.video_id, "unchanged"))
    if not _says_the_same(state.source, source):
        plan.described_anew.append((key, source))


def _says_the_same(held: VideoSource, given: VideoSource) -> bool:
    """Whether links and filters of a video would come out the same. Its path may change freely."""
    names = ("merchant_skus", "merchant_id", "title", "language", "published_at")
    return all(getattr(held, name) == getattr(given, name) for name in names)


def _rests(failure: KnownFailure, prints: StageFingerprints, config: Config) -> bool:
    """Whether a failed video is left alone until its file or the settings change."""
    if failure.kind is None or failure.stage_fingerprint != prints.together:
        return False
    given_up = failure.attempt >= config.engine.runs_until_given_up
    return failure.kind.lies_in_the_file or given_up


def _carried(source: VideoSource, failure: KnownFailure, stamp: SourceStamp) -> Failed:
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


def _unread(source: VideoSource, error: MediaError, attempt: int) -> Failed:
    return Failed(source.video_id, source.path, "read", error.kind, str(error), attempt)
