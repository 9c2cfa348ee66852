"""What building and searching an index takes, from a hundred thousand rows to a million.

    python -m benchmarks.index_scale [--out DIR] [--sizes N ...] [--dim D] [--build HOW]

Each measurement is a process of its own, so that its peak memory is that of one size. Making the
vectors is not counted. Beside the project's build: FAISS alone, training and adding the same rows
with the same sizes; and Lance alone, training by itself. Lance is ended after a time limit, and not
begun where the smaller sizes say that it would take longer: its figure is then extrapolated by a
power law, and says so. At the middle size both ways to build are timed.

Recall and latency are of fresh vectors, at the parameters that tuning chose.
"""

import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, conclude, parse, parser_of

ROOT = Path(__file__).parent.parent
_BUILDS = ("fragments", "buffers")


@dataclass(frozen=True, slots=True)
class Size:
    """The figures of one size, by name."""

    rows: int
    figures: dict[str, float]


@dataclass(frozen=True, slots=True)
class Asked:
    """What every size is measured with."""

    folder: Path
    dim: int
    queries: int
    build: str
    lance_limit: float


def worker(what: str, store: Path, *options: str, limit: float | None = None) -> dict[str, float]:
    """One measurement in its own process; nothing where it is not done within `limit` seconds."""
    command = [sys.executable, "-m", "benchmarks.index_scale_worker", what, str(store), *options]
    try:
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {}
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def measure(rows: int, both: bool, smaller: list[Size], asked: Asked) -> Size:
    """Everything about one size."""
    store = asked.folder / f"store{rows}"
    shape = ["--rows", str(rows), "--dim", str(asked.dim), "--queries", str(asked.queries)]
    worker("fill", store, *shape)
    other = next(build for build in _BUILDS if build != asked.build)
    # The index that is searched is built last. Nothing is known of the first, so it is built anew.
    figures: dict[str, float] = {}
    if both:
        found = worker("build", store, "--build", other)
        figures |= {f"{other}_{name}": value for name, value in found.items()}
    figures |= worker("build", store, "--build", asked.build)
    figures |= worker("search", store, *shape)
    figures |= worker("faiss", store)
    expected = extrapolated(smaller, rows)
    if expected is None or expected <= asked.lance_limit:
        figures |= worker("lance", store, limit=asked.lance_limit)
    if "lance_s" not in figures and expected is not None:
        figures["lance_extrapolated_s"] = expected
    return Size(rows, figures)


def extrapolated(smaller: list[Size], rows: int) -> float | None:
    """Seconds that Lance alone would take, by a power law through the last two sizes measured."""
    known = [(s.rows, s.figures["lance_s"]) for s in smaller if "lance_s" in s.figures][-2:]
    if len(known) < 2:
        return None
    (few, short), (many, long) = known
    exponent = math.log(long / short) / math.log(many / few)
    return float(long * (rows / many) ** exponent)


_PART, _FULL = (20_000, 60_000), (100_000, 300_000, 1_000_000)


def show(sizes: list[Size]) -> None:
    """Print the curve."""
    columns = ["build_s", "build_cpu_s", "train_s", "encode_s", "tune_s", "peak_gb"]
    columns += ["faiss_train_s", "faiss_add_s", "lance_s", "recall", "p50_ms", "p95_ms"]
    table = Table("rows", *columns, "probes", "refine")
    for size in sizes:
        found = size.figures
        cells = [f"{found[name]:.4g}" if name in found else "-" for name in columns]
        if "lance_extrapolated_s" in found:
            cells[columns.index("lance_s")] = f"{found['lance_extrapolated_s']:.4g} (extrapolated)"
        probes = f"{found['nprobes']:.0f}/{found['partitions']:.0f}"
        table.add_row(str(size.rows), *cells, probes, f"{found['refine_factor']:.0f}")
    Console(width=160).print(table)


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N")
    parser.add_argument("--dim", type=int, default=512, metavar="D")
    parser.add_argument("--queries", type=int, default=500, metavar="N")
    parser.add_argument("--build", choices=_BUILDS, default="fragments")
    parser.add_argument("--lance-limit", type=float, default=600.0, metavar="S")
    args = parse(parser)
    sizes: list[Size] = []
    ordered = sorted(args.sizes or (_FULL if args.full else _PART))
    for rows in ordered:
        with tempfile.TemporaryDirectory() as name:
            asked = Asked(Path(name), args.dim, args.queries, args.build, args.lance_limit)
            sizes.append(measure(rows, rows == ordered[len(ordered) // 2], sizes, asked))
        print(json.dumps({"rows": rows, **sizes[-1].figures}), file=sys.stderr, flush=True)
    show(sizes)
    largest = sizes[-1].figures
    asked_for = [
        Bar(f"peak memory at {ordered[-1]} rows, GB", largest["peak_gb"], 3.0, at_least=False),
        Bar(f"recall@10 at {ordered[-1]} rows", largest["recall"], 0.95, at_least=True),
    ]
    figures = {f"{s.rows}_{name}": value for s in sizes for name, value in s.figures.items()}
    return conclude("index_scale", figures, asked_for, args.out, judged=ordered[-1] >= _FULL[-1])


if __name__ == "__main__":
    sys.exit(main())
