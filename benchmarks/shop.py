"""Ingest a benchmark folder and answer its queries, measured from outside.

    python -m benchmarks.shop [BENCH_DIR] [--out DIR] [--config TOML] [--score SCORE_PY] [--full]

BENCH_DIR is the measuring shop where REELSHELF_BENCH names it, else the example shop. It holds
catalog/products.jsonl with catalog/images, videos.jsonl with videos/, and
queries.jsonl. What is measured works on a copy without labels.jsonl and without the `relevant_*`
fields: it cannot see an answer. DIR receives links.jsonl, results.jsonl, dups.jsonl, figures.json.
With a scorer (default: score.py beside BENCH_DIR, if there) and labels, quality is scored too.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import (
    EXAMPLE_SHOP,
    ROOT,
    Bar,
    TreeMeter,
    bench_folder,
    conclude,
    copy_without_answers,
    parse,
    parser_of,
)


def measure(
    folder: Path, store: Path, out: Path, config: Path | None, code: Path = ROOT
) -> dict[str, float]:
    """Run the worker on `folder`, of the code in `code`; its figures, by name."""
    command = [sys.executable, "-m", "benchmarks.shop_worker"]
    command += [str(path.resolve()) for path in (folder, store, out)]
    command += ["--config", str(config.resolve())] if config else []
    return measured(command, code)


def measured(command: Sequence[str], code: Path) -> dict[str, float]:
    """Run a worker that tells its stages on standard output; what it took, by name.

    What it takes before its stage "plan" is no part of that: models are loaded then.
    """
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=code)
    meter = TreeMeter(worker.pid)
    figures: dict[str, float] = {}
    began = cpu = pictures = 0.0
    assert worker.stdout is not None
    for line in worker.stdout:
        event = json.loads(line)
        if event["event"] == "stage":
            if pictures:
                figures["pictures_cpu_s"], pictures = meter.cpu_seconds() - pictures, 0.0
            if event["name"] == "plan":
                began, cpu = time.monotonic(), meter.cpu_seconds()
            elif event["name"] == "pictures":
                figures["pictures"], pictures = event["total"], meter.cpu_seconds()
        elif event["event"] == "published":
            figures["wall_s"] = time.monotonic() - began
            figures["cpu_s"] = meter.cpu_seconds() - cpu
            figures["peak_pss_gb"] = meter.peak_pss / 1e9
            figures["submitted"], figures["indexed"], figures["failed"] = event["tally"]
            for stage, seconds in event.get("spent", {}).items():
                figures[f"cpu_s_{stage}"] = seconds
        elif event["event"] == "searched":
            taken = event["query_ms"]
            figures["video_minutes"] = event["minutes"]
            if "answered" in event:
                figures["queries_answered"] = event["answered"]
            figures["query_p50_ms"] = taken[len(taken) // 2]
            figures["query_p95_ms"] = taken[int(len(taken) * 0.95)]
    meter.stop()
    if worker.wait() != 0:
        raise SystemExit(f"the worker ended with exit code {worker.returncode}")
    if "video_minutes" in figures:
        figures["cpu_s_per_video_minute"] = figures["cpu_s"] / figures["video_minutes"]
        figures["wall_s_per_video_minute"] = figures["wall_s"] / figures["video_minutes"]
    return figures


def score(scorer: Path, bench: Path, out: Path) -> dict[str, float]:
    """Quality as the scorer sees it. The only reader of the labels."""
    command = [sys.executable, str(scorer), "--json", "--bench", str(bench)]
    command += ["--links", str(out / "links.jsonl"), "--search", str(out / "results.jsonl")]
    command += ["--dups", str(out / "dups.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    scored = json.loads(done.stdout)
    links, search = scored["links"], scored["search"]["by_kind"]
    figures = {
        "link_f1": links["given"]["f1"],
        "link_precision": links["given"]["p"],
        "link_recall": links["given"]["r"],
        "average_precision": links["average_precision"],
        "r5_all": search["all"]["r5"],
        "mrr_all": search["all"]["mrr"],
        "duplicates_f1": scored["duplicates"]["f1"],
    }
    if links["given"]["tnr"] is not None:
        figures["true_negative_rate"] = links["given"]["tnr"]
    return figures | {f"r5_{kind}": row["r5"] for kind, row in search.items() if kind != "all"}


def bars(figures: dict[str, float]) -> list[Bar]:
    """What this benchmark asks for. Six minutes for 15.4 minutes of video are 23.4 s a minute."""
    outcomes = figures["indexed"] + figures["failed"]
    asked = [
        Bar("videos with an outcome", outcomes, figures["submitted"], at_least=True),
        Bar("CPU s per video minute", figures["cpu_s_per_video_minute"], 20.0, at_least=False),
        Bar("wall s per video minute", figures["wall_s_per_video_minute"], 23.4, at_least=False),
        Bar("peak memory, GB of PSS", figures["peak_pss_gb"], 6.0, at_least=False),
    ]
    if "link_f1" in figures:
        asked.append(Bar("link F1 at 0.5", figures["link_f1"], 0.62, at_least=True))
        asked.append(Bar("R@5, all queries", figures["r5_all"], 0.65, at_least=True))
    if "rows_that_differ" in figures:
        asked.append(Bar("rows that differ", figures["rows_that_differ"], 0, at_least=False))
    return asked


def main() -> int:
    """Measure, score, print, compare with the bars."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--config", type=Path, metavar="TOML")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    parser.add_argument("--twice", action="store_true", help="run again and compare all rows")
    args = parse(parser)
    scorer = args.score or args.bench.resolve().parent / "score.py"
    with tempfile.TemporaryDirectory() as scratch:
        copy, store = Path(scratch) / "bench", Path(scratch) / "store"
        out: Path = args.out or Path(scratch)
        copy_without_answers(args.bench, copy)
        figures = measure(copy, store, out, args.config)
        if args.twice or args.full:
            from benchmarks.same_rows import differing_rows
            from reelshelf.indexer.store.tables import Store

            measure(copy, Path(scratch) / "again", out, args.config)
            stores = (Store.open(str(store)), Store.open(str(Path(scratch) / "again")))
            differing = differing_rows(*stores)
            figures |= {f"{name}_that_differ": count for name, count in differing.items()}
            figures["rows_that_differ"] = sum(differing.values())
        if scorer.is_file() and (args.bench / "labels.jsonl").is_file():
            figures |= score(scorer, args.bench, out)
    return conclude("shop", figures, bars(figures), args.out)


if __name__ == "__main__":
    sys.exit(main())
