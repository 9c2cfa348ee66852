"""Playlists that grow: what is new is indexed, and the rest stays as it is."""

from functools import partial
from pathlib import Path

import av
import pytest

from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.jobs.engines.local import LocalEngine
from tests.support.clips import TEN_COLORS, write_long
from tests.support.fakes import load_fakes
from tests.support.long import Decoder, chunked_config, fresh, moments
from tests.support.shops import Shop

SETTINGS = chunked_config(media={"chunk_s": 3})


def write_segments(folder: Path, kind: str) -> list[tuple[str, float]]:
    """A video of 20 s as segments of two, with their names and lengths."""
    folder.mkdir(parents=True)
    whole = write_long(folder / "whole.mkv", TEN_COLORS)
    options = {"hls_time": "2", "hls_list_size": "0", "hls_segment_type": kind}
    with (
        av.open(str(whole)) as source,
        av.open(str(folder / "all.m3u8"), "w", format="hls", options=options) as out,
    ):
        streams = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    whole.unlink()
    lines = (folder / "all.m3u8").read_text().splitlines()
    (folder / "all.m3u8").unlink()
    lengths = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    names = [line for line in lines if line and not line.startswith("#")]
    return list(zip(names, lengths, strict=True))


@pytest.fixture(params=["mpegts", "fmp4"])
def live(shop: Shop, request: pytest.FixtureRequest) -> tuple[Shop, list[tuple[str, float]], str]:
    """A shop with a live video and a short one, the segments of the first, and a header if any."""
    segments = write_segments(shop.root / "videos" / "live", request.param)
    assert len(segments) == 10
    rows = [row for row in shop.rows() if row["video_id"] == "a"]
    shop.set_videos([*rows, {"video_id": "long", "file": "videos/live/live.m3u8"}])
    header = '#EXT-X-MAP:URI="init.mp4"\n' if request.param == "fmp4" else ""
    return shop, segments, header


def publish(shop: Shop, segments: list[tuple[str, float]], header: str, *, ended: bool) -> None:
    text = f"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n{header}"
    text += "".join(f"#EXTINF:{length:.6f},\n{name}\n" for name, length in segments)
    text += "#EXT-X-ENDLIST\n" if ended else ""
    (shop.root / "videos" / "live" / "live.m3u8").write_text(text)


@pytest.mark.slow
def test_a_playlist_that_grows_is_indexed_as_it_does(
    live: tuple[Shop, list[tuple[str, float]], str],
) -> None:
    shop, segments, header = live
    known: set[int] = set()
    for count in (1, 3, 7, 10):
        publish(shop, segments[:count], header, ended=count == 10)
        decoder = Decoder()
        shop.ingest(SETTINGS, decode=decoder)
        # Chunks of three seconds are two segments each: the new ones, and the open one at most.
        chunks = (count + 1) // 2
        assert set(decoder.chunks) == set(range(chunks)) - known
        known = set(range(count // 2))
        assert moments(shop) == fresh(shop, SETTINGS)
        assert moments(shop)[-1]["end_ms"] == pytest.approx(2000 * count, abs=200)
    again = Decoder()
    assert shop.run(SETTINGS, decode=again).calls == {}
    assert again.chunks == {}


@pytest.mark.slow
def test_segments_in_a_folder_are_no_videos(shop: Shop) -> None:
    folder = shop.root / "videos" / "live"
    publish(shop, write_segments(folder, "mpegts"), "", ended=True)
    request = IngestRequest(shop.request.catalog, str(folder), shop.request.store)
    engine = partial(LocalEngine, loader=load_fakes)
    found = ingest(request, SETTINGS, engine, NoProgress())
    assert (found.tally.indexed, found.tally.failed) == (1, 0)
    assert {skip.reason for skip in found.skipped} == {"a segment of live.m3u8"}
