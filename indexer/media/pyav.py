"""Decoding with PyAV: video and sound from one pass over the file's packets.

What a player does and PyAV leaves to us: rotation metadata, non-square pixels, choosing among
several streams, and going on after a damaged packet. Time is the frame's presentation time, counted
from the start of the container.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reelshelf.indexer.media.decoder import TICK_MS, StreamItem, check_size, scaled_size
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import SAMPLE_RATE, AudioChunk, Pixels, TimedFrame, VideoInfo

# Playlists and scripts (hls, concat) make the decoder open other files and hosts; image and pipe
# formats are pictures. Only containers of video are let in.
CONTAINERS = frozenset(
    [
        "mov",
        "mp4",
        "m4a",
        "3gp",
        "3g2",
        "mj2",
        "matroska",
        "webm",
        "avi",
        "mpegts",
        "mpeg",
        "flv",
        "asf",
        "ogg",
        "gif",
        "m4v",
        "h264",
        "hevc",
        "ivf",
        "mxf",
    ]
)

# Frames of sound that are held while looking for the first picture: some minutes' worth.
_MOST_BEFORE_PICTURE = 20_000
# Frames that are decoded on the way from a key frame to a time: half a minute at 30 a second.
_MOST_SOUGHT = 900
# Streams without an index: FFmpeg seeks in them by guessing, and lands beyond the place.
_UNSEEKABLE = frozenset(["mpegts", "mpeg"])
# Frames that are decoded from the start of those: two minutes at 30 a second.
_MOST_READ = 3600


class PyavVideo:
    """One open container. Use `PyavVideo.open` as a context manager."""

    def __init__(
        self, container: InputContainer, config: MediaConfig, *, sound: bool = True
    ) -> None:
        self._container = container
        self._config = config
        self._video = _video_stream(container)
        self._audio = _audio_stream(container)
        self._streams = [self._video] + ([self._audio] if self._audio and sound else [])
        self._origin = _origin(container)
        self.corrupt_packets = 0
        self.frames_decoded = 0
        self.end_ms = 0
        # One frame thread: many files want many processes of one thread, at the same CPU.
        self._video.codec_context.thread_count = 1
        check_size(self._video.codec_context.width, self._video.codec_context.height, config)
        self._frames = self._decode_all()
        self._pending = self._until_first_picture()
        self.info = self._describe()

    @classmethod
    @contextmanager
    def open(cls, path: Path, config: MediaConfig, *, sound: bool = True) -> Iterator["PyavVideo"]:
        """Open a file, or raise MediaError with the reason it is no video."""
        try:
            # The "file:" prefix keeps names like "-rf.mp4" or "%03d.mp4" from meaning anything.
            container = av.open(
                f"file:{path}", metadata_errors="replace", options={"protocol_whitelist": "file"}
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise MediaError(FailureKind.NOT_A_VIDEO, f"cannot be opened: {reason}") from error
        with container:
            yield cls(container, config, sound=sound)

    def _describe(self) -> VideoInfo:
        context = self._video.codec_context
        width = _display_width(context.width, self._video.sample_aspect_ratio)
        height = context.height
        last = self._pending[-1] if self._pending else None
        # Only a decoded frame carries the rotation matrix.
        rotation = round(last.rotation / 90) * 90 % 360 if isinstance(last, VideoFrame) else 0
        if rotation % 180:
            width, height = height, width
        duration = self._container.duration
        return VideoInfo(
            width=width,
            height=height,
            rotation=rotation,
            codec=context.codec.canonical_name,
            container=self._container.format.name,
            duration_ms=duration // 1000 if duration and duration > 0 else None,
            has_audio=self._audio is not None,
        )

    def stream(self) -> Iterator[StreamItem]:
        """Frames at least TICK_MS apart, upright and scaled, and sound, as the packets come."""
        sound = _Sound(self._origin)
        next_tick = 0
        for frame in chain(self._pending, self._frames):
            if isinstance(frame, AudioFrame):
                yield from sound.chunks(frame)
                continue
            if frame.pts is None or frame.time_base is None:
                continue
            self.frames_decoded += 1
            time_ms = _milliseconds(frame.pts * frame.time_base - self._origin)
            length = _milliseconds((frame.duration or 0) * frame.time_base)
            self.end_ms = max(self.end_ms, time_ms + max(length, 1))
            # Timestamps of a damaged file may run backwards; looks at it must not.
            if time_ms >= next_tick:
                next_tick = time_ms + TICK_MS
                yield TimedFrame(time_ms, self._pixels(frame))

    def sound(self) -> Iterator[AudioChunk]:
        """Only the sound, without decoding the pictures."""
        if self._audio is None:
            return
        sound = _Sound(self._origin)
        self._container.seek(0)
        for packet in self._packets([self._audio]):
            for frame in self._decode(packet):
                if isinstance(frame, AudioFrame):
                    yield from sound.chunks(frame)

    def picture_at(self, time_ms: int) -> Pixels | None:
        """The picture shown at a time; the nearest one that was reached after many frames.

        Sought from the key frame before it, or decoded from the start where a format cannot be
        sought in. None without any picture. What is left of `stream` is lost. Raises MediaError
        where the file cannot be sought in though its format can.
        """
        start = Fraction(time_ms, 1000) + self._origin
        frames: Iterator[VideoFrame | AudioFrame] = chain(self._pending, self._frames)
        most = _MOST_READ
        if self._container.format.name not in _UNSEEKABLE:
            try:
                self._container.seek(max(0, int(start * av.time_base)), backward=True)
            except av.FFmpegError as error:
                raise MediaError(
                    FailureKind.CORRUPT, f"cannot be sought in: {error.strerror}"
                ) from error
            packets = self._packets([self._video])
            frames = (frame for packet in packets for frame in self._decode(packet))
            most = _MOST_SOUGHT
        shown: VideoFrame | None = None
        looked_at = 0
        for frame in frames:
            if not isinstance(frame, VideoFrame) or frame.pts is None or frame.time_base is None:
                continue
            looked_at += 1
            if shown is not None and (frame.pts * frame.time_base > start or looked_at > most):
                break
            shown = frame
        return self._pixels(shown) if shown is not None else None

    def _decode_all(self) -> Iterator[VideoFrame | AudioFrame]:
        for packet in self._packets(self._streams):
            yield from self._decode(packet)

    def _until_first_picture(self) -> list[VideoFrame | AudioFrame]:
        pending: list[VideoFrame | AudioFrame] = []
        for frame in self._frames:
            pending.append(frame)
            if isinstance(frame, VideoFrame) or len(pending) >= _MOST_BEFORE_PICTURE:
                break
        return pending

    def _packets(self, streams: Sequence[Stream]) -> Iterator["Packet[Stream]"]:
        packets = self._container.demux(streams)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                # The demuxer itself lost its way: keep what has been decoded so far.
                self.corrupt_packets += 1
                return

    def _decode(self, packet: "Packet[Stream]") -> list[VideoFrame | AudioFrame]:
        try:
            frames = packet.decode()
        except MemoryError:
            raise  # of this process, not of the file
        except av.FFmpegError:
            self.corrupt_packets += 1
            return []
        media = [frame for frame in frames if isinstance(frame, VideoFrame | AudioFrame)]
        whole = [frame for frame in media if not frame.is_corrupt]
        self.corrupt_packets += len(media) - len(whole)
        return whole

    def _pixels(self, frame: VideoFrame) -> Pixels:
        # A stream may change its size on the way: each frame is measured anew.
        check_size(frame.width, frame.height, self._config)
        shown = _display_width(frame.width, self._video.sample_aspect_ratio)
        width, height = scaled_size(shown, frame.height, self._config.frame_side)
        pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        turned = np.rot90(pixels, self.info.rotation // 90)
        return np.ascontiguousarray(turned, dtype=np.uint8)


def _video_stream(container: InputContainer) -> VideoStream:
    names = set(container.format.name.split(","))
    if not names & CONTAINERS:
        kind = (
            FailureKind.STILL_IMAGE
            if any("image" in name or name.endswith("_pipe") for name in names)
            else FailureKind.NOT_A_VIDEO
        )
        raise MediaError(kind, f"is {container.format.long_name}, not a video container")
    moving = [
        stream
        for stream in container.streams.video
        if "attached_pic" not in str(stream.disposition).lower()
    ]
    best = container.streams.best("video")
    if not moving or best is None:
        raise MediaError(FailureKind.NOT_A_VIDEO, "has no video stream")
    chosen = best if best in moving else moving[0]
    if chosen.codec_context is None:
        raise MediaError(FailureKind.UNSUPPORTED, "its video codec is unknown to the decoder")
    return chosen


def _audio_stream(container: InputContainer) -> AudioStream | None:
    best = container.streams.best("audio")
    return best if isinstance(best, AudioStream) and best.codec_context else None


def _origin(container: InputContainer) -> Fraction:
    """Presentation time, in seconds, of what this project calls 0.

    MP4 and Matroska have a timeline of their own that starts at 0. Transport and program streams
    are cut out of a running clock, so their start is whatever that clock showed.
    """
    cut_from_a_clock = container.format.name in ("mpegts", "mpeg")
    if not cut_from_a_clock or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)


def _display_width(width: int, aspect: Fraction | None) -> int:
    """Width on a screen of square pixels."""
    if not aspect or not Fraction(1, 4) <= aspect <= 4:
        return width
    return max(2, round(width * aspect))


class _Sound:
    """Frames of sound to 16 kHz mono, at their presentation times."""

    def __init__(self, origin: Fraction) -> None:
        self._origin = origin
        self._resampler = _new_resampler()

    def chunks(self, frame: AudioFrame) -> Iterator[AudioChunk]:
        """The frame as samples; none where it is beyond use."""
        try:
            parts = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            # The format changed in mid stream; a resampler serves one format only.
            self._resampler = _new_resampler()
            try:
                parts = self._resampler.resample(frame)
            except (av.FFmpegError, ValueError):
                return
        for part in parts:
            if part.pts is not None and part.time_base is not None:
                start = _milliseconds(part.pts * part.time_base - self._origin)
                yield AudioChunk(start, np.asarray(part.to_ndarray().reshape(-1), np.int16))


def _new_resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)


def _milliseconds(seconds: Fraction) -> int:
    return round(seconds * 1000)
