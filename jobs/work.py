"""What a worker does with one video or one batch; shared by both engines.

This is the worker boundary: the one place where any exception becomes an outcome, so that one bad
video never stops a run.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2

from indexer.media.decode import decode_video
from indexer.segments import segment_videos
from jobs.engine import failure
from models.protocols import ModelSet
from schemas.config import Config
from schemas.media import DecodedVideo
from schemas.outcomes import Failed, Indexed, Outcome, VideoJob


def use_one_thread() -> None:
    """Keep OpenCV from starting a thread for each core in every worker."""
    cv2.setNumThreads(1)


def decode(job: VideoJob, config: Config) -> DecodedVideo | Failed:
    """Decode one video, or say why not."""
    try:
        return decode_video(Path(job.source.path), config.media)
    except Exception as error:
        return failure(job, "decode", error)


def understand(
    batch: Sequence[tuple[VideoJob, DecodedVideo]], models: ModelSet, config: Config
) -> list[Outcome]:
    """Run the models over a batch; where that fails, over each video alone, to find the one."""
    try:
        videos = segment_videos(batch, models, config)
    except Exception as error:
        if len(batch) == 1:
            return [failure(batch[0][0], "models", error)]
        return [outcome for one in batch for outcome in understand([one], models, config)]
    return [Indexed(job, video) for (job, _), video in zip(batch, videos, strict=True)]
