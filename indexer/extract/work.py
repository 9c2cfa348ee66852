"""What a worker does with one video or one batch; shared by both engines.

This is the worker boundary: the one place where any exception becomes an outcome, so that one bad
video never stops a run.
"""

import ctypes
import logging
import resource
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2

from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.ocr import EdgeGated
from reelshelf.indexer.extract.products import encode_picture, encode_product_texts
from reelshelf.indexer.extract.segments import segment_videos
from reelshelf.indexer.media.backends import open_video
from reelshelf.indexer.media.chunks import divided_if_long
from reelshelf.indexer.media.container import Source
from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.media.decoder import check_file
from reelshelf.indexer.media.streams import divided_playlist, pieces_of
from reelshelf.indexer.sources import subtitles
from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.playlists import is_playlist
from reelshelf.models.protocols import ModelSet, TextDetector, TextEncoder
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
    RejectedText,
)
from reelshelf.schemas.config import Config, StorageConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.logs import log_context
from reelshelf.schemas.media import Chunk, Cue, DecodeCounts, DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, Indexed, Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.run import Stage
from reelshelf.schemas.segments import SegmentedVideo

_LOG = logging.getLogger(__name__)
_LONGEST_TRACE = 20_000


def use_one_thread() -> None:
    """Keep OpenCV from starting a thread for each core in every worker."""
    cv2.setNumThreads(1)


def limit_memory(gigabytes: float) -> None:
    """Let this process take no more memory than this beyond what it holds now.

    Private memory is counted, not the object store that Ray's workers share. Where a video needs
    more, allocating fails in this process and nowhere else. Linux only.
    """
    status = Path("/proc/self/status")
    if not status.is_file():
        return
    stored = next(line for line in status.read_text().splitlines() if line.startswith("VmData"))
    limit = int(stored.split()[1]) * 1024 + int(gigabytes * 1e9)
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def return_memory() -> None:
    """Give back to the system what this process does not use any more. Linux with glibc only.

    After dozens of chunks a heap holds what a few large ones took, in pieces.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


@lru_cache(maxsize=4)
def files_of(storage: StorageConfig) -> Files:
    """One client of an object store for all videos of a worker."""
    return Files(storage)


def decode(
    job: VideoJob, config: Config, detector: TextDetector | None = None
) -> DecodedVideo | Divided | Failed:
    """Decode one video or a chunk of one, or say why not. A long video is divided into chunks.

    `detector` finds text on its frames, where that is due.
    """
    files, location = files_of(config.storage), job.source.path
    pictures = bool(job.stages & {Stage.VISUAL, Stage.OCR})
    sound = Stage.ASR in job.stages
    cues, missing = _subtitles(job, files)
    if job.stored is not None and not pictures and not sound:
        return replace(_not_decoded(job.stored), cues=cues, missing=missing)
    with log_context(video_id=job.source.video_id, stage="decode"):
        try:
            with _source(job, files, config) as source:
                if isinstance(source, Divided):
                    return source
                video = decode_video(
                    source,
                    config.media,
                    pictures=pictures,
                    sound=sound,
                    detector=_detector(detector, config) if Stage.OCR in job.stages else None,
                    language=config.asr.language or job.source.language,
                    chunk=job.chunk,
                )
            if files.stamp(location) != job.stamp:
                message = "was changed while it was being read; the next run tries it again"
                raise MediaError(FailureKind.CHANGING, message)
        except Exception as error:
            return failure(job, "decode", error)
        _LOG.info("decoded: %d frames sampled, %d ms", len(video.frames), video.end_ms)
        return replace(video, cues=(*video.cues, *cues), missing=missing)


def _subtitles(job: VideoJob, files: Files) -> tuple[tuple[Cue, ...], tuple[str, ...]]:
    """The subtitles beside a video; and that they are missing, where they cannot be read."""
    if job.source.subtitles is None:
        return (), ()
    try:
        with files.local(job.source.subtitles, max_bytes=subtitles.MOST_BYTES) as path:
            return subtitles.read_subtitles(path), ()
    except MediaError as error:
        _LOG.warning("subtitles %s: %s", job.source.subtitles, error)
        return (), ("subtitles",)


@contextmanager
def _source(job: VideoJob, files: Files, config: Config) -> Iterator[Source | Divided]:
    """What is to be decoded for a job; or its video divided, where that comes first."""
    location, media = job.source.path, config.media
    if not is_playlist(location):
        path, stays = files.held(location, max_bytes=media.max_bytes), job.chunk is not None
        try:
            check_file(path, media)
            whole = job.chunk is None and job.stored is None
            chunks = divided_if_long(path, media) if whole else ()
            stays = stays or bool(chunks)
            yield _divided(job, path, chunks, file_sha256(path), config) if chunks else path
        finally:
            if not stays:
                files.let_go()
        return
    if job.chunk is not None:
        with pieces_of(location, job.chunk, files, media) as pieces:
            yield pieces
        return
    chunks = divided_playlist(location, files, media)
    sha256 = files.sha256(location, max_bytes=media.max_bytes)
    with pieces_of(location, chunks[0], files, media) as pieces:
        yield _divided(job, pieces, chunks, sha256, config)


def _divided(
    job: VideoJob, source: Source, chunks: tuple[Chunk, ...], sha256: str, config: Config
) -> Divided:
    with open_video(source, config.media, sound=False, chunk=chunks[0]) as video:
        info = video.info
    _LOG.info("divided into %d chunks, %d ms", len(chunks), chunks[-1].end_ms)
    return Divided(job, sha256, info, chunks)


def _detector(detector: TextDetector | None, config: Config) -> TextDetector | None:
    if detector is None or not config.ocr.min_edge_density:
        return detector
    return EdgeGated(detector, config.ocr.min_edge_density)


def _not_decoded(stored: SegmentedVideo) -> DecodedVideo:
    """For work that needs neither pictures nor sound: the file is not even opened."""
    nothing = DecodeCounts(0, 0, 0, 0)
    return DecodedVideo(stored.content_sha256, stored.info, (), (), None, stored.end_ms, nothing)


def run_models(
    batch: Sequence[tuple[VideoJob, DecodedVideo]], models: ModelSet, config: Config, meter: Meter
) -> list[Outcome]:
    """Run the models over a batch; where that fails, over each video alone, to find the one."""
    about = {"video_id": batch[0][0].source.video_id} if len(batch) == 1 else {}
    with log_context(stage="models", **about):
        try:
            videos = segment_videos(batch, models, config, meter)
        except Exception as error:
            if len(batch) == 1:
                return [failure(batch[0][0], "models", error)]
            _LOG.info("a batch of %d videos failed; each is tried alone: %s", len(batch), error)
            return [o for one in batch for o in run_models([one], models, config, meter)]
        for (job, _), video in zip(batch, videos, strict=True):
            with log_context(video_id=job.source.video_id):
                _LOG.info("models done: %d segments", len(video.segments))
        return [Indexed(job, video) for (job, _), video in zip(batch, videos, strict=True)]


def encode_or_reject(
    job: PictureJob, models: ModelSet, config: Config, meter: Meter
) -> EncodedPicture | RejectedPicture:
    """Encode one picture: what breaks on it costs that one."""
    with meter.stage(Stage.PRODUCTS):
        try:
            return encode_picture(job, files_of(config.storage), models, config.ocr)
        except Exception as error:
            return rejected(job, f"{type(error).__name__}: {error}")


def encode_or_reject_texts(
    products: Sequence[Product], encoder: TextEncoder, meter: Meter
) -> dict[str, ProductVectors | RejectedText]:
    """Encode what products' rows say; where that fails, each alone: it costs the one it is of."""
    with meter.stage(Stage.PRODUCTS):
        try:
            return {**encode_product_texts(products, encoder)}
        except Exception as error:
            if len(products) == 1:
                sku = products[0].sku
                _LOG.error("product %r: its text cannot be encoded", sku, exc_info=error)
                return rejected_text(products[0], f"{type(error).__name__}: {error}")
    parts = [encode_or_reject_texts([product], encoder, meter) for product in products]
    return {sku: made for part in parts for sku, made in part.items()}


