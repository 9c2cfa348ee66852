"""Clips alone and joined into long videos: what is found, where, at what memory, after which kills.

    python -m benchmarks.long_video [BENCH_DIR] [--minutes M ...] [--out DIR] [--full]

The clips of a benchmark folder are encoded alike, without what merchants declare, and indexed as
single videos and joined into videos of 7, 30 and 120 minutes. Where clips repeat to fill the time,
each repetition is an occurrence, and only a span that meets it finds it. Precision is judged by
spans: of pairs of a video and a product nearly all are right where a video shows most of a shop.
Then, with models that are fakes: the peak of a whole run over a video of six hours against one of
five minutes, and kills of a run over 30 minutes.
"""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.harness import (
    EXAMPLE_SHOP,
    ROOT,
    Bar,
    Count,
    TreeMeter,
    bench_folder,
    conclude,
    copy_without_answers,
    parse,
    parser_of,
)
from benchmarks.joining import (
    Clip,
    Occurrence,
    common_size,
    encode_alike,
    join,
    links_of,
    order,
)
from benchmarks.long_video_worker import CHUNK_DONE
from benchmarks.same_rows import differing_rows
from benchmarks.shop import measure
from reelshelf.indexer.store.tables import Store
from tests.support.clips import TEN_COLORS, write_long
from tests.support.shops import product_row, write_lines

Span = tuple[int, int]
_THRESHOLD = 0.5
_MINUTES = (7, 30, 120)


@dataclass(frozen=True, slots=True)
class Found:
    """What is predicted of occurrences: recall, by quarter, precision of spans and pairs, tIoU."""

    recall: float
    quarters: tuple[float, ...]
    span_precision: float
    pair_precision: float
    tiou: float


def found(occurrences: Sequence[Occurrence], links: Iterable[dict[str, object]]) -> Found:
    """Compare links (as links.jsonl holds them) with what occurs.

    The tIoU of an occurrence is that of the spans that meet it with all true spans of its product
    which these meet: a span that holds two repetitions in a row is right.
    """
    predicted: dict[tuple[object, object], list[Span]] = {}
    for link in links:
        if float(str(link["score"])) >= _THRESHOLD:
            spans = [(int(a), int(b)) for a, b in link["intervals"]]  # type: ignore[attr-defined]
            predicted[link["video_id"], link["sku"]] = spans
    true: dict[tuple[object, object], list[Span]] = defaultdict(list)
    for item in occurrences:
        true[item.video_id, item.sku] += item.spans
    hits, overlaps = [], []
    for item in occurrences:
        pair = item.video_id, item.sku
        meeting = [s for s in predicted.get(pair, ()) if _meets(s, item.spans)]
        hits.append((item.quarter, bool(meeting)))
        if meeting:
            overlaps.append(_iou(meeting, [t for t in true[pair] if _meets(t, meeting)]))
    right = [
        _meets(span, true.get(pair, ())) for pair, spans in predicted.items() for span in spans
    ]
    pairs = [pair in true for pair in predicted]
    return Found(
        recall=_mean(hit for _, hit in hits),
        quarters=tuple(_mean(hit for at, hit in hits if at == quarter) for quarter in range(4)),
        span_precision=_mean(right) if right else 0.0,
        pair_precision=_mean(pairs) if pairs else 0.0,
        tiou=median(overlaps) if overlaps else 0.0,
    )


def _meets(span: Span, others: Iterable[Span]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in others)


def _mean(values: Iterable[bool]) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 1.0


def _iou(some: Sequence[Span], others: Sequence[Span]) -> float:
    marks = sorted({edge for span in (*some, *others) for edge in span})
    shared = joined = 0
    for start, end in pairwise(marks):
        inside = _meets((start, end), some), _meets((start, end), others)
        shared += (end - start) * all(inside)
        joined += (end - start) * any(inside)
    return shared / joined


