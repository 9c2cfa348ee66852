"""From decoded videos to segments: the models' part of the work, batched across videos.

A segment is a moment of one shot, at most `media.segment_ms` long, with everything that was shown,
written and said during it. Pictures and texts of all videos of a batch go through their encoder
together, so a model that likes large batches gets them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from indexer import reading, transcript
from indexer.media import decode
from indexer.metering import Meter
from models.protocols import ModelSet, Transcript
from schemas.config import Config
from schemas.errors import FailureKind, MediaError
from schemas.keys import fingerprint, segment_key
from schemas.media import DecodedVideo, Shot, TimedFrame, Vectors
from schemas.outcomes import VideoJob
from schemas.release import ModelRefs
from schemas.run import Stage, StageFingerprints
from schemas.segments import ModelCalls, ScreenText, Segment, SegmentedVideo, Utterance

Spanned = TypeVar("Spanned", ScreenText, Utterance)
Item = TypeVar("Item")

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
        text=fingerprint([asr, ocr, refs.text.model_dump(), transcript.VERSION]),
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
    sentences: tuple[Utterance, ...]
    language: str | None
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """The vectors of one video: of its frames, of each moment's text, of each sentence."""

    frames: Vectors
    texts: Vectors
    sentences: Vectors

    def check(self) -> None:
        """Raise where an encoder gave what is no vector."""
        if not all(np.isfinite(v).all() for v in (self.frames, self.texts, self.sentences)):
            raise MediaError(FailureKind.MODEL, "an encoder gave vectors that are not finite")


def segment_videos(
    batch: Sequence[tuple[VideoJob, DecodedVideo]], models: ModelSet, config: Config, meter: Meter
) -> list[SegmentedVideo]:
    """Run every model over a batch of decoded videos. The order is kept."""
    drafts = [_draft(job, video, models, config, meter) for job, video in batch]
    pictures = [[frame.pixels for frame in draft.decoded.frames] for draft in drafts]
    texts = [[text for text in draft.texts if text] for draft in drafts]
    sentences = [[sentence.text for sentence in draft.sentences] for draft in drafts]
    segmentation = stage_fingerprints(config, models.refs).media
    with meter.stage(Stage.FRAMES):
        frame_vectors = _encoded(models.image.encode_images, pictures)
    with meter.stage(Stage.TEXT):
        text_vectors = _encoded(models.text.encode_texts, texts)
        sentence_vectors = _encoded(models.text.encode_texts, sentences)
    parts = zip(drafts, frame_vectors, text_vectors, sentence_vectors, strict=True)
    return [_finish(draft, _Encoded(*vectors), segmentation) for draft, *vectors in parts]


def _encoded(
    encode: Callable[[Sequence[Item]], Vectors], groups: Sequence[Sequence[Item]]
) -> list[Vectors]:
    """Encode the items of all groups in one call; the vectors of each group."""
    vectors = encode([item for group in groups for item in group])
    return np.split(vectors, np.cumsum([len(group) for group in groups])[:-1])


def _draft(
    job: VideoJob, video: DecodedVideo, models: ModelSet, config: Config, meter: Meter
) -> _Draft:
    moments = cut_moments(video.shots, video.frames, config.media.segment_ms)
    with meter.stage(Stage.OCR):
        read = reading.read_frames(video.frames, models.reader, config.reading, end_ms=video.end_ms)
    sound = video.audio
    with meter.stage(Stage.ASR):
        heard = Transcript((), None) if sound is None else models.speech.transcribe(sound)
    sentences = transcript.sentences_of(heard.utterances)
    texts = tuple(
        _text(_overlapping(read.lines, moment), _overlapping(sentences, moment))
        for moment in moments
    )
    return _Draft(job, video, moments, read, sentences, heard.language, texts)


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


def _finish(draft: _Draft, vectors: _Encoded, segmentation: str) -> SegmentedVideo:
    video = draft.decoded
    vectors.check()
    remaining = iter(vectors.texts)
    spoken = dict(zip(draft.sentences, vectors.sentences, strict=True))
    segments = []
    for moment, text in zip(draft.moments, draft.texts, strict=True):
        rows = vectors.frames[list(moment.frames)]
        sentences = _overlapping(draft.sentences, moment)
        mean = rows.mean(axis=0)
        mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
        # The frame nearest to the mean stands for the moment.
        key_frame = moment.frames[int(np.argmax(rows @ mean))]
        segments.append(
            Segment(
                segment_key=segment_key(
                    draft.job.key,
                    video.content_sha256,
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
                utterances=sentences,
                utterance_vectors=np.array([spoken[s] for s in sentences], np.float32).reshape(
                    len(sentences), vectors.sentences.shape[1]
                ),
                text=text,
                text_vector=next(remaining) if text else None,
            )
        )
    return SegmentedVideo(
        content_sha256=video.content_sha256,
        info=video.info,
        end_ms=video.end_ms,
        counts=video.counts,
        segments=tuple(segments),
        language=draft.language,
        calls=ModelCalls(
            frames_encoded=len(video.frames),
            frames_detected=draft.read.frames_detected,
            lines_recognised=draft.read.lines_recognised,
            audio_ms_heard=0 if video.audio is None else len(video.audio) // 16,
            texts_encoded=len(vectors.texts) + len(vectors.sentences),
        ),
        absent=() if video.audio is not None else ("audio",),
    )
