"""Files of subtitles, as they come."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelshelf.indexer.sources.subtitles import read_subtitles
from reelshelf.schemas.errors import MediaError
from reelshelf.schemas.media import Cue

SRT = """\ufeff1
00:00:01,000 --> 00:00:02,500
<i>Look</i> at this
{\\an8}walnut lamp

2
00:01:02,250 --> 01:00:00,000
Fish &amp; chips
"""
VTT = """WEBVTT - made by hand

STYLE
::cue { color: red }

NOTE 00:00:00.000 is no cue

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>Look at this

01:02.250 --> 01:00:00.000
Fish &amp; chips

00:09.000 --> 00:08.000
ends before it begins
"""


def test_both_kinds_are_read(tmp_path: Path) -> None:
    for name, text, first in (
        ("v.srt", SRT, "Look at this walnut lamp"),
        ("v.vtt", VTT, "Look at this"),
    ):
        path = tmp_path / name
        path.write_bytes(text.replace("\n", "\r\n").encode())
        assert read_subtitles(path) == (
            Cue(first, 1000, 2500, inside=False),
            Cue("Fish & chips", 62_250, 3_600_000, inside=False),
        )


def test_an_old_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "v.srt"
    path.write_bytes("1\n00:00:01,000 --> 00:00:02,000\nCafé\n".encode("cp1252"))
    assert [cue.text for cue in read_subtitles(path)] == ["Café"]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="subtitles cannot be read"):
        read_subtitles(tmp_path / "none.srt")


@given(st.binary(max_size=400))
def test_whatever_it_holds_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("s") / "v.srt"
    path.write_bytes(data)
    with contextlib.suppress(MediaError):
        assert all(cue.end_ms > cue.start_ms and cue.text for cue in read_subtitles(path))
