"""From decoded videos to segments: the models' part of the work, batched across videos.

A segment is a moment of one shot, at most `media.segment_ms` long, with everything that was shown,
written and said during it. Pictures and texts of all videos of a batch go through their encoder
together, so a model that likes large batches gets them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeVar

import numpy as np

from reelshelf.indexer.extract import ocr as reading
from reelshelf.indexer.extract import transcript
from reelshelf.indexer.extract.metering import Meter
from reelshelf.indexer.extract.post_text import cues_in, posted_with
from reelshelf.indexer.extract.readable import (
    is_missing_text,
    missing_text,
    unreadable_script,
    without_guesses,
)
from reelshelf.indexer.media.decoder import TICK_MS
from reelshelf.indexer.text.analyzer import AnalyzerKind, analyzer_of, terms_of
from reelshelf.indexer.text.languages import language_of, primary
from reelshelf.models.protocols import (
    ModelSet,
    Sound,
    SpeechRecognizer,
    TextReader,
    Transcript,
)
from reelshelf.schemas.config import AsrConfig, Config
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.keys import segment_key
from reelshelf.schemas.media import Chunk, DecodedVideo, Shot, TimedFrame, Vectors
from reelshelf.schemas.outcomes import VideoJob
from reelshelf.schemas.run import VIDEO_STAGES, Stage
from reelshelf.schemas.segments import (
    ModelCalls,
    PostText,
    ScreenText,
    Segment,
    SegmentedVideo,
    Utterance,
    moment_text,
)
from reelshelf.schemas.stages import stage_fingerprints

_LOG = logging.getLogger(__name__)

Spanned = TypeVar("Spanned", ScreenText, Utterance, PostText)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class _Moment:
    """A stretch of a shot with the frames that fell into it."""

    start_ms: int
    end_ms: int
    shot_index: int
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A video between the models: read and heard, with its texts not yet encoded.

    `stages` are those that are done now; of the others the output is in `job.stored`.
    """

    job: VideoJob
    decoded: DecodedVideo
    stages: frozenset[str]
    moments: tuple[_Moment, ...]
    same_moments: bool
    lines: tuple[ScreenText, ...]
    sentences: tuple[Utterance, ...]
    posted: tuple[PostText, ...]
    language: str | None
    texts: tuple[str, ...]
    asked: ModelCalls
    unread: str | None = None


@dataclass(frozen=True, slots=True)
class _Encoded:
    """New vectors of one video: of its frames, of each moment's text, of each sentence."""

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
    """Run the models over a batch of decoded videos, each for the stages of its job, in order.

    What other stages gave is taken from what the job holds. Where the frames fall into other
    moments than they did, everything that belongs to moments is made anew.
    """
    _check_bytes(batch)
    with meter.stage(Stage.ASR):
        heard = _hear(batch, models.asr, config.asr)
    drafts = [
        _draft(job, video, said, models, config, meter)
        for (job, video), said in zip(batch, heard, strict=True)
    ]
    pictures = [
        [frame.pixels for frame in d.decoded.frames] if Stage.VISUAL in d.stages else []
        for d in drafts
    ]
    with_text = [Stage.TEXT in draft.stages for draft in drafts]
    texts = [
        [text for text in d.texts if text] if due else []
        for d, due in zip(drafts, with_text, strict=True)
    ]
    sentences = [
        [sentence.text for sentence in d.sentences] if due else []
        for d, due in zip(drafts, with_text, strict=True)
    ]
    segmentation = stage_fingerprints(config, models.refs)[Stage.DECODE].value
    with meter.stage(Stage.VISUAL):
        frame_vectors = _encoded(models.image.encode_images, pictures, models.image.ref.dim)
    with meter.stage(Stage.TEXT):
        text_vectors = _encoded(models.text.encode_texts, texts, models.text.ref.dim)
        sentence_vectors = _encoded(models.text.encode_texts, sentences, models.text.ref.dim)
    parts = zip(drafts, frame_vectors, text_vectors, sentence_vectors, strict=True)
    kind = config.text.analyzer
    return [_finish(draft, _Encoded(*vectors), segmentation, kind) for draft, *vectors in parts]


