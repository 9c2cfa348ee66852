"""Long files in pieces: what is decoded of all pieces is what is decoded of the whole."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from reelshelf.indexer.media.chunks import divided, divided_if_long
from reelshelf.indexer.media.decode import decode_video
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.errors import FailureKind, MediaError
from reelshelf.schemas.media import Chunk, DecodedVideo
from tests.support.clips import RATE, TEN_COLORS, write_long

CONFIG = MediaConfig(chunk_s=4)


def pieces(path: Path, chunks: tuple[Chunk, ...]) -> list[DecodedVideo]:
    return [decode_video(path, CONFIG, chunk=chunk) for chunk in chunks]


CONTAINERS = ["v.mp4", "v.mkv", "v.ts", "v.mov", "v.flv"]


@pytest.mark.parametrize("name", CONTAINERS)
def test_chunks_follow_each_other_and_show_what_the_whole_shows(tmp_path: Path, name: str) -> None:
    path = write_long(tmp_path / name, TEN_COLORS)
    whole = decode_video(path, MediaConfig(chunk_s=1000))
    chunks = divided(path, CONFIG)
    assert [chunk.number for chunk in chunks] == list(range(5))
    assert chunks[0].start_ms == 0
    assert all(a.end_ms == b.start_ms for a, b in pairwise(chunks))
    assert chunks[-1].end_ms == pytest.approx(whole.end_ms, abs=60)
    parts = pieces(path, chunks)
    assert sum(part.counts.frames_decoded for part in parts) == whole.counts.frames_decoded
    assert {part.counts.corrupt_packets for part in parts} == {0}
    shots = [shot for part in parts for shot in part.shots]
    # Looks are taken a quarter of a second apart, from the beginning of a chunk on.
    cuts = np.array([shot.start_ms for shot in shots])
    assert all(np.abs(cuts - shot.start_ms).min() <= 350 for shot in whole.shots)
    times = [frame.time_ms for part in parts for frame in part.frames]
    assert times == sorted(times)
    for chunk, part in zip(chunks, parts, strict=True):
        assert part.content_sha256 == chunk.sha256
        assert part.shots[0].start_ms == chunk.start_ms
        assert all(chunk.holds(frame.time_ms) for frame in part.frames)
        assert (part.audio is None) is False
        assert len(part.audio) / 16 == pytest.approx(chunk.end_ms - chunk.start_ms, abs=260)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTAINERS)
def test_sound_of_a_chunk_begins_with_it(tmp_path: Path, name: str) -> None:
    path = write_long(tmp_path / name, TEN_COLORS)
    for chunk, part in zip(divided(path, CONFIG), pieces(path, divided(path, CONFIG)), strict=True):
        assert part.audio is not None
        for second in range((chunk.end_ms - chunk.start_ms) // 1000):
            at = second * RATE + RATE // 4
            spectrum = np.abs(np.fft.rfft(part.audio[at : at + RATE // 2].astype(np.float32)))
            heard = int(spectrum.argmax()) * 2
            said = round((heard - 200) / 50)
            assert said == chunk.start_ms // 1000 + second, (chunk, second)


@pytest.mark.parametrize("name", ["v.ts", "v.mkv"])
def test_what_is_appended_changes_no_chunk_that_was_complete(tmp_path: Path, name: str) -> None:
    data = write_long(tmp_path / name, TEN_COLORS).read_bytes()
    path = tmp_path / f"growing{Path(name).suffix}"
    before: tuple[Chunk, ...] = ()
    for share in (0.35, 0.6, 0.8, 1.0):
        path.write_bytes(data[: int(len(data) * share)])
        chunks = divided(path, CONFIG)
        assert len(chunks) > len(before) - 1
        assert [c.sha256 for c in chunks[: max(0, len(before) - 1)]] == [
            c.sha256 for c in before[:-1]
        ]
        before = chunks
    assert len(before) == 5


def test_short_files_are_not_divided_and_long_ones_are_refused(tmp_path: Path) -> None:
    path = write_long(tmp_path / "v.mp4", TEN_COLORS)
    assert divided_if_long(path, MediaConfig(chunk_s=20)) == ()
    assert len(divided_if_long(path, CONFIG)) == 5
    with pytest.raises(MediaError) as told:
        divided_if_long(path, CONFIG.model_copy(update={"max_duration_s": 10}))
    assert told.value.kind is FailureKind.TOO_LONG


def test_a_stretch_without_key_frames_is_one_chunk(tmp_path: Path) -> None:
    path = write_long(tmp_path / "v.mp4", TEN_COLORS[:5], key_frame_every=1000)
    assert divided_if_long(path, CONFIG) == ()


def test_chunks_of_a_stream_whose_clock_starts_anew(tmp_path: Path) -> None:
    parts = [
        write_long(tmp_path / f"{n}.ts", c).read_bytes()
        for n, c in ((0, TEN_COLORS[:5]), (1, TEN_COLORS[5:]))
    ]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(parts))
    chunks = divided(path, CONFIG)
    assert chunks[-1].end_ms == pytest.approx(20_000, abs=300)
    times = [frame.time_ms for part in pieces(path, chunks) for frame in part.frames]
    assert times == sorted(times)
    assert times[-1] > 18_000
