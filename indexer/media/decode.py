"""Decode one video once: frames worth looking at, what may be read on them, cuts, and sound."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reelshelf.indexer.media.audio import SoundTrack, is_silent
from reelshelf.indexer.media.backends import open_video
from reelshelf.indexer.media.container import Source
from reelshelf.indexer.media.decoder import Look, OpenVideo
from reelshelf.indexer.media.sampling import FrameSampler
from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.media import (
    Chunk,
    DecodeCounts,
    DecodedVideo,
    Pixels,
    Samples,
    TextLine,
    TimedFrame,
)

# Sound goes on a little after the last picture in many files; beyond this the picture holds.
_HOLDS_AFTER_MS = 1000


def decode_video(
    source: Source,
    config: MediaConfig,
    *,
    pictures: bool = True,
    sound: bool = True,
    detector: TextDetector | None = None,
    language: str | None = None,
    chunk: Chunk | None = None,
) -> DecodedVideo:
    """Decode a file, or the pieces of a chunk. Raises MediaError with a kind and a reason.

    Without `pictures` there are no frames, shots and end; without `sound` no sound, and nothing of
    either is decoded. `detector` finds lines of text on frames in their own resolution. `language`
    is that of the sound which is wanted, where there are several tracks. Of a `chunk` all times are
    those of the whole video, but for the samples of its sound, which begin with it.
    """
    with open_video(source, config, sound=sound, language=language, chunk=chunk) as video:
        # Here and not while planning: where the bytes are read, and by many workers at once.
        content_sha256 = chunk.sha256 if chunk is not None else _sha256(source)
        if not pictures:
            heard = _heard(video, None, config, chunk)
            nothing = DecodeCounts(0, 0, 0, video.corrupt_packets, video.clock_jumps)
            return DecodedVideo(content_sha256, video.info, (), (), heard, 0, nothing)
        return _whole(video, content_sha256, config, detector, chunk, sound=sound)


def _sha256(source: Source) -> str:
    assert isinstance(source, Path)
    return file_sha256(source)


def _whole(
    video: OpenVideo,
    content_sha256: str,
    config: MediaConfig,
    detector: TextDetector | None,
    chunk: Chunk | None,
    *,
    sound: bool,
) -> DecodedVideo:
    found = _Searched(detector)

    def taken(look: Look) -> TimedFrame:
        if detector is not None:
            found.add(look.picture(None))
        return TimedFrame(look.time_ms, look.picture(config.frame_side))

    length_ms = video.info.duration_ms if chunk is None else None
    sampler = FrameSampler(config, taken, length_ms, chunk.start_ms if chunk is not None else 0)
    track = _track(config, chunk)
    for item in video.stream():
        if isinstance(item, Look):
            if item.time_ms > config.max_duration_s * 1000:
                raise MediaError(
                    FailureKind.TOO_LONG,
                    f"shows frames after {config.max_duration_s} s (media.max_duration_s)",
                )
            sampler.add(item)
        else:
            track.add(item)
    heard = _heard(video, track.finish(), config, chunk) if sound else None
    end_ms = video.end_ms
    if chunk is not None and chunk.end_pts is not None:
        end_ms = chunk.end_ms
    elif video.sound_end_ms > end_ms + _HOLDS_AFTER_MS:
        end_ms = min(video.sound_end_ms, config.max_duration_s * 1000)
    frames, shots = sampler.finish(end_ms)
    frames = found.with_lines(frames)
    if not frames:
        damaged = video.corrupt_packets > 0
        raise MediaError(
            FailureKind.CORRUPT if damaged else FailureKind.NO_FRAMES,
            f"no frame could be decoded ({video.corrupt_packets} damaged packets)",
        )
    return DecodedVideo(
        content_sha256=content_sha256,
        info=video.info,
        frames=frames,
        shots=shots,
        audio=heard,
        end_ms=end_ms,
        cues=tuple(video.cues),
        counts=DecodeCounts(
            frames_decoded=video.frames_decoded,
            frames_sampled=len(frames),
            near_duplicates=sampler.near_duplicates,
            corrupt_packets=video.corrupt_packets,
            clock_jumps=video.clock_jumps,
        ),
    )


class _Searched:
    """Lines of text on frames, searched for a few frames at a time in their own resolution."""

    def __init__(self, detector: TextDetector | None) -> None:
        self._detector = detector
        self._waiting: list[Pixels] = []
        self._lines: list[tuple[TextLine, ...]] = []

    def add(self, picture: Pixels) -> None:
        """Search a frame, now or together with the next."""
        assert self._detector is not None
        self._waiting.append(picture)
        if len(self._waiting) >= self._detector.frame_batch:
            self._search(self._detector)

    def with_lines(self, frames: Sequence[TimedFrame]) -> tuple[TimedFrame, ...]:
        """The frames with what stands on each; as they are where nothing was looked for."""
        if self._detector is None:
            return tuple(frames)
        self._search(self._detector)
        pairs = zip(frames, self._lines, strict=True)
        return tuple(replace(frame, lines=lines) for frame, lines in pairs)

    def _search(self, detector: TextDetector) -> None:
        if self._waiting:
            self._lines += detector.detect_all(self._waiting)
            self._waiting = []


def _track(config: MediaConfig, chunk: Chunk | None) -> SoundTrack:
    longest_ms = config.max_duration_s * 1000
    return SoundTrack(longest_ms, chunk.start_ms if chunk is not None else 0)


def _heard(
    video: OpenVideo, first: Samples | None, config: MediaConfig, chunk: Chunk | None
) -> Samples | None:
    """The first track that sounds, where `first` is what was decoded of the first, if it was."""
    tracks = range(1 if first is not None else 0, video.track_count)
    if first is not None and not is_silent(first):
        return first
    heard = first
    for number in tracks:
        track = _track(config, chunk)
        for part in video.sound(number):
            track.add(part)
        found = track.finish()
        if not is_silent(found):
            return found
        heard = heard if heard is not None else found
    return heard
