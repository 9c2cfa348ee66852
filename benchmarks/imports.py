"""What importing a searcher's packages costs, beside numpy, pyarrow and lancedb alone.

    python -m benchmarks.imports

Each import is timed in fresh processes, the two kinds alternating. Resident memory is read at the
end of the import.
"""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.harness import Bar, conclude, parse, parser_of

_BASE = "numpy, pyarrow, lancedb"
_OURS = f"{_BASE}, reelshelf.indexer.store, reelshelf.indexer.search"
_RUNS = 7
_CODE = """
import json, resource, time
began = time.perf_counter()
import {modules}
taken = time.perf_counter() - began
kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([taken, kib / 1024]))
"""
_HELP = """
import json, subprocess, sys, time
began = time.perf_counter()
subprocess.run([sys.executable, "-m", "reelshelf.jobs.cli", "--help"], stdout=subprocess.DEVNULL)
print(json.dumps([time.perf_counter() - began, 0]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and MiB of an import: medians over fresh processes."""

    seconds: float
    mib: float


def measure(code: str) -> Cost:
    """One run of `code`, which prints seconds and MiB."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, mib = json.loads(done.stdout)
    return Cost(seconds, mib)


def median(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.mib for cost in costs),
    )


def main() -> int:
    """Measure and print."""
    args = parse(parser_of(__doc__))
    measure(_CODE.format(modules=_OURS))  # compiled, and in the page cache
    base, ours, helps = [], [], []
    for _ in range(_RUNS):
        base.append(measure(_CODE.format(modules=_BASE)))
        ours.append(measure(_CODE.format(modules=_OURS)))
        helps.append(measure(_HELP))
    alone, with_ours, shown = median(base), median(ours), median(helps)
    figures = {
        "base_s": alone.seconds,
        "base_mib": alone.mib,
        "with_searcher_s": with_ours.seconds,
        "with_searcher_mib": with_ours.mib,
        "help_s": shown.seconds,
    }
    asked = [
        Bar("seconds more", with_ours.seconds - alone.seconds, 0.2, at_least=False),
        Bar("MiB more", with_ours.mib - alone.mib, 30, at_least=False),
        Bar("reelshelf --help, seconds", shown.seconds, 0.3, at_least=False),
    ]
    return conclude("imports", figures, asked, args.out)


if __name__ == "__main__":
    sys.exit(main())
