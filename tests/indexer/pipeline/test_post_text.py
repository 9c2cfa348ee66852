"""What shops say of their videos in words: searched, linked, and read again where it changes."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelshelf.indexer.media.decode import decode_video
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import MediaConfig
from reelshelf.schemas.media import Cue
from reelshelf.schemas.segments import PostKind
from tests.support.clips import RED, textured
from tests.support.fakes import FakeImages, FakeTexts
from tests.support.shops import Shop, small_config


def describe(shop: Shop, **cells: object) -> None:
    """Say something of the video b, which shows a blue vase and is silent."""
    rows = [dict(row) for row in shop.rows() if row["video_id"] != "b"]
    shop.set_videos([*rows, {"video_id": "b", "file": "videos/b.mp4", **cells}])


def moments(shop: Shop) -> list[dict[str, object]]:
    store = Store.open(shop.request.store)
    version = require_served(store).table_version("segments")
    rows = store.scan("segments", None, version=version).sort_by("start_ms").to_pylist()
    return [row for row in rows if row["video_id"] == "b"]


def links(shop: Shop) -> dict[str, float]:
    store = Store.open(shop.request.store)
    version = require_served(store).table_version("links")
    rows = store.scan("links", None, version=version).to_pylist()
    return {row["sku"]: row["post_text_score"] for row in rows if row["video_id"] == "b"}


def asked(result: IngestResult) -> set[str]:
    return {name for name, count in result.calls.items() if count}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"title": "Crimson Kettle, unboxed"}, PostKind.TITLE),
        ({"description": "Today: the crimson kettle &amp; more"}, PostKind.DESCRIPTION),
        ({"hashtags": ["crimson", "kettle"]}, PostKind.HASHTAGS),
        ({"hashtags": "#crimson #kettle"}, PostKind.HASHTAGS),
        ({"chapters": [{"start_ms": 0, "title": "Crimson Kettle"}]}, PostKind.CHAPTER),
        ({"chapters": "0:00 Crimson Kettle"}, PostKind.CHAPTER),
    ],
)
def test_words_of_the_shop_are_text_and_evidence(
    shop: Shop, cells: dict[str, object], kind: PostKind
) -> None:
    describe(shop, **cells)
    shop.ingest()
    [first, *_] = moments(shop)
    assert [posted["kind"] for posted in first["post_text"]] == [kind]
    assert "kettle" in str(first["text"]).lower()
    assert links(shop)["SKU-red"] > 0.3
    store = Store.open(shop.request.store)
    evidence = store.scan("links", ["evidence"], "sku = 'SKU-red'")["evidence"].to_pylist()
    assert "post_text" in {piece["sense"] for pieces in evidence for piece in pieces}


def test_subtitles_beside_a_video_are_read_where_they_are_shown(shop: Shop) -> None:
    cue = "1\n00:00:00,100 --> 00:00:00,900\nthe crimson kettle\n"
    (shop.root / "videos" / "b.srt").write_text(cue)
    shop.ingest()
    [first, *_] = moments(shop)
    [posted] = first["post_text"]
    assert (posted["start_ms"], posted["end_ms"], posted["inside"]) == (100, 900, False)
    assert links(shop)["SKU-red"] > 0.3
    snapshot = ReleaseSnapshot.open(shop.request.store)
    encoders = QueryEncoders(text=FakeTexts(), image=FakeImages())
    answer = Searcher(snapshot, encoders, small_config().search).search_text("crimson kettle")
    assert "b" in {found.video_id for found in answer.hits}


@pytest.mark.slow
def test_other_words_cost_texts_and_nothing_else(shop: Shop) -> None:
    describe(shop, title="A blue thing")
    shop.ingest()
    describe(shop, title="Crimson Kettle")
    result = shop.ingest()
    assert asked(result) == {"texts_encoded"}
    assert result.planned.videos_described_anew == 1
    assert "Crimson Kettle" in str(moments(shop)[0]["text"])
    (shop.root / "videos" / "b.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:00.500\nfern lamp\n")
    assert asked(shop.ingest()) == {"texts_encoded"}
    assert "fern lamp" in str(moments(shop)[0]["text"])
    assert shop.run().calls == {}


def test_subtitles_that_cannot_be_read_are_told_and_cost_no_video(shop: Shop) -> None:
    describe(shop, subtitles="nowhere.srt")
    assert shop.ingest().tally.failed == 0
    store = Store.open(shop.request.store)
    [row] = store.scan("videos", ["absent"], "video_id = 'b'").to_pylist()
    assert "subtitles" in row["absent"]


def test_subtitles_and_chapters_inside_a_file_are_read(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        said = out.add_mux_stream("subrip")
        out.set_chapters(
            [
                {
                    "id": 1,
                    "start": 0,
                    "end": 1500,
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": "Lamps"},
                }
            ]
        )
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(textured(RED, 96, 64), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            out.mux(video.encode(frame))
        packet = av.Packet(b"a walnut <i>lamp</i>")
        packet.stream, packet.time_base = said, Fraction(1, 1000)
        packet.pts = packet.dts = 500
        packet.duration = 700
        out.mux(packet)
        out.mux(video.encode(None))
    found = decode_video(path, MediaConfig()).cues
    assert Cue("Lamps", 0, 1500, is_chapter=True) in found
    assert Cue("a walnut lamp", 500, 1200) in found


@pytest.mark.parametrize("when", ["run", "skip"])
def test_what_has_subtitles_need_not_be_heard(shop: Shop, when: str) -> None:
    cue = "1\n00:00:00,100 --> 00:00:00,900\na word\n"
    (shop.root / "videos" / "a.srt").write_text(cue)
    shop.ingest(small_config(asr={"when_subtitled": when}))
    store = Store.open(shop.request.store)
    rows = store.scan("segments", ["utterances"], "video_id = 'a'").to_pylist()
    assert any(row["utterances"] for row in rows) == (when == "run")
