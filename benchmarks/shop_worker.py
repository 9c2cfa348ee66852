"""The measured part of benchmarks.shop: ingest a folder, answer its queries.

Runs as a process of its own, on a copy of the folder that holds no answers. Says on standard output
when each stage begins, as JSON lines.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import write_lines
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import Stage
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import require_served
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines import make_engine
from reelshelf.models.pictures import load_picture
from reelshelf.models.registry import load_image_encoder, load_joint_text, load_query_encoder
from reelshelf.schemas.config import Config, load_config
from reelshelf.schemas.links import ProductLink

_RESULTS = 20


def say(event: str, **values: object) -> None:
    """Tell the measuring process."""
    print(json.dumps({"event": event, **values}), flush=True)


class _Silent:
    def advance(self, count: int = 1) -> None:
        """Stages are measured from outside."""


class EventProgress:
    """Says when each stage begins."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Stage]:
        """Begin a stage."""
        say("stage", name=name, total=total)
        yield _Silent()


def run(folder: Path, store: str, out: Path, config: Config) -> None:
    """Ingest, search, and write links.jsonl, results.jsonl and dups.jsonl."""
    request = IngestRequest(
        str(folder / "catalog" / "products.jsonl"), str(folder / "videos.jsonl"), store
    )
    result = ingest(request, config, make_engine, EventProgress()).or_raise()
    say(
        "published",
        tally=[result.tally.submitted, result.tally.indexed, result.tally.failed],
        calls=result.calls,
        spent={stage.value: spent.cpu_s for stage, spent in result.spent.items()},
    )
    opened = Store.open(store)
    release = require_served(opened)
    links = released_links(ReleaseSnapshot.of(opened, release))
    write_lines(out / "links.jsonl", [link_line(video_id, link) for video_id, _, link in links])
    videos = opened.table("videos", release.table_version("videos")).to_arrow()
    minutes = sum(videos["duration_ms"].to_pylist()) / 60_000
    write_lines(
        out / "dups.jsonl",
        duplicates(videos["video_id"].to_pylist(), videos["duplicate_cluster"].to_pylist()),
    )
    encoders = QueryEncoders(
        load_query_encoder(config), load_image_encoder(config), load_joint_text(config)
    )
    searcher = Searcher(ReleaseSnapshot.of(opened, release), encoders, config.search)
    answers, taken = answer(searcher, folder)
    write_lines(out / "results.jsonl", answers)
    answered = sum(bool(row["answered"]) for row in answers) / len(answers)
    query_ms = sorted(taken["text"] + taken["image"])
    say("searched", minutes=minutes, query_ms=query_ms, answered=answered)


def answer(
    searcher: Searcher, folder: Path
) -> tuple[list[dict[str, object]], dict[str, list[float]]]:
    """Answer queries.jsonl; also the milliseconds that each answer took, by "text" or "image".

    A result stands for its duplicate cluster; the cluster is listed in its place.
    """
    answers: list[dict[str, object]] = []
    taken: dict[str, list[float]] = {"text": [], "image": []}
    for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
        query = json.loads(line)
        kind = "image" if query.get("image") else "text"
        began = time.perf_counter()
        if kind == "image":
            given = searcher.search_image(load_picture(folder / query["image"]), k=_RESULTS)
        else:
            given = searcher.search_text(query["text"], k=_RESULTS)
        taken[kind].append((time.perf_counter() - began) * 1000)
        # What came closest is shown too, apart: it is how a searcher orders that is scored.
        found = [video_id for hit in given.ranked for video_id in (hit.video_id, *hit.copies)]
        row = {"query_id": query["query_id"], "results": found, "answered": given.answered}
        answers.append(row)
    return answers, taken


def duplicates(ids: list[str], clusters: list[str]) -> list[dict[str, object]]:
    """Every video but the first of its cluster, with that first one."""
    first: dict[str, str] = {}
    rows: list[dict[str, object]] = []
    for video_id, cluster in sorted(zip(ids, clusters, strict=True)):
        original = first.setdefault(cluster, video_id)
        if original != video_id:
            rows.append({"video_id": video_id, "duplicate_of": original})
    return rows


def link_line(video_id: str, link: ProductLink) -> dict[str, object]:
    """A link in the scorer's form."""
    return {
        "video_id": video_id,
        "sku": link.sku,
        "score": link.score,
        "intervals": [[span.start_ms, span.end_ms] for span in link.spans],
    }


def main() -> int:
    """Parse the command line of the measuring process."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("store")
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path)
    args = parser.parse_args()
    run(args.folder, args.store, args.out, load_config(args.config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
