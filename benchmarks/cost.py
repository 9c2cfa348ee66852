"""What a shop costs: this code beside the one before it and a plain loop, in one run.

    python -m benchmarks.cost [BENCH_DIR] [--before CHECKOUT] [--rounds N] [--out DIR] [--full]

CHECKOUT is a folder with the commit 37f787e (`git worktree add CHECKOUT 37f787e`), or another from
before the packages had an import name of their own: it runs in this environment, and what is
imported under that name is the code here. The three take turns, so that what else a machine does
is shared among them, and the median of their CPU seconds is compared. Nothing else may run beside.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.harness import (
    EXAMPLE_SHOP,
    ROOT,
    Bar,
    Count,
    bench_folder,
    conclude,
    copy_without_answers,
    parse,
    parser_of,
)
from benchmarks.shop import measure, measured

_COMPARED = ("cpu_s", "pictures_cpu_s", "wall_s")


def rounds(folder: Path, before: Path | None, count: int) -> dict[str, float]:
    """Median figures of each, named by who they are of."""
    found: dict[str, list[dict[str, float]]] = {"now": [], "before": [], "loop": []}
    for _ in range(count):
        for name, code in (("now", ROOT), ("before", before)):
            if code is not None:
                with tempfile.TemporaryDirectory() as scratch:
                    store, out = Path(scratch) / "store", Path(scratch)
                    found[name].append(measure(folder, store, out, None, code))
        loop = [sys.executable, "-m", "benchmarks.plain_loop", str(folder)]
        found["loop"].append(measured(loop, ROOT))
    return {
        f"{name}_{key}": median(run[key] for run in runs)
        for name, runs in found.items()
        if runs
        for key in runs[0]
        if key in _COMPARED or key.startswith("cpu_s_") or key == "pictures"
    }


def main() -> int:
    """Measure, compare, print."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    args = parse(parser, rounds=Count(1, 3))
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "bench"
        copy_without_answers(args.bench, copy)
        figures = rounds(copy, args.before, args.rounds)
    each = figures["now_pictures_cpu_s"] / max(figures["now_pictures"], 1)
    figures["share_of_loop"] = figures["now_cpu_s"] / figures["loop_cpu_s"]
    asked = [
        Bar("CPU, share of the plain loop's", figures["share_of_loop"], 0.4, at_least=False),
        Bar("CPU s of a catalog picture", each, 0.12, at_least=False),
    ]
    if args.before is not None:
        figures["share_of_before"] = figures["now_cpu_s"] / figures["before_cpu_s"]
        figures["before_share_of_loop"] = figures["before_cpu_s"] / figures["loop_cpu_s"]
        share = figures["share_of_before"]
        asked.append(Bar("CPU, share of the code before", share, 0.5, at_least=False))
    return conclude("cost", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
