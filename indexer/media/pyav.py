"""Decoding with PyAV: video and sound from one pass over the file's packets.

What a player does and PyAV leaves to us: the display matrix, non-square pixels, interlacing, a
clock that starts anew, choosing among several streams, and going on after a damaged packet. Time
is the frame's presentation time, counted from the start of the container.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from itertools import chain

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.subtitles.subtitle import AssSubtitle
from av.video.frame import VideoFrame

from reelshelf.indexer.media.clock import Clock
from reelshelf.indexer.media.container import CLOCKED, Source, opened, packets_of, seek_to
from reelshelf.indexer.media.decoder import (
    LOOK_SIDE,
    TICK_MS,
    Look,
    StreamItem,
    check_length,
    check_size,
)
from reelshelf.indexer.media.picture import Orientation, Renderer, display_width
from reelshelf.indexer.media.tracks import audio_streams, subtitle_stream, video_stream
from reelshelf.indexer.sources.subtitles import plain_line
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import SAMPLE_RATE, AudioChunk, Chunk, Cue, Pixels, VideoInfo

# Frames of sound that are held while looking for the first picture: some minutes' worth.
_MOST_BEFORE_PICTURE = 20_000
# Frames that are decoded on the way from a key frame to a time: half a minute at 30 a second.
_MOST_SOUGHT = 900
# Frames that are decoded from the start of those: two minutes at 30 a second.
_MOST_READ = 3600

Decoded = VideoFrame | AudioFrame


class PyavVideo:
    """One open container. Use `PyavVideo.open` as a context manager."""

    def __init__(
        self,
        container: InputContainer,
        config: MediaConfig,
        *,
        sound: bool = True,
        language: str | None = None,
        chunk: Chunk | None = None,
        pieces: bool = False,
    ) -> None:
        self._container = container
        self._config = config
        self._chunk = chunk
        self._video = video_stream(container)
        self._tracks = audio_streams(container, language)
        self._with_sound = sound
        self._subtitles = subtitle_stream(container, language)
        self.cues = _chapters(container)
        self._clocked = container.format.name in CLOCKED
        self._origin = origin_of(container)
        # Pieces are all there is of a chunk, and begin where they like.
        self._is_all = chunk is None or pieces
        if chunk is not None and pieces:
            begins = Fraction(container.start_time or 0, av.time_base)
            self._origin = begins - Fraction(chunk.start_ms, 1000)
        elif chunk is not None and self._video.time_base is not None:
            self._origin = chunk.start_pts * self._video.time_base - Fraction(chunk.start_ms, 1000)
        # Segments of a playlist may each have a clock of their own.
        self._clock = Clock(self._clocked or pieces)
        self._renderer = Renderer(self._video.sample_aspect_ratio, config)
        self.corrupt_packets = 0
        self.frames_decoded = 0
        self.end_ms = chunk.start_ms if chunk is not None else 0
        self.sound_end_ms = 0
        context = self._video.codec_context
        # One frame thread: many files want many processes of one thread, at the same CPU.
        context.thread_count = 1
        check_size(context.width, context.height, config)
        if chunk is None:
            check_length(length_ms(container), config)
        self._frames = self._decode_all()
        self._pending = self._until_first_picture()
        first = self._pending[-1] if self._pending else None
        # Only a decoded frame carries the display matrix.
        self._orientation = (
            Orientation.of(first) if isinstance(first, VideoFrame) else Orientation()
        )
        self.info = self._describe()

    @classmethod
    @contextmanager
    def open(
        cls,
        source: Source,
        config: MediaConfig,
        *,
        sound: bool = True,
        language: str | None = None,
        chunk: Chunk | None = None,
    ) -> Iterator["PyavVideo"]:
        """Open a file, or raise MediaError with the reason it is no video.

        `language` is that of the sound which is wanted, where there are several. Of a `chunk` all
        times are those of the whole video.
        """
        with opened(source, chunk) as container:
            yield cls(
                container,
                config,
                sound=sound,
                language=language,
                chunk=chunk,
                pieces=isinstance(source, tuple),
            )

    @property
    def clock_jumps(self) -> int:
        """How often the file's clock went back, or jumped where clocks run on."""
        return self._clock.jumps

    @property
    def track_count(self) -> int:
        """How many tracks of sound there are."""
        return len(self._tracks)

    def _describe(self) -> VideoInfo:
        context = self._video.codec_context
        width = display_width(context.width, self._video.sample_aspect_ratio)
        height = context.height
        if self._orientation.swapped:
            width, height = height, width
        return VideoInfo(
            width=width,
            height=height,
            rotation=self._orientation.rotation,
            codec=context.codec.canonical_name,
            container=self._container.format.name,
            duration_ms=length_ms(self._container),
            has_audio=bool(self._tracks),
        )

    def stream(self) -> Iterator[StreamItem]:
        """Looks at least TICK_MS apart, and sound, as the packets come."""
        sound = _Sound()
        next_tick = 0
        for frame in _deinterlaced(chain(self._pending, self._frames)):
            if isinstance(frame, AudioFrame):
                yield from sound.chunks(frame, self._sound_ms(frame))
                continue
            if self._comes_before(frame):
                continue
            self.frames_decoded += 1
            time_ms = self._picture_ms(frame)
            # Timestamps of a damaged file may run backwards; looks at it must not.
            if time_ms >= next_tick:
                next_tick = time_ms + TICK_MS
                picture = partial(self._render, frame)
                yield Look(time_ms, picture(LOOK_SIDE), picture)

    def sound(self, track: int = 0) -> Iterator[AudioChunk]:
        """Only the sound of a track, without decoding the pictures."""
        if track >= len(self._tracks):
            return
        stream = self._tracks[track]
        self._clock = Clock(self._clock.runs)
        sound = _Sound()
        # Pictures tell where a chunk begins and ends.
        wanted: list[Stream] = [stream] if self._is_all else [self._video, stream]
        self._container.seek(0)
        for packet in self._packets(wanted):
            for frame in self._decode(packet) if packet.stream is stream else ():
                if isinstance(frame, AudioFrame):
                    yield from sound.chunks(frame, self._sound_ms(frame))

    def picture_at(self, time_ms: int) -> Pixels | None:
        """The picture shown at a time; the nearest one that was reached after many frames.

        Sought from the key frame before it, or decoded from the start where a format cannot be
        sought in, for two minutes of it at most. None without any picture. What is left of `stream`
        is lost. Raises MediaError where the file cannot be sought in though its format can.
        """
        frames: Iterator[Decoded] = chain(self._pending, self._frames)
        most = _MOST_READ
        if not self._clocked:
            start = Fraction(time_ms, 1000) + self._origin
            try:
                self._container.seek(max(0, int(start * av.time_base)), backward=True)
            except av.FFmpegError as error:
                raise MediaError(
                    FailureKind.CORRUPT, f"cannot be sought in: {error.strerror}"
                ) from error
            packets = self._demuxed([self._video])
            frames = (frame for packet in packets for frame in self._decode(packet))
            self._clock = Clock(runs=False)
            self.end_ms = 0
            most = _MOST_SOUGHT
        shown: VideoFrame | None = None
        looked_at = 0
        for frame in _deinterlaced(frames):
            if not isinstance(frame, VideoFrame):
                continue
            looked_at += 1
            if shown is not None and self._picture_ms(frame) > time_ms:
                break
            if looked_at > most:
                # Where nothing can be sought this is far from there; else it is near.
                shown = None if self._clocked else shown
                break
            shown = frame
        return self._render(shown, self._config.frame_side) if shown is not None else None

    def _picture_ms(self, frame: VideoFrame) -> int:
        """When a frame is shown; one without a time of its own follows the one before."""
        length = (frame.duration or 0) * (frame.time_base or Fraction(0))
        length = length or 1 / (self._video.guessed_rate or Fraction(25))
        given = frame.pts if frame.pts is not None else frame.dts
        if given is None or frame.time_base is None:
            time = Fraction(self.end_ms, 1000)
        else:
            at = given * frame.time_base - self._origin
            time = self._clock.time_of(self._video.index, at, length)
        time_ms = milliseconds(time)
        shown_for = (frame.duration or 0) * (frame.time_base or Fraction(0))
        self.end_ms = max(self.end_ms, time_ms + max(milliseconds(shown_for), 1))
        return time_ms

    def _comes_before(self, frame: VideoFrame) -> bool:
        """Whether a frame belongs to the chunk before, and was decoded without what it builds on.

        It may follow the first picture of a chunk in the file, and precede it on the screen.
        """
        chunk = self._chunk
        if self._is_all or chunk is None or frame.pts is None or self.frames_decoded:
            return False
        return frame.pts < chunk.start_pts

    def _sound_ms(self, frame: AudioFrame) -> int | None:
        if frame.pts is None or frame.time_base is None:
            return None
        length = Fraction(frame.samples, frame.sample_rate or SAMPLE_RATE)
        at = frame.pts * frame.time_base - self._origin
        start = self._clock.time_of(self._tracks[0].index, at, length)
        self._sounds_until(start + length)
        return milliseconds(start)

    def _sounds_until(self, end: Fraction) -> None:
        self.sound_end_ms = max(self.sound_end_ms, milliseconds(end))

    def _decode_all(self) -> Iterator[Decoded]:
        streams: list[Stream] = [self._video, *self._tracks[:1]]
        streams += [self._subtitles] if self._subtitles is not None else []
        for packet in self._packets(streams):
            if packet.stream is self._subtitles:
                self._read_subtitle(packet)
            elif packet.stream is self._video or self._with_sound:
                yield from self._decode(packet)
            else:
                self._pass_sound(packet)

    def _read_subtitle(self, packet: "Packet[Stream]") -> None:
        if packet.pts is None or packet.time_base is None or not packet.size:
            return
        start = packet.pts * packet.time_base - self._origin
        end = start + (packet.duration or 0) * packet.time_base
        try:
            rects = packet.decode()
        except av.FFmpegError:
            self.corrupt_packets += 1
            return
        for rect in rects:
            text = _said(rect)
            if text and end > start:
                self.cues.append(Cue(text, milliseconds(start), milliseconds(end)))

    def _pass_sound(self, packet: "Packet[Stream]") -> None:
        """How long sound lasts that is not decoded: the picture may hold for it."""
        if packet.pts is not None and packet.time_base is not None:
            length = (packet.duration or 0) * packet.time_base
            at = packet.pts * packet.time_base - self._origin
            self._sounds_until(self._clock.time_of(packet.stream.index, at, length) + length)

    def _until_first_picture(self) -> list[Decoded]:
        pending: list[Decoded] = []
        for frame in self._frames:
            pending.append(frame)
            if isinstance(frame, VideoFrame) or len(pending) >= _MOST_BEFORE_PICTURE:
                break
        return pending

    def _packets(self, streams: Sequence[Stream]) -> Iterator["Packet[Stream]"]:
        """The packets of the file, or of the chunk, with one that flushes each decoder."""
        packets = self._demuxed(streams)
        if self._is_all or self._chunk is None:
            yield from packets
            return
        packets = packets_of(packets, self._chunk, self._video, clocked=self._clocked)
        yield from packets
        for stream in streams:
            flush: Packet[Stream] = Packet()
            flush.stream = stream
            yield flush

    def _demuxed(self, streams: Sequence[Stream]) -> Iterator["Packet[Stream]"]:
        if self._chunk is not None and not (self._is_all or self._clocked):
            seek_to(self._container, self._video, self._chunk)
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

    def _decode(self, packet: "Packet[Stream]") -> list[Decoded]:
        try:
            frames = packet.decode()
        except MemoryError:
            raise  # of this process, not of the file
        except av.EOFError:
            return []  # it has been flushed already
        except av.FFmpegError:
            self.corrupt_packets += 1
            return []
        media = [frame for frame in frames if isinstance(frame, VideoFrame | AudioFrame)]
        whole = [frame for frame in media if not frame.is_corrupt]
        self.corrupt_packets += len(media) - len(whole)
        return whole

    def _render(self, frame: VideoFrame, side: int | None) -> Pixels:
        return self._renderer.render(frame, side, self._orientation)