def encode_probes(probes: Sequence[Probe], models: ModelSet, meter: Meter) -> list[Probed]:
    """Encode texts and pictures together, each kind in one call."""
    with meter.stage(Stage.REST):
        found: list[Probed] = []
        texts = [(probe.number, probe.text) for probe in probes if probe.text is not None]
        images = [(probe.number, probe.image) for probe in probes if probe.image is not None]
        if texts:
            vectors = models.text.encode_texts([text for _, text in texts])
            found += [Probed(n, vector) for (n, _), vector in zip(texts, vectors, strict=True)]
        if images:
            vectors = models.image.encode_images([image for _, image in images])
            found += [Probed(n, vector) for (n, _), vector in zip(images, vectors, strict=True)]
        return found


def encode_or_lose_probes(probes: Sequence[Probe], models: ModelSet, meter: Meter) -> list[Probed]:
    """The same; where that fails, each alone: it costs the one it is of."""
    try:
        return encode_probes(probes, models, meter)
    except Exception as error:
        if len(probes) == 1:
            return lost_probe(probes[0], f"{type(error).__name__}: {error}")
    return [found for one in probes for found in encode_or_lose_probes([one], models, meter)]


def lost_probe(probe: Probe, why: str) -> list[Probed]:
    """A probe that could not be encoded."""
    return [Probed(probe.number, None, why[:2000])]


def rejected_text(product: Product, reason: str) -> dict[str, ProductVectors | RejectedText]:
    """A product whose text is not encoded; the next run tries it again."""
    told = f"its text cannot be encoded: {reason[:2000]}"
    return {product.sku: RejectedText(product.sku, told)}


def rejected(job: PictureJob, reason: str) -> RejectedPicture:
    """A picture that is not encoded for a reason that may pass."""
    return RejectedPicture(job.image_key, job.sku, job.uri, reason[:2000], lasting=False)


def failure(job: VideoJob, stage: str, error: BaseException, attempt: int = 1) -> Failed:
    """An exception as the outcome of a video. One that nobody expects is logged and kept whole."""
    if isinstance(error, MediaError):
        _LOG.info("failed: %s: %s", error.kind.value, error)
        return failed(job, stage, error.kind, str(error), attempt)
    if isinstance(error, MemoryError):
        message = "needs more memory than a worker may take"
        return failed(job, stage, FailureKind.OUT_OF_MEMORY, message, attempt)
    message = f"{type(error).__name__}: {error}"
    _LOG.error("failed with an error that is no fault of a video: %s", message, exc_info=error)
    trace = "".join(traceback.format_exception(error))[-_LONGEST_TRACE:]
    return replace(failed(job, stage, FailureKind.INTERNAL, message, attempt), trace=trace)


def failed(job: VideoJob, stage: str, kind: FailureKind, message: str, attempt: int = 1) -> Failed:
    """The outcome of a video that has no rows."""
    source = job.source
    text = message[:2000]
    number = job.chunk.number if job.chunk is not None else None
    return Failed(source.video_id, source.path, stage, kind, text, attempt, job.stamp, chunk=number)
