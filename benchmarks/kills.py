"""SIGKILL at random points of a night: the next run must end in the rows of an untouched one.

A shop has had its first night; then videos and products change, come and go. That second night is
killed: at a random time, or the moment the n-th new file stands in the store, which is between the
write of rows and their commit as often as not. Then it is run again, and compared with a second
night that nobody disturbed. Other nights are the first ones of a larger shop, into a store that is
still to be made, with the default settings and IVF-PQ indexes. Points are drawn from a seed;
results are appended to a file, so that a benchmark which is stopped goes on where it was.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import ray

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.same_rows import differing_rows
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.tables import Store
from tests.support.clips import write_clip
from tests.support.shops import Shop, list_nth, make_many, product_row, write_lines, write_nth

ROOT = Path(__file__).parent.parent
BATCH = 2


@dataclass(frozen=True)
class Point:
    """Where to kill: after a share of the night's time, or when so many files are new."""

    number: int
    kind: str
    share: float | None
    files: int | None


@dataclass(frozen=True)
class Found:
    """What came of one kill."""

    number: int
    killed: bool
    between: bool
    published: bool
    committed: int
    done_again: int
    differing: int


@dataclass(frozen=True)
class Night:
    """A shop before a night, and that night undisturbed. `base` is None where it is the first."""

    catalog: Path
    videos: Path
    base: Path | None
    undisturbed: Path
    kind: str
    seconds: float
    files: int
    due: int
    published_before: int


def run(
    night_shop: tuple[Path, Path], store: Path, address: str, kind: str
) -> "subprocess.Popen[str]":
    """Start a night as a process of its own."""
    command = [sys.executable, "-m", "benchmarks.kill_worker", *map(str, night_shop), str(store)]
    command += [address, "--batch", str(BATCH), "--kind", kind]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> dict[str, dict[str, int]]:
    """The result of a night that must succeed."""
    out, err = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"an undisturbed run failed:\n{err[-3000:]}")
    answer: dict[str, dict[str, int]] = json.loads(out.splitlines()[-1])
    return answer


def files_of(store: Path) -> list[str]:
    """Every file of a store."""
    return [
        os.path.join(parent, name)  # noqa: PTH118 (polled a thousand times a second)
        for parent, _, names in os.walk(store)
        for name in names
    ]


def change(shop: Shop) -> None:
    """Three videos change, two come, one goes; a product is renamed, one loses its picture."""
    for i in (1, 3, 5):
        write_nth(shop, i, i + 3)
    for i in (9, 10):
        write_nth(shop, i)
    list_nth(shop, [i for i in range(11) if i != 7])
    renamed = product_row("blue") | {"title": "Azure Jug", "price": 4}
    bare = product_row("green") | {"images": []}
    shop.set_products([product_row("red"), renamed, bare])


def real_shop(root: Path) -> Shop:
    """Eight videos of the example shop."""
    shutil.copytree(ROOT / "examples" / "shop", root)
    rows = [json.loads(line) for line in (root / "videos.jsonl").read_text().splitlines()]
    write_lines(root / "videos.jsonl", rows[:6])
    return Shop(root)


def change_real(shop: Shop) -> None:
    """Two videos come, one goes, one product is renamed."""
    source = ROOT / "examples" / "shop"
    rows = [json.loads(line) for line in (source / "videos.jsonl").read_text().splitlines()]
    write_lines(shop.root / "videos.jsonl", rows[1:9])
    path = shop.root / "catalog" / "products.jsonl"
    products = [json.loads(line) for line in path.read_text().splitlines()]
    products[0]["title"] += " deluxe"
    write_lines(path, products)


def many_moments(root: Path) -> Shop:
    """Videos of so many shots that their frames can be indexed."""
    shop, numbers = make_many(root, 10), random.Random(7)  # noqa: S311
    for number in range(10):
        colors = [tuple(numbers.randint(5, 250) for _ in range(3)) for _ in range(40)]
        write_clip(shop.root / "videos" / f"v{number}.mp4", colors, fps=4)  # type: ignore[arg-type]
    return shop


_SHOPS: dict[str, Callable[[Path], Shop]] = {
    "fake": lambda root: make_many(root, 9),
    "real": real_shop,
    "empty": many_moments,
}


def prepare(scratch: Path, address: str, kind: str) -> Night:
    """The nights before, the changes, and the night in question undisturbed."""
    shop = _SHOPS[kind](scratch / kind)
    where = (shop.root / "catalog" / "products.jsonl", shop.root / "videos.jsonl")
    base, undisturbed = None, scratch / f"{kind}-undisturbed"
    if kind != "empty":
        base = scratch / f"{kind}-base"
        finish(run(where, base, address, kind))
        (change_real if kind == "real" else change)(shop)
        shutil.copytree(base, undisturbed)
    began = time.monotonic()
    result = finish(run(where, undisturbed, address, kind))
    return Night(
        *where,
        base,
        undisturbed,
        kind,
        time.monotonic() - began,
        len(files_of(undisturbed)) - (len(files_of(base)) if base else 0),
        result["tally"]["indexed"],
        len(read_head(Store.open(str(base))).published) if base else 0,
    )


