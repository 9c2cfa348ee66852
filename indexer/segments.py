"""From decoded videos to segments: the models' part of the work, batched across videos.

A segment is a moment of one shot, at most `media.segment_ms` long, with everything that was shown,
written and said during it. Pictures and texts of all videos of a batch go through their encoder
together, so a model that likes large batches gets them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from indexer import reading
from indexer.media import decode
from models.protocols import ModelSet, Transcript
from schemas.config import Config
from schemas.errors import FailureKind, MediaError
from schemas.keys import fingerprint, segment_key
from schemas.media import DecodedVideo, Shot, TimedFrame, Vectors
from schemas.outcomes import VideoJob
from schemas.release import ModelRefs
from schemas.run import StageFingerprints
from schemas.segments import ModelCalls, ScreenText, Segment, SegmentedVideo, Utterance

Spanned = TypeVar("Spanned", ScreenText, Utterance)

# Raise when the same frames, text and speech would be cut or joined into other segments.
VERSION = 1


def stage_fingerprints(config: Config, refs: ModelRefs) -> StageFingerprints:
    """The fingerprints of every stage for this config and these models."""
    media = fingerprint([config.media.model_dump(mode="json"), decode.VERSION, VERSION])
    asr = fingerprint([media, config.speech.model_dump(mode="json"), refs.speech.model_dump()])
    ocr = fingerprint(
        [media, config.reading.model_dump(mode="json"), refs.reader.model_dump(), reading.VERSION]
    )
    return StageFingerprints(
        media=media,
        frames=fingerprint([media, refs.image.model_dump()]),
        asr=asr,
        ocr=ocr,
        text=fingerprint([asr, ocr, refs.text.model_dump()]),
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """A stretch of a shot with the frames that fell into it."""

    start_ms: int
    end_ms: int
    shot_index: int
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A video between the models: read and heard, with its texts not yet encoded."""

    job: VideoJob
    decoded: DecodedVideo
    moments: tuple[_Moment, ...]
    read: reading.Reading
    heard: Transcript
    texts: tuple[str, ...]


def segment_videos(
    batch: Sequence[tuple[VideoJob, DecodedVideo]], models: ModelSet, config: Config
) -> list[SegmentedVideo]:
    """Run every model over a batch of decoded videos. The order is kept."""
    drafts = [_draft(job, video, models, config) for job, video in batch]
    frames = models.image.encode_images([f.pixels for d in drafts for f in d.decoded.frames])
    texts = models.text.encode_texts([text for d in drafts for text in d.texts if text])
    segmentation = stage_fingerprints(config, models.refs).media
    finished = []
    frame_at = text_at = 0
    for draft in drafts:
        frame_count = len(draft.decoded.frames)
        text_count = sum(bool(text) for text in draft.texts)
        finished.append(
            _finish(
                draft,
                frames[frame_at : frame_at + frame_count],
                texts[text_at : text_at + text_count],
                segmentation,
            )
        )
        frame_at += frame_count
        text_at += text_count
    return finished


def _draft(job: VideoJob, video: DecodedVideo, models: ModelSet, config: Config) -> _Draft:
    moments = cut_moments(video.shots, video.frames, config.media.segment_ms)
    read = reading.read_frames(video.frames, models.reader, config.reading, end_ms=video.end_ms)
    sound = video.audio
    heard = Transcript((), None) if sound is None else models.speech.transcribe(sound)
    texts = tuple(
        _text(_overlapping(read.lines, moment), _overlapping(heard.utterances, moment))
        for moment in moments
    )
    return _Draft(job, video, moments, read, heard, texts)


def cut_moments(
    shots: Sequence[Shot], frames: Sequence[TimedFrame], segment_ms: int
) -> tuple[_Moment, ...]:
    """Cut shots into even stretches of at most `segment_ms`, each with at least one frame.

    A stretch whose frames were all dropped as near-duplicates joins the one before it, and one
    before the first frame joins the one after, so no time of the video is lost.
    """
    moments: list[_Moment] = []
    start_ms = 0
    for index, shot in enumerate(shots):
        pieces = max(1, -(-(shot.end_ms - shot.start_ms) // segment_ms))
        bounds = np.linspace(shot.start_ms, shot.end_ms, pieces + 1).round().astype(int).tolist()
        for start, end in pairwise(bounds):
            inside = tuple(i for i, f in enumerate(frames) if start <= f.time_ms < end)
            if inside:
                moments.append(_Moment(start_ms, end, index, inside))
            elif moments:
                moments[-1] = replace(moments[-1], end_ms=end)
            start_ms = end if moments else start_ms
    return tuple(moments)


def _overlapping(items: Sequence[Spanned], moment: _Moment) -> tuple[Spanned, ...]:
    return tuple(i for i in items if i.start_ms < moment.end_ms and i.end_ms > moment.start_ms)


def _text(lines: Sequence[ScreenText], spoken: Sequence[Utterance]) -> str:
    """What a reader of the moment would read: each line once, then what is said."""
    parts = [line.text for line in lines] + [utterance.text for utterance in spoken]
    return "\n".join(dict.fromkeys(parts))


def _finish(
    draft: _Draft, frame_vectors: Vectors, text_vectors: Vectors, segmentation: str
) -> SegmentedVideo:
    video = draft.decoded
    if not (np.isfinite(frame_vectors).all() and np.isfinite(text_vectors).all()):
        raise MediaError(FailureKind.MODEL, "an encoder gave vectors that are not finite")
    remaining = iter(text_vectors)
    segments = []
    for moment, text in zip(draft.moments, draft.texts, strict=True):
        rows = frame_vectors[list(moment.frames)]
        mean = rows.mean(axis=0)
        mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
        # The frame nearest to the mean stands for the moment.
        key_frame = moment.frames[int(np.argmax(rows @ mean))]
        segments.append(
            Segment(
                segment_key=segment_key(
                    draft.job.key,
                    draft.job.content_sha256,
                    moment.start_ms,
                    moment.end_ms,
                    segmentation,
                ),
                start_ms=moment.start_ms,
                end_ms=moment.end_ms,
                shot_index=moment.shot_index,
                keyframe_ms=video.frames[key_frame].time_ms,
                frame_count=len(moment.frames),
                frame_vector=mean.astype(np.float32),
                screen_text=_overlapping(draft.read.lines, moment),
                utterances=_overlapping(draft.heard.utterances, moment),
                text=text,
                text_vector=next(remaining) if text else None,
            )
        )
    return SegmentedVideo(
        info=video.info,
        end_ms=video.end_ms,
        counts=video.counts,
        segments=tuple(segments),
        language=draft.heard.language,
        calls=ModelCalls(
            frames_encoded=len(video.frames),
            frames_detected=draft.read.frames_detected,
            lines_recognised=draft.read.lines_recognised,
            audio_ms_heard=0 if video.audio is None else len(video.audio) // 16,
            texts_encoded=len(text_vectors),
        ),
        absent=() if video.audio is not None else ("audio",),
    )
