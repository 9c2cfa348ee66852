"""What benchmarks share: their options, their bars, a meter of processes, folders to measure on.

Every benchmark runs without arguments, on a part that takes minutes; `--full` takes the counts that
its bars name, and only then are they judged.
"""

import argparse
import contextlib
import json
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
EXAMPLE_SHOP = ROOT / "examples" / "shop"
_ANSWERS = ("labels.jsonl",)


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something a benchmark takes: in a part of it, and for its bars."""

    part: int
    full: int


def parser_of(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="DIR", help="where figures.json goes")
    parser.add_argument(
        "--full", action="store_true", help="the counts that the bars name; they are judged then"
    )
    return parser


def parse(parser: argparse.ArgumentParser, **counts: Count) -> argparse.Namespace:
    """Parse the command line; each count is an option too. `judged`: all are what bars name."""
    for name, count in counts.items():
        text = f"({count.part}; {count.full} with --full)"
        parser.add_argument(f"--{name}", type=int, metavar="N", help=text)
    args = parser.parse_args()
    args.judged = True
    for name, count in counts.items():
        if getattr(args, name) is None:
            setattr(args, name, count.full if args.full else count.part)
        args.judged = args.judged and getattr(args, name) >= count.full
    if args.out is not None:
        args.out.mkdir(parents=True, exist_ok=True)
    return args


def bench_folder(name: str) -> Path | None:
    """A folder of the measuring shop, below the one that REELSHELF_BENCH names; None without."""
    root = os.environ.get("REELSHELF_BENCH")
    folder = Path(root) / name if root else None
    return folder if folder is not None and folder.is_dir() else None


@dataclass(frozen=True)
class Bar:
    """One condition: its name, what was found, what was asked."""

    name: str
    found: float
    wanted: float
    at_least: bool

    @property
    def reached(self) -> bool:
        """Whether the bar was reached."""
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """One JSON object a line."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def copy_without_answers(source: Path, target: Path) -> None:
    """Copy a benchmark folder, leaving out everything that tells what is right."""
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns(*_ANSWERS), copy_function=shutil.copyfile
    )
    queries = target / "queries.jsonl"
    rows = [json.loads(line) for line in queries.read_text(encoding="utf-8").splitlines() if line]
    kept = [
        {name: value for name, value in row.items() if not name.startswith("relevant_")}
        for row in rows
    ]
    write_lines(queries, kept)


def conclude(
    name: str,
    figures: dict[str, float],
    asked: list[Bar],
    out: Path | None,
    *,
    judged: bool = True,
) -> int:
    """Print figures and bars, then one line of JSON. The exit code.

    Unless `judged`, the run was a part of what the bars name: they are shown, and miss nothing.
    """
    console = Console()
    table = Table("figure", "found", title=f"benchmarks.{name}", title_justify="left")
    for key, value in figures.items():
        table.add_row(key, f"{value:.4g}")
    console.print(table)
    checks = Table("bar" if judged else "bar (judged with --full)", "found", "wanted", "")
    for bar in asked:
        sign = ">=" if bar.at_least else "<="
        reached = "reached" if bar.reached else "MISSED"
        checks.add_row(bar.name, f"{bar.found:.4g}", f"{sign} {bar.wanted:g}", reached)
    console.print(checks)
    result = {"figures": figures, "bars": [asdict(bar) | {"reached": bar.reached} for bar in asked]}
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "figures.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(json.dumps(result))
    return 0 if not judged or all(bar.reached for bar in asked) else 1


_EVERY_S = 0.5


@contextlib.contextmanager
def own_memory() -> Iterator[list[int]]:
    """The most that this process has held within the block beside mapped files, in bytes."""
    peak, done = [0], threading.Event()

    def sample() -> None:
        process = psutil.Process()
        while True:
            held = process.memory_info()
            peak[0] = max(peak[0], held.rss - held.shared)
            if done.wait(0.1):
                return

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


@dataclass
class TreeMeter:
    """Samples the tree below `pid` twice a second until stopped.

    CPU is user plus system time; a process that ends keeps the last value seen of it, so at most
    half a second of each is lost. Memory is the sum of PSS, in which shared pages count once.
    """

    pid: int
    peak_pss: int = 0
    _cpu: dict[tuple[int, float], float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cpu_seconds(self) -> float:
        """CPU seconds of the tree since it began."""
        self._sample(memory=False)
        with self._lock:
            return sum(self._cpu.values())

    def stop(self) -> None:
        """Take no more samples."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._sample(memory=True)

    def _sample(self, *, memory: bool) -> None:
        try:
            root = psutil.Process(self.pid)
            processes = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        pss = 0
        for process in processes:
            try:
                times = process.cpu_times()
                with self._lock:
                    self._cpu[process.pid, process.create_time()] = times.user + times.system
                if memory:
                    pss += process.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.peak_pss = max(self.peak_pss, pss)
