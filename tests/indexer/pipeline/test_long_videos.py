"""Long videos: in chunks, resumed, grown, and never half in a release."""

from itertools import pairwise

import numpy as np
import pytest

from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import Config
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from tests.support.clips import TEN_COLORS, write_long
from tests.support.long import Decoder, chunked_config, fresh, moments
from tests.support.shops import Shop


@pytest.fixture
def long_shop(shop: Shop) -> Shop:
    """One video of five chunks, and a short one."""
    write_long(shop.root / "videos" / "long.mkv", TEN_COLORS)
    rows = [row for row in shop.rows() if row["video_id"] == "a"]
    shop.set_videos([*rows, {"video_id": "long", "file": "videos/long.mkv"}])
    return shop


def test_a_long_video_is_made_of_chunks(long_shop: Shop) -> None:
    decoder = Decoder()
    result = long_shop.ingest(chunked_config(), decode=decoder)
    assert (result.tally.indexed, result.tally.failed) == (2, 0)
    assert decoder.chunks == dict.fromkeys(range(5), 1)
    store = Store.open(long_shop.request.store)
    [row] = [r for r in store.scan("videos", None).to_pylist() if r["video_id"] == "long"]
    found = moments(long_shop)
    assert len(row["chunks"]) == 5
    assert row["segment_count"] == len(found) >= 10
    assert row["duration_ms"] == pytest.approx(20_000, abs=60)
    assert found[0]["start_ms"] == 0
    assert all(a["end_ms"] == b["start_ms"] for a, b in pairwise(found))
    shots = [row["shot_index"] for row in found]
    assert shots == sorted(shots)
    assert store.count("chunk_segments") == 0
    assert torn_videos(store).videos == ()


def test_an_unchanged_long_video_is_not_opened(long_shop: Shop) -> None:
    long_shop.ingest(chunked_config())
    decoder = Decoder()
    again = long_shop.run(chunked_config(), decode=decoder)
    assert (again.calls, decoder.chunks) == ({}, {})


@pytest.mark.slow
@pytest.mark.parametrize("broken", [0, 2, 4])
def test_a_video_with_a_broken_chunk_is_not_served_and_is_resumed(
    long_shop: Shop, broken: int
) -> None:
    first = Decoder(broken)
    result = long_shop.run(chunked_config(gate={"max_failure_rate": 0.9}), decode=first)
    [failed] = result.failed
    assert f"chunk {broken + 1} of 5" in failed.message
    assert moments(long_shop) == []
    second = Decoder()
    assert long_shop.ingest(chunked_config(), decode=second).tally.indexed == 1
    assert second.chunks == {broken: 1}
    found = moments(long_shop)
    whole = fresh(long_shop)
    assert found == whole


class Interrupted(Decoder):
    """Somebody stops the run while it comes to a chunk."""

    def __call__(
        self, job: VideoJob, config: Config, detector: TextDetector | None = None
    ) -> DecodedVideo | Divided | Failed:
        if job.chunk is not None and job.chunk.number == 3:
            raise KeyboardInterrupt
        return super().__call__(job, config, detector)


@pytest.mark.slow
def test_chunks_are_written_as_they_are_done(long_shop: Shop) -> None:
    settings = chunked_config(engine={"videos_per_commit": 32, "videos_per_batch": 1})
    with pytest.raises(KeyboardInterrupt):
        long_shop.run(settings, decode=Interrupted())
    second = Decoder()
    assert long_shop.ingest(settings, decode=second).tally.indexed == 2 - 1
    assert second.chunks == {3: 1, 4: 1}
    assert moments(long_shop) == fresh(long_shop)


@pytest.mark.slow
def test_only_what_is_new_of_a_grown_file_is_decoded(long_shop: Shop) -> None:
    path = long_shop.root / "videos" / "long.mkv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 65 // 100])
    first = Decoder()
    long_shop.ingest(chunked_config(), decode=first)
    before = moments(long_shop)
    path.write_bytes(data)
    second = Decoder()
    long_shop.ingest(chunked_config(), decode=second)
    sealed = max(first.chunks)
    assert min(second.chunks) == sealed
    assert set(second.chunks) == set(range(sealed, 5))
    found = moments(long_shop)
    assert found[: len(before) // 2] == before[: len(before) // 2]
    assert found == fresh(long_shop)
    assert torn_videos(Store.open(long_shop.request.store)).unlisted == ()


@pytest.mark.slow
def test_a_changed_stage_is_done_again_chunk_by_chunk(long_shop: Shop) -> None:
    long_shop.ingest(chunked_config())
    result = long_shop.ingest(chunked_config(asr={"min_log_probability": -0.5}))
    assert result.calls["audio_ms_heard"] > 0
    assert result.calls.get("frames_encoded", 0) == 0
    assert len({row["segment_key"] for row in moments(long_shop)}) == len(moments(long_shop))


@pytest.mark.slow
def test_what_leaves_the_source_leaves_no_chunks(long_shop: Shop) -> None:
    long_shop.ingest(chunked_config())
    rows = long_shop.rows()
    long_shop.set_videos([row for row in rows if row["video_id"] == "a"])
    settings = chunked_config(release={"keep_vanished_days": 0.0})
    long_shop.run(settings, allow_shrink=True).or_raise()
    long_shop.run(settings, allow_shrink=True)
    store = Store.open(long_shop.request.store)
    assert (store.count("chunks"), store.count("chunk_segments")) == (0, 0)
    assert np.array(moments(long_shop)).size == 0


def test_the_gate_decodes_chunks_of_long_videos_again(long_shop: Shop) -> None:
    result = long_shop.ingest(chunked_config(gate={"recheck": 5}))
    found = [f for f in result.newest.quality.findings if f.column == "segments.frame_vector"]
    again = [f for f in found if "made of its source again" in f.claim]
    assert again
    assert all(f.passed for f in again)
    assert 0 < again[0].looked_at < 15