def _encoded(
    encode: Callable[[Sequence[Item]], Vectors], groups: Sequence[Sequence[Item]], dim: int
) -> list[Vectors]:
    """Encode the items of all groups in one call; the vectors of each group."""
    items = [item for group in groups for item in group]
    vectors = encode(items) if items else np.zeros((0, dim), np.float32)
    return np.split(vectors, np.cumsum([len(group) for group in groups])[:-1])


def _check_bytes(batch: Sequence[tuple[VideoJob, DecodedVideo]]) -> None:
    for job, video in batch:
        if job.stored is not None and job.stored.content_sha256 != video.content_sha256:
            message = "holds other bytes than it did when it was planned"
            raise MediaError(FailureKind.CHANGING, message)


def _hear(
    batch: Sequence[tuple[VideoJob, DecodedVideo]],
    recognizer: SpeechRecognizer,
    config: AsrConfig,
) -> list[Transcript]:
    """What is said in each video, all of them heard together; nothing where that is not asked."""
    skip = config.when_subtitled == "skip"
    sounds = {
        number: Sound(video.audio, job.source.language, job.hotwords)
        for number, (job, video) in enumerate(batch)
        if Stage.ASR in job.stages
        and video.audio is not None
        and not (skip and any(not cue.is_chapter for cue in video.cues))
    }
    found = recognizer.transcribe(list(sounds.values())) if sounds else []
    by_number = {
        number: _in_the_video(transcript, batch[number][0].chunk)
        for number, transcript in zip(sounds, found, strict=True)
    }
    return [by_number.get(number, Transcript((), None)) for number in range(len(batch))]


def _in_the_video(transcript: Transcript, chunk: Chunk | None) -> Transcript:
    """Words at their times in the whole video; the sound of a chunk begins with it."""
    if chunk is None:
        return transcript
    start = chunk.start_ms
    moved = tuple(
        replace(said, start_ms=start + said.start_ms, end_ms=start + said.end_ms)
        for said in transcript.utterances
    )
    return replace(transcript, utterances=moved)


def _draft(
    job: VideoJob,
    video: DecodedVideo,
    heard: Transcript,
    models: ModelSet,
    config: Config,
    meter: Meter,
) -> _Draft:
    stored = job.stored
    if not video.frames:
        assert stored is not None
        moments, stages, same = _stored_moments(stored), job.stages, True
    else:
        moments = cut_moments(video.shots, video.frames, config.media.segment_ms)
        if job.chunk is not None:
            first = job.chunk.number * _SHOTS_OF_A_CHUNK
            moments = tuple(replace(m, shot_index=first + m.shot_index) for m in moments)
        same = stored is not None and _same(moments, stored)
        stages = job.stages if same else job.stages | _OF_MOMENTS
    began_ms = job.chunk.start_ms if job.chunk is not None else 0
    asked = ModelCalls(video_ms_decoded=video.end_ms - began_ms if video.frames else 0)
    lines, sentences, language = _stored_words(stored)
    unread: str | None = None
    if Stage.OCR in stages:
        with meter.stage(Stage.OCR):
            cuts = [shot.start_ms for shot in video.shots]
            read = reading.read_frames(
                video.frames, models.ocr, config.ocr, end_ms=video.end_ms, cuts=cuts
            )
        lines = read.lines
        unread = _unread(job, video, heard.language or language, models.ocr, lines)
        if unread is not None:
            _LOG.warning("%s cannot be read by %s", missing_text(unread), models.ocr.ref.name)
            lines = without_guesses(lines)
        asked += ModelCalls(
            frames_detected=read.frames_detected, lines_recognized=read.lines_recognized
        )
    if Stage.ASR in stages:
        length = 0 if video.audio is None else len(video.audio) // 16
        asked += ModelCalls(audio_ms_decoded=length, audio_ms_heard=length)
        sentences, language = transcript.sentences_of(heard.utterances), heard.language
    # What is said in no moment, after the last picture, is nobody's.
    sentences = tuple(dict.fromkeys(s for m in moments for s in _overlapping(sentences, m)))
    end_ms = moments[-1].end_ms if moments else video.end_ms
    cues = video.cues
    if stored is not None and not video.frames:
        cues = (*cues_in(stored), *cues)
    posted = posted_with(job.source, cues, job.chunk, end_ms)
    texts = tuple(_text(moment, lines, sentences, posted) for moment in moments)
    if Stage.VISUAL in stages:
        asked += ModelCalls(frames_encoded=len(video.frames))
    if Stage.TEXT in stages:
        asked += ModelCalls(texts_encoded=sum(map(bool, texts)) + len(sentences))
    return _Draft(
        job, video, stages, moments, same, lines, sentences, posted, language, texts, asked, unread
    )


