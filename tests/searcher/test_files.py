"""Only files whose bytes are those of the release are handed out."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from starlette.responses import FileResponse

from reelshelf.searcher.captions import as_webvtt
from reelshelf.searcher.files import Files
from reelshelf.searcher.jobs import Located
from reelshelf.searcher.messages import LineMessage
from reelshelf.searcher.rejected import Rejected


def located(path: Path, content: bytes) -> Located:
    path.write_bytes(content)
    return Located(str(path), hashlib.sha256(content).hexdigest())


def asked(files: Files, found: Located) -> FileResponse:
    response = asyncio.run(files.response(found))
    assert isinstance(response, FileResponse)
    return response


def test_a_file_is_handed_out_until_its_bytes_change(tmp_path: Path) -> None:
    files, path = Files(), tmp_path / "clip.mp4"
    found = located(path, b"one")
    assert asked(files, found).media_type == "video/mp4"
    assert asked(files, found)
    path.write_bytes(b"two, which is longer")
    with pytest.raises(Rejected, match="not the one that was indexed") as caught:
        asked(files, found)
    assert caught.value.status == 410


def test_what_is_gone_or_remote_is_not_handed_out(tmp_path: Path) -> None:
    with pytest.raises(Rejected) as gone:
        asked(Files(), Located(str(tmp_path / "gone.mp4"), "0" * 64))
    assert gone.value.status == 410
    with pytest.raises(Rejected) as remote:
        asked(Files(), Located("s3://bucket/clip.mp4", "0" * 64))
    assert remote.value.status == 404


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "no-ending", "script.js"])
def test_what_a_browser_might_run_is_saved_and_not_shown(tmp_path: Path, name: str) -> None:
    response = asked(Files(), located(tmp_path / name, b"<script>"))
    assert response.media_type == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment")


def test_subtitles_hold_no_markup_and_no_times_of_their_own() -> None:
    lines = [
        LineMessage(start_ms=3_661_001, end_ms=3_661_001, text="a --> b\n\n00:01 <b>&"),
        LineMessage(start_ms=0, end_ms=1500, text="hello"),
    ]
    assert as_webvtt(lines) == (
        "WEBVTT\n\n01:01:01.001 --> 01:01:01.002\na --&gt; b 00:01 &lt;b&gt;&amp;\n\n"
        "00:00:00.000 --> 00:00:01.500\nhello\n"
    )
