"""Subtitles of what a video says."""

from collections.abc import Iterable

from reelshelf.searcher.messages import LineMessage


def as_webvtt(lines: Iterable[LineMessage]) -> str:
    """Lines as WebVTT. What would end a cue or begin a tag is escaped."""
    cues = [
        f"{_time(line.start_ms)} --> {_time(max(line.end_ms, line.start_ms + 1))}\n"
        f"{_escaped(line.text)}\n"
        for line in lines
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _time(ms: int) -> str:
    seconds, rest = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{rest:03}"


def _escaped(text: str) -> str:
    plain = " ".join(text.split())
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
