"""Cycles of publishing, going back and publishing again, under readers that never stop.

In every cycle everything changes: each product and each video gets the cycle's number as its
merchant, so the rows of one release carry one number, and links the run that made them. Cycles take
turns: in one a run publishes, somebody goes back and publishes again; in the next somebody goes
back first, the run is held back, and `publish` ends the hold. Every few cycles old releases are let
go of, with no grace at all: what a reader looks at for one answer is among the newest three then,
unless the answer takes longer than a cycle, which is why the slowest answer is among the bars.

Two readers follow the head for every answer, one by the one row it names, one in the project's own
way. The third holds an old release by tags of its own, which is pruned beneath it, to the end. An
answer counts rows of every table, scans all of them, and asks the vector index (IVF-PQ, as the plan
of every query has to say), the key index and the full-text index of segments. It is mixed where a
row is of another number than the others, or a table has not the rows that the record says.
"""

import datetime as dt
import multiprocessing as mp
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import pyarrow as pa

from benchmarks.builds import load, made_video
from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.pipeline.ingest import IngestResult
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import prune_store, publish, verify
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.nearest import query_for
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.tables import Store, among
from reelshelf.models.protocols import TextDetector
from reelshelf.schemas.config import Config
from reelshelf.schemas.errors import GateRefused
from reelshelf.schemas.media import DecodedVideo
from reelshelf.schemas.outcomes import Failed, VideoJob
from reelshelf.schemas.release import Release
from tests.support.shops import COLORS, Shop, make_many, product_row, small_config

# Few videos of many moments: enough of these for an IVF-PQ index over frames and over texts.
CONFIG = small_config(index={"kind": "ivf_pq", "partitions": 4, "sub_vectors": 8})
_MOMENTS = 64
_KEEP = 3
_PRUNED_EVERY = 5
_NO_GRACE = dt.timedelta(0)
_MOST_SHOWN = 5


@dataclass
class Read:
    """What one reader has seen. `marks` are the numbers it found, by release."""

    kind: str
    answers: int = 0
    slowest_s: float = 0.0
    marks: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)


@dataclass
class Driven:
    """What the cycles came to: seconds of every rollback and cycle, the number of each release."""

    rollbacks: list[float] = field(default_factory=list)
    cycles: list[float] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    pruned: int = 0
    versions: int = 0
    held_back: int = 0
    wrong: list[str] = field(default_factory=list)


def decode(
    job: VideoJob, config: Config, _detector: TextDetector | None = None
) -> DecodedVideo | Failed:
    """Make up a long video from the number in its file."""
    del config
    content = Path(job.source.path).read_bytes()
    return made_video(content, int(content), _MOMENTS)


def mark_of(cycle: int) -> str:
    """What every row of a cycle's releases carries."""
    return f"cycle-{cycle}"


def mark(shop: Shop, cycle: int, videos: int) -> None:
    """Have every product and every video belong to the cycle."""
    shop.set_products([product_row(n) | {"merchant_id": mark_of(cycle)} for n in COLORS])
    shop.set_videos(
        [
            {"video_id": f"v{i}", "file": f"videos/v{i}.mp4", "merchant_id": mark_of(cycle)}
            for i in range(videos)
        ]
    )


def served_by_head(store: Store) -> Release:
    """The served release by one row of the head and one of the releases."""
    serving = read_head(store).serving
    assert serving is not None
    found = store.scan("releases", ["record"], among("run_id", [serving]))
    return Release.model_validate_json(found["record"][0].as_py())