def clips_of(bench: Path, folder: Path) -> list[Clip]:
    """All clips of a benchmark folder, encoded alike."""
    labels = {row["video_id"]: row for row in _lines(bench / "labels.jsonl")}
    rows = _lines(bench / "videos.jsonl")
    size = common_size([bench / row["file"] for row in rows])
    clips = []
    for row in rows:
        path = folder / f"{row['video_id']}.mkv"
        length_ms = encode_alike(bench / row["file"], path, size)
        clips.append(Clip(row["video_id"], path, length_ms, links_of(labels[row["video_id"]])))
    return clips


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def indexed(
    shop: Path, videos: dict[str, Path], scratch: Path
) -> tuple[dict[str, float], list[dict[str, object]]]:
    """Index videos with the catalog of a shop: figures, and links.jsonl."""
    write_lines(
        shop / "videos.jsonl",
        [{"video_id": name, "file": str(path.relative_to(shop))} for name, path in videos.items()],
    )
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        figures = measure(shop, Path(store), scratch, None)
    return figures, [dict(row) for row in _lines(scratch / "links.jsonl")]


def alone_and_joined(
    bench: Path, scratch: Path, lengths: Sequence[int]
) -> tuple[dict[str, float], list[Bar]]:
    """Figures of all clips alone and joined to each length, and what is asked of them."""
    shop, media = scratch / "shop", scratch / "shop" / "alike"
    copy_without_answers(bench, shop)
    media.mkdir()
    clips = clips_of(bench, media)
    once = [Occurrence(c.video_id, sku, spans, 0) for c in clips for sku, spans in c.links]
    taken, links = indexed(shop, {clip.video_id: clip.path for clip in clips}, scratch)
    alone = found(once, links)
    figures = {
        "alone_recall": alone.recall,
        "alone_span_precision": alone.span_precision,
        "alone_pair_precision": alone.pair_precision,
        "alone_tiou": alone.tiou,
        "alone_cpu_s_per_minute": taken["cpu_s_per_video_minute"],
    }
    asked = []
    for minutes in lengths:
        occurrences, videos = [], {}
        for number, part in enumerate(order(clips, minutes, seed=minutes)):
            name = f"joined-{minutes}-{number}"
            videos[name] = media / f"{name}.mkv"
            occurrences += join(part, videos[name], name)
        taken, links = indexed(shop, videos, scratch)
        joined = found(occurrences, links)
        for path in videos.values():
            path.unlink()
        own = f"joined_{minutes}"
        figures |= {
            f"{own}_recall": joined.recall,
            f"{own}_worst_quarter": min(joined.quarters),
            f"{own}_span_precision": joined.span_precision,
            f"{own}_pair_precision": joined.pair_precision,
            f"{own}_tiou": joined.tiou,
            f"{own}_cpu_s_per_minute": taken["cpu_s_per_video_minute"],
            f"{own}_peak_gb": taken["peak_pss_gb"],
            f"{own}_occurrences": float(len(occurrences)),
        }
        least = {
            "recall": (joined.recall, alone.recall - 0.03),
            "recall, worst quarter": (min(joined.quarters), alone.recall - 0.06),
            "precision of spans": (joined.span_precision, alone.span_precision),
            "tIoU": (joined.tiou, 0.95 * alone.tiou),
        }
        asked += [
            Bar(f"{minutes} min: {what}", got, wanted, at_least=True)
            for what, (got, wanted) in least.items()
        ]
    return figures, asked


def of_colors(folder: Path, name: str, minutes: int) -> Path:
    """A small video of this length, of pictures that change every two seconds."""
    part, path = folder / "part.mkv", folder / name
    write_long(part, TEN_COLORS * 3)
    minute = folder / "minute.mkv"
    length_ms = encode_alike(part, minute, (640, 360))
    join([Clip("minute", minute, length_ms, ())] * minutes, path, name)
    return path


