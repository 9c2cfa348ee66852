"""Clips of a benchmark folder, encoded alike, and long videos made of them by joining packets."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler

from reelshelf.indexer.media.picture import Orientation
from reelshelf.schemas.media import Pixels

_RATE = 44_100
_MS = Fraction(1, 1000)
# No frame waits for a later one, so that packets of two clips can follow one another.
_OPTIONS = {"crf": "18", "preset": "veryfast", "bf": "0", "level": "4.0"}


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is encoded like all others, and what its labels say is linked in it."""

    video_id: str
    path: Path
    length_ms: int
    links: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A product in one repetition of a clip: times are those of the video that holds it."""

    video_id: str
    sku: str
    spans: tuple[tuple[int, int], ...]
    quarter: int


def links_of(label: dict[str, Any]) -> tuple[tuple[str, tuple[tuple[int, int], ...]], ...]:
    """The products of a clip and when they are shown or named, from its line of labels.jsonl."""
    found: dict[str, list[tuple[int, int]]] = {}
    for link in label["links"]:
        found.setdefault(link["sku"], []).append((link["start_ms"], link["end_ms"]))
    return tuple((sku, tuple(spans)) for sku, spans in found.items())


def common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """Width and height that most videos are shown in."""
    sizes = Counter(next(_pictures(path))[1].shape[1::-1] for path in paths)
    (width, height), _ = sizes.most_common(1)[0]
    return width, height


def encode_alike(source: Path, target: Path, size: tuple[int, int]) -> int:
    """Encode a clip as H.264 and AAC on a ground of this size. Its length in ms.

    Sound begins with the picture and lasts as long; where there is none, there is silence.
    """
    with av.open(str(target), "w") as out:
        video = out.add_stream("libx264", rate=30, options=_OPTIONS)
        video.width, video.height = size
        video.pix_fmt, video.time_base = "yuv420p", _MS
        video.codec_context.time_base = _MS
        audio = out.add_stream("aac", rate=_RATE, layout="mono")
        at = 0
        for time_ms, picture in _pictures(source):
            frame = av.VideoFrame.from_ndarray(_on_ground(picture, size), "rgb24")
            at = max(time_ms, at + 1)
            frame.pts, frame.time_base = at, _MS
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        length_ms = at + 33
        sound = np.zeros(length_ms * _RATE // 1000, np.float32)
        heard = _sound(source)[: len(sound)]
        sound[: len(heard)] = heard
        for start in range(0, len(sound), 1024):
            part = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], "flt", "mono")
            part.sample_rate, part.pts, part.time_base = _RATE, start, Fraction(1, _RATE)
            out.mux(audio.encode(part))
        out.mux(audio.encode(None))
    return length_ms


def join(clips: Sequence[Clip], target: Path, name: str) -> list[Occurrence]:
    """One video of all clips in their order, packet by packet; what occurs in it, and when."""
    occurrences: list[tuple[int, Occurrence]] = []
    offset = 0
    with av.open(str(target), "w") as out:
        with av.open(str(clips[0].path)) as first:
            streams = [
                out.add_stream_from_template(s)
                for s in (*first.streams.video, *first.streams.audio)
            ]
        for clip in clips:
            end = offset + clip.length_ms
            with av.open(str(clip.path)) as source:
                kinds = (*source.streams.video, *source.streams.audio)
                by_stream = dict(zip((s.index for s in kinds), streams, strict=True))
                for packet in source.demux(*kinds):
                    # What an encoder of sound puts before the beginning is no part of it.
                    if packet.pts is None or packet.pts < 0:
                        continue
                    moved = round(offset / 1000 / packet.time_base)
                    packet.pts += moved
                    packet.dts = packet.pts
                    end = max(
                        end, round((packet.pts + (packet.duration or 0)) * packet.time_base * 1000)
                    )
                    packet.stream = by_stream[packet.stream.index]
                    out.mux(packet)
            for sku, spans in clip.links:
                own = tuple((offset + a, offset + b) for a, b in spans)
                occurrences.append((offset, Occurrence(name, sku, own, 0)))
            offset = end
    return [
        Occurrence(item.video_id, item.sku, item.spans, min(3, 4 * at // offset))
        for at, item in occurrences
    ]


def order(clips: Sequence[Clip], minutes: float, seed: int) -> list[list[Clip]]:
    """The clips of each video of this length: all clips once, and again where they are too short.

    Each pass is in an order of its own.
    """
    numbers = random.Random(seed)  # noqa: S311
    wanted, total = minutes * 60_000, sum(clip.length_ms for clip in clips)
    count = max(1, round(total / wanted))
    videos: list[list[Clip]] = [[] for _ in range(count)]
    lengths = [0] * count
    while min(lengths) < wanted:
        for clip in numbers.sample(clips, len(clips)):
            shortest = lengths.index(min(lengths))
            if lengths[shortest] >= wanted and total <= sum(lengths):
                return videos
            videos[shortest].append(clip)
            lengths[shortest] += clip.length_ms
    return videos


def _pictures(path: Path) -> Iterator[tuple[int, Pixels]]:
    with av.open(str(path)) as container:
        first = None
        for frame in container.decode(container.streams.video[0]):
            first = frame.time if first is None else first
            pixels = Orientation.of(frame).apply(
                np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            )
            yield round((frame.time - first) * 1000), pixels


def _on_ground(picture: Pixels, size: tuple[int, int]) -> Pixels:
    width, height = size
    scale = min(width / picture.shape[1], height / picture.shape[0])
    inner = (
        min(width, round(picture.shape[1] * scale)),
        min(height, round(picture.shape[0] * scale)),
    )
    small = (
        picture
        if inner == picture.shape[1::-1]
        else cv2.resize(picture, inner, interpolation=cv2.INTER_AREA)
    )
    ground = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    ground[top : top + inner[1], left : left + inner[0]] = small
    return ground


def _sound(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = AudioResampler("flt", "mono", _RATE)
        frames = container.decode(container.streams.audio[0])
        parts = [made.to_ndarray()[0] for frame in frames for made in resampler.resample(frame)]
        parts += [made.to_ndarray()[0] for made in resampler.resample(None)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
