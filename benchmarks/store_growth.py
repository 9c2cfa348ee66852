"""What a commit costs while a store grows.

    python -m benchmarks.store_growth [--out DIR] [--segments N] [--videos V] [--full]

A store is filled with N made moments of the offline profile's dimensions, five a video, through
the code that a run commits with: rows, checksums of cells and of files, stamps, compaction. Then a
night brings V videos more, half of them in place of others. CPU is of all threads of this process,
without that of making the moments; the exponent is that of CPU per commit over the rows there are.
"""

import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.pipeline.committing import Commits
from reelshelf.indexer.pipeline.plan import Stored
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.run import Outcomes, Run, row_context
from reelshelf.indexer.store.sources import seen_files
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import writing
from reelshelf.indexer.text.analyzer import analyzer_of, terms_of
from reelshelf.schemas.catalog import VideoSource
from reelshelf.schemas.config import load_config
from reelshelf.schemas.keys import segment_key, video_key
from reelshelf.schemas.media import Box, DecodeCounts, Vectors, VideoInfo
from reelshelf.schemas.outcomes import Indexed, SourceStamp, VideoJob
from reelshelf.schemas.release import ModelRef, ModelRefs
from reelshelf.schemas.segments import ModelCalls, ScreenText, Segment, SegmentedVideo, Utterance

IMAGE_DIM, TEXT_DIM = 1408, 896
_ENGLISH = analyzer_of("icu", ("en",))
_MOMENTS = 5
_TENTHS = 10
_POOL = 2048
_SENTENCES = (
    "Today I am looking at something that many of you have asked me about.",
    "It comes in three sizes, and the small one fits into any drawer.",
    "Tell me in the comments what you would like to see next week.",
)


def refs(image_dim: int = IMAGE_DIM, text_dim: int = TEXT_DIM) -> ModelRefs:
    """Models of some dimensions: those of the offline profile, unless others are given."""
    image = ModelRef(name="made", revision="1", sha256="0", dim=image_dim, space="made")
    text = ModelRef(name="made", revision="1", sha256="0", dim=text_dim, space="made")
    silent = ModelRef(name="none", revision="1", sha256="0")
    return ModelRefs(image=image, text=text, asr=silent, ocr=silent)