def _unread(
    job: VideoJob,
    video: DecodedVideo,
    heard: str | None,
    reader: TextReader,
    lines: Sequence[ScreenText],
) -> str | None:
    """The script of a video's language where something is written and the reader cannot read it."""
    if not lines:
        return None
    said = " ".join(cue.text for cue in video.cues)
    told = language_of(f"{job.source.own_text} {said}")
    language = primary(job.source.language) or told or heard
    return unreadable_script(language, reader.characters)


# Shots of a chunk are numbered from here on, so that those of the next come after, however many
# there are.
_SHOTS_OF_A_CHUNK = 100_000
# Their output is by moment.
_OF_MOMENTS = frozenset([Stage.VISUAL, Stage.TEXT])


def _stored_moments(stored: SegmentedVideo) -> tuple[_Moment, ...]:
    return tuple(_Moment(s.start_ms, s.end_ms, s.shot_index, ()) for s in stored.segments)


def _same(moments: Sequence[_Moment], stored: SegmentedVideo) -> bool:
    found = [(m.start_ms, m.end_ms, len(m.frames)) for m in moments]
    return found == [(s.start_ms, s.end_ms, s.frame_count) for s in stored.segments]


def _stored_words(
    stored: SegmentedVideo | None,
) -> tuple[tuple[ScreenText, ...], tuple[Utterance, ...], str | None]:
    """Lines and sentences of a whole video, from those of its moments, each once."""
    if stored is None:
        return (), (), None
    lines = dict.fromkeys(line for segment in stored.segments for line in segment.screen_text)
    said = dict.fromkeys(sentence for s in stored.segments for sentence in s.utterances)
    return tuple(sorted(lines, key=reading.line_order)), tuple(said), stored.language