def answer(store: Store, release: Release) -> tuple[str, list[str]]:
    """Ask a release in every way; the number its rows carry, and what does not belong together."""
    seen = store.of(release.generation)
    pinned = {t.name: seen.table(t.name, t.version).to_lance() for t in release.tables}
    wrong = [
        f"{t.name} has {rows} rows, not {t.rows}"
        for t in release.tables
        if (rows := pinned[t.name].count_rows()) != t.rows
    ]
    videos = pinned["videos"].to_table(columns=["video_key", "merchant_id", "run_id"])
    segments = pinned["segments"].to_table(columns=["video_key", "merchant_id", "frame_vector"])
    products = pinned["products"].to_table(columns=["merchant_id"])
    links = pinned["links"].to_table(columns=["video_key", "run_id"])
    known = among("video_key", videos["video_key"].to_pylist()[:1])
    vector = vector_matrix(segments["frame_vector"].slice(0, 1))[0]
    index = release.index_of("segments", "frame_vector")
    near = query_for(seen.table("segments", release.table_version("segments")), "frame_vector",
                     vector, index).select(["merchant_id", "_distance"]).limit(10)  # fmt: skip
    plan = near.explain_plan(True)
    if "ANN" not in plan or index.name not in plan:
        wrong.append(f"{index.table}.{index.column} is searched without its index")
    ways: dict[str, pa.Table] = {
        "videos": videos,
        "segments": segments,
        "products": products,
        "near": near.to_arrow(),
        "of a key": pinned["segments"].to_table(columns=["merchant_id"], filter=known),
        "of a word": pinned["segments"].to_table(
            columns=["merchant_id", "_score"], full_text_query="look", limit=10
        ),
    }
    marks = {way: set(rows["merchant_id"].to_pylist()) for way, rows in ways.items()}
    if len(set().union(*marks.values())) != 1 or not all(marks.values()):
        wrong.append(f"numbers are {marks}")
    runs = set(videos["run_id"].to_pylist())
    linked = set(links["run_id"].to_pylist())
    if len(runs) != 1 or linked != runs:
        wrong.append(f"videos are of runs {runs}, links of {linked}")
    if not set(links["video_key"].to_pylist()) <= set(videos["video_key"].to_pylist()):
        wrong.append("links of videos that are not there")
    return "/".join(sorted(map(str, marks["videos"]))), wrong


def ingest(shop: Shop, config: Config) -> IngestResult:
    """One run, with fakes for models."""
    return shop.ingest(config, load, decode)


def hold(store: Store, release: Release, tag: str) -> None:
    """Keep a release's tables with a reader's own tags."""
    for table in release.tables:
        store.of(release.generation).table(table.name).tags.create(tag, table.version)


def read_on(kind: str, uri: str, started: Event, ended: Event, results: "Queue[Read]") -> None:
    """Ask without a pause until the end; what was seen goes into `results`."""
    store = Store.open(uri)
    read = Read(kind)
    following: dict[str, Callable[[Store], Release]] = {
        "head": served_by_head,
        "newest": releases.require_served,
    }
    stored = releases.require_served(store)
    if kind == "holder":
        hold(store, stored, f"reader-{kind}")
    started.set()
    while not ended.is_set():
        began = time.monotonic()
        try:
            release = following[kind](store) if kind in following else stored
            found, wrong = answer(store, release)
        except Exception as error:  # noqa: BLE001 (any of them is what is counted)
            read.errors.append(f"{kind}: {type(error).__name__}: {error}"[:1000])
            continue
        read.slowest_s = max(read.slowest_s, time.monotonic() - began)
        read.answers += 1
        if read.marks.setdefault(release.release_id, found) != found:
            wrong.append(f"was {read.marks[release.release_id]}, is {found}")
        read.mixed += [f"{kind}: {release.release_id}: {what}" for what in wrong]
    results.put(read)


def go_back(store: Store, driven: Driven) -> None:
    """Roll back by one release, timed as a person would wait for it."""
    began = time.monotonic()
    left, served = releases.rollback(Store.open(store.uri))
    driven.rollbacks.append(time.monotonic() - began)
    if read_head(store).serving != served.run_id or left.run_id == served.run_id:
        driven.wrong.append(f"went from {left.release_id} to {served.release_id} and is not there")


def run_cycle(shop: Shop, config: Config, cycle: int, videos: int, driven: Driven) -> None:
    """One cycle: publish and go back, or go back and be held back; then publish by hand."""
    began = time.monotonic()
    store = Store.open(shop.request.store)
    mark(shop, cycle, videos)
    if cycle % 2:
        driven.marks[ingest(shop, config).newest.release_id] = mark_of(cycle)
        go_back(store, driven)
    else:
        go_back(store, driven)
        try:
            ingest(shop, config)
        except GateRefused:
            driven.held_back += 1
    result = publish(store.uri, config, NoProgress()).or_raise()
    driven.marks[result.newest.release_id] = mark_of(cycle)
    if not result.published or read_head(store).hold is not None:
        driven.wrong.append(f"cycle {cycle} did not end in a new release")
    if cycle % _PRUNED_EVERY == 0:
        done = prune_store(store.uri, config, keep=_KEEP, grace=_NO_GRACE, older_than=_NO_GRACE)
        driven.pruned += len(done.releases)
        driven.versions += done.versions
    driven.cycles.append(time.monotonic() - began)