def start(folder: Path, store: Path) -> "subprocess.Popen[str]":
    """Begin a run over the shop of `folder` with models that are fakes."""
    command = [sys.executable, "-m", "benchmarks.long_video_worker", str(folder), str(store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def finish(worker: "subprocess.Popen[str]") -> int:
    """How many chunks were done by a run that must succeed."""
    out, _ = worker.communicate()
    if worker.returncode != 0:
        raise SystemExit(f"the worker ended with exit code {worker.returncode}")
    return out.count(CHUNK_DONE)


def set_video(folder: Path, video: Path) -> None:
    """A shop of one product and this video."""
    write_lines(folder / "products.jsonl", [product_row("red") | {"images": []}])
    write_lines(folder / "videos.jsonl", [{"video_id": "long", "file": str(video)}])


def peaks(folder: Path, hours: int) -> dict[str, float]:
    """Peak memory of a whole run over five minutes and over hours of video."""
    figures = {}
    for name, minutes in (("short", 5), ("long", hours * 60)):
        video = of_colors(folder, f"{name}.mkv", minutes)
        set_video(folder, video)
        with tempfile.TemporaryDirectory(dir=folder) as store:
            worker = start(folder, Path(store) / "store")
            meter = TreeMeter(worker.pid)
            finish(worker)
            meter.stop()
        video.unlink()
        figures[f"{name}_peak_mb"] = meter.peak_pss / 1e6
    return figures | {"long_over_short": figures["long_peak_mb"] / figures["short_peak_mb"]}


def kills(folder: Path, points: int) -> dict[str, float]:
    """SIGKILL at points of a run over half an hour, and the run after it.

    Every second point is where a chunk has just ended, the others are in the middle of the next.
    """
    set_video(folder, of_colors(folder, "half.mkv", 30))
    whole = folder / "whole"
    began = time.monotonic()
    count = finish(start(folder, whole))
    pace = (time.monotonic() - began) / (count + 2)
    differing = most_again = with_chunks = 0
    for number in range(points):
        chunk = number // 2 * (count - 1) // max(1, points // 2)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            store = Path(scratch) / "store"
            worker = start(folder, store)
            ended = wait_for_chunks(worker, chunk + 1)
            time.sleep(pace / 2 if number % 2 else 0)
            worker.send_signal(signal.SIGKILL)
            rest, _ = worker.communicate()
            ended += rest.count(CHUNK_DONE)
            with_chunks += worker.returncode == -signal.SIGKILL
            again = finish(start(folder, store)) + ended - count
            most_again = max(most_again, again)
            stores = (Store.open(str(store)), Store.open(str(whole)))
            differing += sum(differing_rows(*stores, notes=False).values())
    return {
        "chunks": float(count),
        "killed_with_chunks_done": float(with_chunks),
        "rows_that_differ": float(differing),
        "most_chunks_done_again": float(most_again),
    }


def wait_for_chunks(worker: "subprocess.Popen[str]", count: int) -> int:
    """Wait until a run has done so many chunks."""
    assert worker.stdout is not None
    found = 0
    while found < count:
        line = worker.stdout.readline()
        if not line:
            raise SystemExit(f"the worker ended after {found} chunks")
        found += CHUNK_DONE in line
    return found


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--minutes", type=int, nargs="*", metavar="M", help="lengths to join to")
    args = parse(parser, hours=Count(1, 6), kills=Count(2, 10))
    lengths = args.minutes
    if lengths is not None:
        args.judged = False
    else:
        lengths = list(_MINUTES) if args.full else [_MINUTES[0]]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        figures, asked = alone_and_joined(args.bench, scratch, lengths) if lengths else ({}, [])
        small = scratch / "small"
        small.mkdir()
        if args.hours:
            figures |= peaks(small, args.hours)
            ratio = figures["long_over_short"]
            asked.append(Bar("peak, long over short", ratio, 1.2, at_least=False))
        if args.kills:
            figures |= kills(small, args.kills)
            killed, again = figures["killed_with_chunks_done"], figures["most_chunks_done_again"]
            asked.append(Bar("kills with chunks done", killed, 10, at_least=True))
            differing = figures["rows_that_differ"]
            asked.append(Bar("rows that differ after a kill", differing, 0, at_least=False))
            # The one that is being written when its end is told.
            asked.append(Bar("chunks done again", again, 1, at_least=False))
    return conclude("long_video", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