def cut_moments(
    shots: Sequence[Shot], frames: Sequence[TimedFrame], segment_ms: int
) -> tuple[_Moment, ...]:
    """Cut shots into even stretches of at most `segment_ms`, each with at least one frame.

    A shot that is longer by no more than the time between two looks is one: its length is not
    known any better, and halves of it would have too few frames.

    A stretch whose frames were all dropped as near-duplicates joins the one before it, and one
    before the first frame joins the one after, so no time of the video is lost.
    """
    moments: list[_Moment] = []
    start_ms = shots[0].start_ms if shots else 0
    for index, shot in enumerate(shots):
        pieces = max(1, -(-(shot.end_ms - shot.start_ms - TICK_MS) // segment_ms))
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


def _text(
    moment: _Moment,
    lines: Sequence[ScreenText],
    spoken: Sequence[Utterance],
    posted: Sequence[PostText],
) -> str:
    return moment_text(
        [line.text for line in _overlapping(lines, moment)],
        [sentence.text for sentence in _overlapping(spoken, moment)],
        [item.text for item in _overlapping(posted, moment)],
    )


def _finish(
    draft: _Draft, vectors: _Encoded, segmentation: str, analyzer: AnalyzerKind
) -> SegmentedVideo:
    vectors.check()
    video, stored, stages = draft.decoded, draft.job.stored, draft.stages
    text_vectors = _text_vectors(draft, vectors)
    spoken = _sentence_vectors(draft, vectors)
    words = _words(draft, analyzer)
    segments = []
    for place, (moment, text) in enumerate(zip(draft.moments, draft.texts, strict=True)):
        sentences = _overlapping(draft.sentences, moment)
        said = np.array([spoken[s] for s in sentences], np.float32)
        old = stored.segments[place] if stored and draft.same_moments else None
        if Stage.VISUAL in stages:
            shown = _shown(moment, video.frames, vectors.frames)
        else:
            assert old is not None
            shown = _Shown(old.keyframe_ms, old.frame_count, old.frame_vector)
        # The same moment keeps its key, whichever version made it.
        key = old.segment_key if old is not None else segment_key(
            draft.job.key, video.content_sha256, moment.start_ms, moment.end_ms, segmentation
        )  # fmt: skip
        segments.append(
            Segment(
                segment_key=key,
                start_ms=moment.start_ms,
                end_ms=moment.end_ms,
                shot_index=moment.shot_index,
                keyframe_ms=shown.keyframe_ms,
                frame_count=shown.frame_count,
                frame_vector=shown.vector,
                screen_text=_overlapping(draft.lines, moment),
                utterances=sentences,
                utterance_vectors=said.reshape(len(sentences), vectors.sentences.shape[1]),
                text=text,
                text_vector=text_vectors[place],
                post_text=_overlapping(draft.posted, moment),
                terms=words[place].terms,
                language=words[place].language,
            )
        )
    before = stored.calls.of(VIDEO_STAGES - stages) if stored else ModelCalls()
    silent = ("audio",) if video.audio is None else ()
    noted = stored.absent if stored else ()
    unread = tuple(note for note in noted if is_missing_text(note))
    if Stage.OCR in stages:
        unread = (missing_text(draft.unread),) if draft.unread is not None else ()
    others = tuple(note for note in noted if not is_missing_text(note))
    missing = (others if stored and Stage.ASR not in stages else silent) + video.missing + unread
    return SegmentedVideo(
        content_sha256=video.content_sha256,
        info=stored.info if stored and not video.frames else video.info,
        end_ms=stored.end_ms if stored and not video.frames else video.end_ms,
        counts=stored.counts if stored and not video.frames else video.counts,
        segments=tuple(segments),
        language=draft.language,
        calls=draft.asked.of(stages).over(before),
        asked=draft.asked,
        absent=tuple(dict.fromkeys(missing)),
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a moment as full text has them, and their language where it is known."""

    terms: str | None
    language: str | None


def _words(draft: _Draft, kind: AnalyzerKind) -> list[_Words]:
    """The words of each moment, in the language given for its video, or found in what it says."""
    if Stage.TEXT not in draft.stages:
        assert draft.job.stored is not None
        return [_Words(segment.terms, segment.language) for segment in draft.job.stored.segments]
    if kind == "simple":
        return [_Words(None, draft.language)] * len(draft.texts)
    given = primary(draft.job.source.language)
    whole = given or language_of("\n".join(dict.fromkeys(draft.texts))) or draft.language
    found = []
    for text in draft.texts:
        language = given or language_of(text) or whole
        terms = terms_of(text, analyzer_of(kind, (language,) if language else ()))
        found.append(_Words(terms, language))
    return found


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is seen in a moment: the vector of its frames, and the one that stands for them."""

    keyframe_ms: int
    frame_count: int
    vector: Vectors


def _shown(moment: _Moment, frames: Sequence[TimedFrame], vectors: Vectors) -> _Shown:
    rows = vectors[list(moment.frames)]
    mean = rows.mean(axis=0)
    mean = mean / max(float(np.linalg.norm(mean)), 1e-12)
    # The frame nearest to the mean stands for the moment.
    key_frame = moment.frames[int(np.argmax(rows @ mean))]
    return _Shown(frames[key_frame].time_ms, len(rows), mean.astype(np.float32))


def _text_vectors(draft: _Draft, vectors: _Encoded) -> list[Vectors | None]:
    """The vector of each moment's text, None where there is none."""
    if Stage.TEXT in draft.stages:
        remaining = iter(vectors.texts)
        return [next(remaining) if text else None for text in draft.texts]
    assert draft.job.stored is not None
    return [segment.text_vector for segment in draft.job.stored.segments]


def _sentence_vectors(draft: _Draft, vectors: _Encoded) -> dict[Utterance, Vectors]:
    if Stage.TEXT in draft.stages:
        return dict(zip(draft.sentences, vectors.sentences, strict=True))
    assert draft.job.stored is not None
    return {
        sentence: vector
        for segment in draft.job.stored.segments
        for sentence, vector in zip(segment.utterances, segment.utterance_vectors, strict=True)
    }