def length_ms(container: InputContainer) -> int | None:
    """How long a container says that it is."""
    duration = container.duration
    return duration // 1000 if duration and duration > 0 else None


def _chapters(container: InputContainer) -> list[Cue]:
    found = []
    for chapter in container.chapters():
        title = chapter["metadata"].get("title", "").strip()
        base = chapter["time_base"]
        if title and base is not None and chapter["end"] > chapter["start"]:
            start, end = (milliseconds(at * base) for at in (chapter["start"], chapter["end"]))
            found.append(Cue(plain_line(title), start, end, is_chapter=True))
    return found


def _said(rect: object) -> str:
    """The words of a decoded subtitle; none of one that is a picture."""
    if not isinstance(rect, AssSubtitle):
        return ""
    data = rect.dialogue or rect.text
    return plain_line(data.decode("utf-8", "replace").replace("\\N", " "))


def origin_of(container: InputContainer) -> Fraction:
    """Presentation time, in seconds, of what this project calls 0.

    MP4 and Matroska have a timeline of their own that starts at 0. Transport and program streams
    are cut out of a running clock, so their start is whatever that clock showed.
    """
    if container.format.name not in CLOCKED or container.start_time is None:
        return Fraction(0)
    return Fraction(container.start_time, av.time_base)


def _deinterlaced(frames: Iterator[Decoded]) -> Iterator[Decoded]:
    """The same frames, with whole pictures in place of interlaced ones (bwdif).

    From the first interlaced frame on; frames of the same size that are not pass unchanged.
    """
    filtering: _Deinterlacer | None = None
    for frame in frames:
        if isinstance(frame, AudioFrame) or (filtering is None and not frame.interlaced_frame):
            yield frame
            continue
        if filtering is None or not filtering.takes(frame):
            if filtering is not None:
                yield from filtering.rest()
            filtering = _Deinterlacer(frame)
        yield from filtering.filtered(frame)
    if filtering is not None:
        yield from filtering.rest()