def drive(shop: Shop, config: Config, cycles: int, videos: int) -> tuple[Driven, list[Read]]:
    """Run all cycles under readers that are processes of their own."""
    mark(shop, 0, videos)
    driven = Driven(marks={ingest(shop, config).newest.release_id: mark_of(0)})
    processes = mp.get_context("spawn")
    ended, results = processes.Event(), processes.Queue()
    readers = []
    for kind in ("head", "newest", "holder"):
        started = processes.Event()
        where = (kind, shop.request.store, started, ended, results)
        readers.append(processes.Process(target=read_on, args=where, daemon=True))
        readers[-1].start()
        if not started.wait(120):
            raise SystemExit(f"the reader {kind!r} did not start")
    try:
        for cycle in range(1, cycles + 1):
            run_cycle(shop, config, cycle, videos, driven)
            if cycle % _PRUNED_EVERY == 0:
                print(f"{cycle} cycles, {driven.cycles[-1]:.1f} s each", file=sys.stderr)
    finally:
        ended.set()
    reads = [results.get(timeout=120) for _ in readers]
    for reader in readers:
        reader.join()
    return driven, sorted(reads, key=lambda read: read.kind)


def measure(shop: Shop, config: Config, cycles: int, videos: int) -> dict[str, float]:
    """All cycles in figures; what went wrong is printed."""
    driven, reads = drive(shop, config, cycles, videos)
    store = Store.open(shop.request.store)
    verify(store.uri, config)
    there = {item.release_id for item in releases.list_releases(store)}
    stored = next(read for read in reads if read.kind == "holder").marks
    for read in reads:
        read.mixed += [
            f"{read.kind}: {name} is {found}, was published as {driven.marks[name]}"
            for name, found in read.marks.items()
            if name in driven.marks and driven.marks[name] != found
        ]
        for line in (*read.errors[:_MOST_SHOWN], *read.mixed[:_MOST_SHOWN]):
            print(line, file=sys.stderr)
    for line in driven.wrong[:_MOST_SHOWN]:
        print(line, file=sys.stderr)
    figures = {
        "cycles": len(driven.cycles),
        "releases_made": len(driven.marks),
        "releases_pruned": driven.pruned,
        "releases_left": len(there),
        "versions_pruned": driven.versions,
        "runs_held_back": driven.held_back,
        "rollbacks": len(driven.rollbacks),
        "rollback_slowest_s": max(driven.rollbacks),
        "rollback_median_s": sorted(driven.rollbacks)[len(driven.rollbacks) // 2],
        "cycle_fastest_s": min(driven.cycles),
        "held_release_was_pruned": float(not stored.keys() & there),
        "cycles_that_ended_wrong": len(driven.wrong),
        "errors": sum(len(read.errors) for read in reads),
        "mixed_answers": sum(len(read.mixed) for read in reads),
        "answer_slowest_s": max(read.slowest_s for read in reads),
    }
    for read in reads:
        figures[f"answers_{read.kind}"] = read.answers
        figures[f"releases_seen_{read.kind}"] = len(read.marks)
    return figures


def bars(figures: dict[str, float], cycles: int) -> list[Bar]:
    """What this benchmark asks for."""
    asked = [
        Bar("cycles", figures["cycles"], cycles, at_least=True),
        Bar("cycles that ended wrong", figures["cycles_that_ended_wrong"], 0, at_least=False),
        Bar("readers' errors", figures["errors"], 0, at_least=False),
        Bar("mixed answers", figures["mixed_answers"], 0, at_least=False),
        Bar("slowest rollback, s", figures["rollback_slowest_s"], 1.0, at_least=False),
        Bar("held release was pruned", figures["held_release_was_pruned"], 1, at_least=True),
        Bar(
            "slowest answer, s, within a cycle",
            figures["answer_slowest_s"],
            figures["cycle_fastest_s"],
            at_least=False,
        ),
    ]
    asked += [
        Bar(name.replace("_", " of reader "), found, 1, at_least=True)
        for name, found in figures.items()
        if name.startswith("answers_")
    ]
    return asked


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--videos", type=int, default=6)
    args = parse(parser, cycles=Count(8, 50))
    with tempfile.TemporaryDirectory() as name:
        shop = make_many(Path(name) / "shop", args.videos)
        for number in range(args.videos):
            (shop.root / "videos" / f"v{number}.mp4").write_text(str(number))
        figures = measure(shop, CONFIG, args.cycles, args.videos)
    return conclude(
        "release_cycles", figures, bars(figures, args.cycles), args.out, judged=args.judged
    )


if __name__ == "__main__":
    sys.exit(main())
