"""Decode one video once: frames worth looking at, cuts, and sound."""

from pathlib import Path

from reelshelf.indexer.media.audio import SoundTrack
from reelshelf.indexer.media.backends import open_video
from reelshelf.indexer.media.decoder import OpenVideo
from reelshelf.indexer.media.sampling import FrameSampler
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.keys import file_sha256
from reelshelf.schemas.media import DecodeCounts, DecodedVideo, TimedFrame


def decode_video(
    path: Path, config: MediaConfig, *, pictures: bool = True, sound: bool = True
) -> DecodedVideo:
    """Decode the file at `path`. Raises MediaError with a kind and a reason.

    Without `pictures` there are no frames, shots and end; without `sound` no sound, and nothing of
    either is decoded.
    """
    with open_video(path, config, sound=sound) as video:
        # Here and not while planning: where the bytes are read, and by many workers at once.
        content_sha256 = file_sha256(path)
        if not pictures:
            return _sound_only(video, content_sha256, config)
        sampler = FrameSampler(config)
        track = SoundTrack(config.max_duration_s * 1000)
        for item in video.stream():
            if isinstance(item, TimedFrame):
                if item.time_ms > config.max_duration_s * 1000:
                    raise MediaError(
                        FailureKind.TOO_LONG,
                        f"shows frames after {config.max_duration_s} s (media.max_duration_s)",
                    )
                sampler.add(item)
            else:
                track.add(item)
        frames, shots = sampler.finish(video.end_ms)
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
            audio=track.finish(),
            end_ms=video.end_ms,
            counts=DecodeCounts(
                frames_decoded=video.frames_decoded,
                frames_sampled=len(frames),
                near_duplicates=sampler.near_duplicates,
                corrupt_packets=video.corrupt_packets,
            ),
        )


def _sound_only(video: OpenVideo, content_sha256: str, config: MediaConfig) -> DecodedVideo:
    track = SoundTrack(config.max_duration_s * 1000)
    for chunk in video.sound():
        track.add(chunk)
    nothing = DecodeCounts(0, 0, 0, video.corrupt_packets)
    return DecodedVideo(content_sha256, video.info, (), (), track.finish(), 0, nothing)