class _Deinterlacer:
    """A filter graph for frames of one size and format."""

    def __init__(self, frame: VideoFrame) -> None:
        self._shape = frame.width, frame.height, frame.format.name
        self._graph = Graph()
        source = self._graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 1000),
        )
        bwdif = self._graph.add("bwdif", "mode=send_frame:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(bwdif)
        bwdif.link_to(sink)
        self._graph.configure()

    def takes(self, frame: VideoFrame) -> bool:
        return self._shape == (frame.width, frame.height, frame.format.name)

    def filtered(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        self._graph.push(frame)
        yield from self._ready()

    def rest(self) -> Iterator[VideoFrame]:
        self._graph.push(None)
        yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, VideoFrame)
            yield frame


class _Sound:
    """Frames of sound to 16 kHz samples of one or two channels, at their presentation times."""

    def __init__(self) -> None:
        self._resampler: AudioResampler | None = None
        self._channels = 0

    def chunks(self, frame: AudioFrame, start_ms: int | None) -> Iterator[AudioChunk]:
        """The frame as samples; none where it is beyond use, or belongs to no time."""
        if start_ms is None:
            return
        if self._resampler is None:
            # The channels of the first frame are those of the track.
            self._channels = 1 if frame.layout.nb_channels == 1 else 2
            self._resampler = self._new_resampler()
        given = frame.pts
        try:
            parts = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            # The format changed in mid stream; a resampler serves one format only.
            self._resampler = self._new_resampler()
            try:
                parts = self._resampler.resample(frame)
            except (av.FFmpegError, ValueError):
                return
        for part in parts:
            if part.pts is None or part.time_base is None or given is None:
                continue
            # What a resampler holds back comes with the next frame, and is that much earlier.
            late = part.pts * part.time_base - given * (frame.time_base or Fraction(0))
            samples = np.asarray(part.to_ndarray().reshape(-1, self._channels), np.int16)
            flat = samples[:, 0] if self._channels == 1 else samples
            yield AudioChunk(start_ms + milliseconds(late), flat)

    def _new_resampler(self) -> AudioResampler:
        layout = "mono" if self._channels == 1 else "stereo"
        return AudioResampler(format="s16", layout=layout, rate=SAMPLE_RATE)


def milliseconds(seconds: Fraction) -> int:
    """Seconds as whole milliseconds, the nearest ones."""
    return round(seconds * 1000)