def draw_points(seed: int, counts: dict[str, int], nights: dict[str, Night]) -> list[Point]:
    """Kill points, every second one at a file."""
    numbers = random.Random(seed)  # noqa: S311
    points = []
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    for number, kind in enumerate(kinds):
        share = numbers.uniform(0.05, 1.0)
        files = numbers.randint(1, nights[kind].files)
        at_file = number % 2 == 0
        points.append(Point(number, kind, None if at_file else share, files if at_file else None))
    return points


def kill_at(point: Point, night: Night, store: Path, process: "subprocess.Popen[str]") -> bool:
    """Wait for the point and kill. Whether rows had been written and not committed by then."""
    began, before = time.monotonic(), set(files_of(store))
    while process.poll() is None:
        if point.share is not None:
            if time.monotonic() - began >= point.share * night.seconds:
                break
        elif point.files is not None and len(files_of(store)) - len(before) >= point.files:
            break
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    new = [Path(name) for name in files_of(store) if name not in before]
    if not new:
        return False
    last = max(new, key=lambda path: path.stat().st_mtime_ns)
    return last.parent.name in ("data", "_transactions", "_deletions")


def committed(night: Night, store: Path) -> int:
    """Videos that the killed run had committed: due ones whose row is that of the next night."""

    def contents(path: Path) -> set[tuple[str, str]]:
        if not Store.exists(str(path)):
            return set()
        table = Store.open(str(path)).scan("videos", ["video_key", "content_sha256"])
        return {(row["video_key"], row["content_sha256"]) for row in table.to_pylist()}

    due = contents(night.undisturbed) - (contents(night.base) if night.base else set())
    return len(due & contents(store))


def try_point(point: Point, night: Night, scratch: Path, address: str) -> Found:
    """Kill one run, run again, compare."""
    store = scratch / "store"
    shutil.rmtree(store, ignore_errors=True)
    if night.base is not None:
        shutil.copytree(night.base, store)
    where = (night.catalog, night.videos)
    process = run(where, store, address, night.kind)
    between = kill_at(point, night, store, process)
    done = committed(night, store)
    made = Store.exists(str(store))
    released = len(read_head(Store.open(str(store))).published) if made else 0
    published = released > night.published_before
    again = finish(run(where, store, address, night.kind))
    differing = differing_rows(Store.open(str(store)), Store.open(str(night.undisturbed)))
    return Found(
        number=point.number,
        killed=process.returncode == -signal.SIGKILL,
        between=between and process.returncode == -signal.SIGKILL,
        published=published and process.returncode == -signal.SIGKILL,
        committed=done,
        done_again=again["tally"]["indexed"] - (night.due - done),
        differing=sum(differing.values()),
    )


def main() -> int:
    """Kill, compare, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, points=Count(8, 116), real=Count(1, 8), empty=Count(8, 100))
    # With --out, points that were tried before count: a run that was stopped goes on.
    log = args.out / f"kills-{args.seed}.jsonl" if args.out else None
    known = []
    if log is not None and log.exists():
        known = [json.loads(line) for line in log.read_text().splitlines()]
    began = time.monotonic()
    context = ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    address = context.address_info["address"]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        counts = {"fake": args.points, "real": args.real, "empty": args.empty}
        nights = {kind: prepare(scratch, address, kind) for kind, n in counts.items() if n}
        for point in draw_points(args.seed, counts, nights):
            if any(item["number"] == point.number for item in known):
                continue
            found = try_point(point, nights[point.kind], scratch, address)
            known.append(asdict(found))
            if log is not None:
                with log.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found)) + "\n")
            print(f"{len(known)}: {found}", file=sys.stderr, flush=True)
    ray.shutdown()
    figures = {
        "points": float(len(known)),
        "killed": float(sum(item["killed"] for item in known)),
        "between_write_and_commit": float(sum(item["between"] for item in known)),
        "killed_before_any_commit": float(sum(not item["committed"] for item in known)),
        "killed_after_publishing": float(sum(item["published"] for item in known)),
        "rows_that_differ": float(sum(item["differing"] for item in known)),
        "most_videos_done_again": float(max(item["done_again"] for item in known)),
        "minutes": (time.monotonic() - began) / 60,
    }
    asked = [
        Bar("kill points", figures["killed"], 200, at_least=True),
        Bar("rows that differ", figures["rows_that_differ"], 0, at_least=False),
        Bar(
            "committed videos done again", figures["most_videos_done_again"], BATCH, at_least=False
        ),
        Bar("minutes", figures["minutes"], 40, at_least=False),
    ]
    return conclude("kills", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