def of_kinds(rng: np.random.Generator, count: int, dim: int) -> Vectors:
    """`(count, dim)` made vectors, some dozens of each kind, as those of pictures and texts are."""
    kinds = unit(rng.standard_normal((-(-count // 64), dim), np.float32))
    own = unit(rng.standard_normal((count, dim), np.float32))
    return unit(0.8 * kinds[rng.integers(0, len(kinds), count)] + 0.6 * own)


class Made:
    """Videos with moments as the offline profile makes them: vectors from a pool, two texts."""

    def __init__(
        self, pool: int = _POOL, image_dim: int = IMAGE_DIM, text_dim: int = TEXT_DIM
    ) -> None:
        rng = np.random.default_rng(0)
        self._frames = of_kinds(rng, pool, image_dim)
        self._texts = of_kinds(rng, pool, text_dim)

    def video(self, number: int, content: str = "") -> Indexed:
        """One of them; another `content` is that of a file that has changed."""
        video_id = f"made-{number:08d}"
        key = video_key("shop", video_id)
        sha256 = uuid.uuid5(uuid.NAMESPACE_URL, f"{video_id}{content}").hex * 2
        segments = tuple(self._moment(key, sha256, number, place) for place in range(_MOMENTS))
        calls = ModelCalls(15_000, 15_000, 10, 10, 3, 15_000, 4)
        video = SegmentedVideo(
            content_sha256=sha256,
            info=VideoInfo(360, 640, 0, "h264", "mp4", 15_000, True),
            end_ms=15_000,
            counts=DecodeCounts(360, 10, 2, 0),
            segments=segments,
            language="en",
            calls=calls,
            asked=calls,
            absent=(),
        )
        stamp = SourceStamp(1_000_000 + number, 1_700_000_000_000_000_000 + number)
        source = VideoSource(video_id, f"/videos/{video_id}.mp4")
        return Indexed(VideoJob(key, source, stamp), video)

    def _moment(self, key: str, sha256: str, number: int, place: int) -> Segment:
        start, end = 3000 * place, 3000 * (place + 1)
        said = _SENTENCES[(number + place) % len(_SENTENCES)] if place % 2 else ""
        written = "only this week" if place == 1 else ""
        line = ScreenText(written, 0.98, start, end, Box(0.1, 0.1, 0.6, 0.2))
        text = "\n".join(filter(None, (written, said)))
        drawn = (number * _MOMENTS + place) % len(self._frames)
        vectors = self._texts[drawn : drawn + 1]
        return Segment(
            segment_key=segment_key(key, sha256, start, end, "made"),
            start_ms=start,
            end_ms=end,
            shot_index=place,
            keyframe_ms=start + 1500,
            frame_count=2,
            frame_vector=self._frames[drawn],
            screen_text=(line,) if written else (),
            utterances=(Utterance(said, start, end, -0.3),) if said else (),
            utterance_vectors=vectors[: bool(said)],
            text=text,
            text_vector=vectors[0] if said or written else None,
            terms=terms_of(text, _ENGLISH),
            language="en" if said else None,
        )


def unit(vectors: Vectors) -> Vectors:
    """Vectors `(n, dim)` of length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Tenth:
    """CPU seconds per 1,000 moments in one tenth of the growth."""

    rows: int
    cpu_s: float


def grown(run: Run, made: Made, segments: int) -> Iterator[Tenth]:
    """Fill a store; what each tenth costs."""
    videos = segments // _MOMENTS
    for tenth in range(_TENTHS):
        numbers = range(videos * tenth // _TENTHS, videos * (tenth + 1) // _TENTHS)
        spent = committed(run, (made.video(number) for number in numbers), Stored())
        yield Tenth((tenth + 1) * segments // _TENTHS, spent / len(numbers) / _MOMENTS * 1000)


def committed(run: Run, videos: Iterator[Indexed], known: Stored) -> float:
    """CPU seconds that it takes to commit videos, without making them."""
    commits = Commits(run, Outcomes(), known.videos, known.seen.keys(), frozenset())
    spent = 0.0
    for video in videos:
        began = time.process_time()
        commits.add(video)
        spent += time.process_time() - began
    began = time.process_time()
    commits.close()
    return spent + time.process_time() - began


def exponent(tenths: Sequence[Tenth]) -> float:
    """Of a power law through the cost per row, from the second tenth on."""
    rows = np.log([tenth.rows for tenth in tenths[1:]])
    return float(np.polyfit(rows, np.log([tenth.cpu_s for tenth in tenths[1:]]), 1)[0])


def main() -> int:
    """Fill a store, then one more night."""
    parser = parser_of(__doc__)
    args = parse(parser, segments=Count(100_000, 1_000_000), videos=Count(1_000, 1_000))
    config = load_config(None)
    made = Made()
    with tempfile.TemporaryDirectory() as scratch:
        uri = str(Path(scratch) / "store")
        Store.create(uri, config.shop_id, refs())
        with writing(Store.open(uri), "made", config) as (store, lease):
            run = Run(config, store, lease, row_context("made", config, refs()), NoProgress())
            tenths = list(grown(run, made, args.segments))
            known = Stored(videos=store.video_states(), seen=seen_files(store))
            held = args.segments // _MOMENTS
            night = [made.video(held + number) for number in range(args.videos // 2)]
            night += [made.video(number, "changed") for number in range(args.videos // 2)]
            nightly = committed(run, iter(night), known)
    table = Table("rows", "CPU s per 1,000 rows")
    for tenth in tenths:
        table.add_row(f"{tenth.rows:,}", f"{tenth.cpu_s:.3f}")
    Console().print(table)
    total = sum(tenth.cpu_s for tenth in tenths) * args.segments / _TENTHS / 1000
    figures = {
        "segments": float(args.segments),
        "cpu_s": total,
        "last_tenth_over_second": tenths[-1].cpu_s / tenths[1].cpu_s,
        "exponent": exponent(tenths),
        "night_videos": float(args.videos),
        "night_cpu_s": nightly,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }
    asked = [
        Bar("CPU per row, last tenth over second", figures["last_tenth_over_second"], 1.3, False),
        Bar("CPU, s", total, 240.0, at_least=False),
        Bar("peak memory, GB", figures["peak_gb"], 2.0, at_least=False),
        Bar("CPU of a night, s", nightly, 60.0, at_least=False),
    ]
    return conclude("store_growth", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
