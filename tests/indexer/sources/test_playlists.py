"""HLS playlists: what is read of them, and what they may name."""

from pathlib import Path

import pytest

from reelshelf.indexer.sources.files import Files
from reelshelf.indexer.sources.playlists import ByteRange, read_playlist
from reelshelf.schemas.config import StorageConfig
from reelshelf.schemas.errors import FailureKind, MediaError

FILES = Files(StorageConfig())


def playlist(folder: Path, *lines: str, name: str = "v.m3u8") -> str:
    path = folder / name
    path.write_text("\n".join(["#EXTM3U", *lines]) + "\n")
    return str(path)


def test_segments_have_their_numbers_and_lengths(tmp_path: Path) -> None:
    place = playlist(
        tmp_path,
        "#EXT-X-TARGETDURATION:6",
        "#EXTINF:6.006,",
        "one.ts",
        "#EXTINF:5.5,a title, with a comma",
        "two.ts",
    )
    found = read_playlist(place, FILES)
    assert not found.ended
    assert [(s.sequence, s.duration_ms) for s in found.segments] == [(0, 6006), (1, 5500)]
    assert found.segments[1].data == ByteRange(str(tmp_path / "two.ts"))


def test_byte_ranges_go_on_where_the_last_ended(tmp_path: Path) -> None:
    place = playlist(
        tmp_path,
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="100@0"',
        "#EXTINF:2,",
        "#EXT-X-BYTERANGE:500@100",
        "all.mp4",
        "#EXTINF:2,",
        "#EXT-X-BYTERANGE:400",
        "all.mp4",
        "#EXT-X-ENDLIST",
    )
    found = read_playlist(place, FILES)
    own = str(tmp_path / "all.mp4")
    assert found.ended
    assert found.segments[0].header == ByteRange(own, 0, 100)
    assert [s.data for s in found.segments] == [ByteRange(own, 100, 500), ByteRange(own, 600, 400)]


def test_the_largest_rendition_that_is_not_too_large_is_taken(tmp_path: Path) -> None:
    for name in ("low", "high", "huge"):
        playlist(tmp_path, "#EXTINF:2,", f"{name}.ts", name=f"{name}.m3u8")
    place = playlist(
        tmp_path,
        "#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360",
        "low.m3u8",
        '#EXT-X-STREAM-INF:BANDWIDTH=4000000,RESOLUTION=1920x1080,CODECS="avc1,mp4a"',
        "high.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=16000000,RESOLUTION=3840x2160",
        "huge.m3u8",
        name="master.m3u8",
    )
    (segment,) = read_playlist(place, FILES).segments
    assert segment.data.location == str(tmp_path / "high.ts")


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../secret.ts",
        "https://elsewhere.example/a.ts",
        "file:///etc/passwd",
        "s3://b/k",
    ],
)
def test_nothing_outside_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    with pytest.raises(MediaError, match=r"storage\.allow"):
        read_playlist(playlist(folder, "#EXTINF:2,", name), FILES)


def test_hosts_that_are_allowed_may_be_named(tmp_path: Path) -> None:
    files = Files(StorageConfig(allow=("https://cdn.example/live",)))
    good = playlist(tmp_path, "#EXTINF:2,", "https://cdn.example/live/a/1.ts")
    (segment,) = read_playlist(good, files).segments
    assert segment.data.location == "https://cdn.example/live/a/1.ts"
    for name in (
        "https://cdn.example/other/1.ts",
        "https://cdn.example/live/../other/1.ts",
        "https://cdn.example.evil.example/live/1.ts",
        "https://user@cdn.example/live/1.ts",
        "http://cdn.example/live/1.ts",
    ):
        with pytest.raises(MediaError):
            read_playlist(playlist(tmp_path, "#EXTINF:2,", name), files)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (['#EXT-X-KEY:METHOD=AES-128,URI="k"', "#EXTINF:2,", "a.ts"], FailureKind.UNSUPPORTED),
        (["#EXTINF:many,", "a.ts"], FailureKind.CORRUPT),
        (["#EXTINF:1e9,", "a.ts"], FailureKind.CORRUPT),
        (["#EXTINF:nan,", "a.ts"], FailureKind.CORRUPT),
        (["#EXT-X-TARGETDURATION:6"], FailureKind.NO_FRAMES),
        (["#EXT-X-MEDIA-SEQUENCE:7", "#EXTINF:2,", "a.ts"], FailureKind.UNSUPPORTED),
    ],
)
def test_what_cannot_be_used_is_told(tmp_path: Path, lines: list[str], kind: FailureKind) -> None:
    with pytest.raises(MediaError) as told:
        read_playlist(playlist(tmp_path, *lines), FILES)
    assert told.value.kind is kind


def test_playlists_that_list_each_other_end(tmp_path: Path) -> None:
    place = playlist(tmp_path, "#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8")
    with pytest.raises(MediaError, match="and so on"):
        read_playlist(place, FILES)


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.m3u8").write_bytes(b"\x00\xff binary")
    with pytest.raises(MediaError, match="is no playlist"):
        read_playlist(str(tmp_path / "v.m3u8"), FILES)
