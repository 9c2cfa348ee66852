"""Text of the post: what the shop says of a video, its chapters and its subtitles."""

from collections.abc import Iterable, Iterator, Sequence

from reelshelf.schemas.catalog import Chapter, VideoSource
from reelshelf.schemas.keys import Json, fingerprint
from reelshelf.schemas.media import Chunk, Cue
from reelshelf.schemas.outcomes import SourceStamp
from reelshelf.schemas.segments import PostKind, PostText, SegmentedVideo

_LONGEST_CUE = 2_000


def post_fingerprint(source: VideoSource, subtitles: SourceStamp | None) -> str:
    """Of all that is said of a video beside its file; `subtitles` is the stamp of theirs."""
    said: list[Json] = [source.title, source.description, list(source.hashtags)]
    said += [[chapter.start_ms, chapter.title] for chapter in source.chapters]
    if subtitles is not None:
        said.append([subtitles.size, subtitles.mtime_ns, subtitles.version])
    return fingerprint(said)


def posted_with(
    source: VideoSource, cues: Sequence[Cue], chunk: Chunk | None, end_ms: int
) -> tuple[PostText, ...]:
    """What was posted with a video, or with a chunk of it: first what is of all of it.

    Chapters that the shop gives stand in place of those in the file.
    """
    found = list(_of_all(source)) if chunk is None or chunk.number == 0 else []
    given = [cue for cue in cues if not cue.is_chapter]
    given += _chapters(source.chapters, end_ms) or [cue for cue in cues if cue.is_chapter]
    for cue in sorted(given, key=lambda cue: (cue.start_ms, cue.end_ms, cue.text)):
        if chunk is None or (cue.start_ms < end_ms and cue.end_ms > chunk.start_ms):
            kind = PostKind.CHAPTER if cue.is_chapter else PostKind.SUBTITLE
            text = cue.text[:_LONGEST_CUE]
            found.append(PostText(kind, text, cue.start_ms, cue.end_ms, cue.inside))
    return tuple(dict.fromkeys(found))


def cues_in(stored: SegmentedVideo) -> tuple[Cue, ...]:
    """The cues of a video's own file, as they are stored."""
    found = dict.fromkeys(
        Cue(posted.text, posted.start_ms, posted.end_ms, posted.kind is PostKind.CHAPTER)
        for segment in stored.segments
        for posted in segment.post_text
        if posted.inside
    )
    return tuple(found)


def _of_all(source: VideoSource) -> Iterator[PostText]:
    for kind, text in (
        (PostKind.TITLE, source.title),
        (PostKind.DESCRIPTION, source.description),
        (PostKind.HASHTAGS, " ".join(f"#{tag.removeprefix('#')}" for tag in source.hashtags)),
    ):
        if text:
            yield PostText(kind, text)


def _chapters(chapters: Iterable[Chapter], end_ms: int) -> list[Cue]:
    """Each chapter up to where the next begins, the last up to the end of the video."""
    ordered = sorted(chapters, key=lambda chapter: chapter.start_ms)
    if not ordered:
        return []
    end_ms = max(end_ms, ordered[-1].start_ms + 1)
    ends = [*(chapter.start_ms for chapter in ordered[1:]), end_ms]
    return [
        Cue(chapter.title, chapter.start_ms, end, is_chapter=True, inside=False)
        for chapter, end in zip(ordered, ends, strict=True)
        if end > chapter.start_ms
    ]
