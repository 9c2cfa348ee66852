"""Decode one video once: frames worth looking at, cuts, and sound."""

from pathlib import Path

from indexer.media.audio import SoundTrack
from indexer.media.backends import open_video
from indexer.media.sampling import FrameSampler
from schemas.config import MediaConfig
from schemas.errors import FailureKind, MediaError
from schemas.keys import file_sha256
from schemas.media import DecodeCounts, DecodedVideo, TimedFrame

# Raise when the same file and config would give other frames, shots or sound.
VERSION = 2


def decode_video(path: Path, config: MediaConfig) -> DecodedVideo:
    """Decode the file at `path`. Raises MediaError with a kind and a reason."""
    limit_ms = config.max_duration_s * 1000
    with open_video(path, config) as video:
        # Here and not while planning: where the bytes are read, and by many workers at once.
        content_sha256 = file_sha256(path)
        sampler = FrameSampler(config)
        sound = SoundTrack(limit_ms)
        for item in video.stream():
            if isinstance(item, TimedFrame):
                if item.time_ms > limit_ms:
                    raise MediaError(
                        FailureKind.TOO_LONG,
                        f"shows frames after {config.max_duration_s} s (media.max_duration_s)",
                    )
                sampler.add(item)
            else:
                sound.add(item)
        end_ms = video.end_ms
        frames, shots = sampler.finish(end_ms)
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
            audio=sound.finish(),
            end_ms=end_ms,
            counts=DecodeCounts(
                frames_decoded=video.frames_decoded,
                frames_sampled=len(frames),
                near_duplicates=sampler.near_duplicates,
                corrupt_packets=video.corrupt_packets,
            ),
        )
