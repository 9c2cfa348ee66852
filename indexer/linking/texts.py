"""All that is written, said and posted in a video."""

from collections.abc import Iterable

from reelshelf.schemas.links import LinkableVideo, Span


def texts_of(video: LinkableVideo) -> Iterable[tuple[str, Span | None]]:
    """Each text with its moment, once; None for what is of the whole video."""
    return dict.fromkeys(_texts(video))


def _texts(video: LinkableVideo) -> Iterable[tuple[str, Span | None]]:
    for segment in video.segments:
        for line in segment.screen_text:
            yield line.text, Span(line.start_ms, line.end_ms)
        for said in segment.utterances:
            yield said.text, Span(said.start_ms, said.end_ms)
        for posted in segment.post_text:
            yield posted.text, Span(posted.start_ms, posted.end_ms) if posted.is_timed else None
