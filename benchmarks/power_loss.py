"""Power that fails: what was not synced is lost, and what a table ends with is cut off.

First, for each table, its newest manifest is emptied, removed or cut, and its newest data file cut.
Then nights are killed at seeded moments, and whatever they had not synced is kept, emptied, cut or
removed, as a file system may after a power cut. Each time the released links must be readable or
the error be in words, and the next run must complete the store.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import ROOT, Bar, Count, conclude, parse, parser_of
from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.upkeep import verify
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.shadow import manifest_name
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.cli.exits import as_ours
from reelshelf.schemas.errors import ReelshelfError
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.shops import Shop, list_nth, make_many, small_config, write_nth

HARMS = ("empty", "missing", "cut", "data")


@dataclass(slots=True)
class Tally:
    """What came of all harms."""

    harms: int = 0
    answered: int = 0
    completed: int = 0
    told: int = 0
    differing: int = 0
    without_words: list[str] = field(default_factory=list)

    def tried(self, what: str, act: Callable[[], object]) -> bool:
        """Whether something could be done; where not, whether that was told in words."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - what it is, is counted
            ours = error if isinstance(error, ReelshelfError) else as_ours(error)
            if ours is None:
                self.without_words.append(f"{what}: {type(error).__name__}: {error}")
            else:
                self.told += 1
                print(f"{what}: {ours}", file=sys.stderr, flush=True)
            return False
        return True


def night(shop: Shop, log: Path) -> "subprocess.Popen[bytes]":
    """A night in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.power_worker", str(shop.root), str(log)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def whole_night(shop: Shop, scratch: Path) -> float:
    """A night that nobody disturbs; its seconds."""
    began = time.monotonic()
    if night(shop, scratch / "log").wait() != 0:
        raise SystemExit("an undisturbed night failed")
    return time.monotonic() - began


def harm(store: Path, table: str, how: str) -> bool:
    """Cut what a table ends with; False where there is nothing of that kind."""
    folder = store / f"{table}.lance"
    version = Store(str(store)).of(1).versions(table)[0]
    manifest = folder / "_versions" / manifest_name(version)
    if how == "data":
        files = sorted((folder / "data").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        if not files:
            return False
        files[-1].write_bytes(files[-1].read_bytes()[:-30])
    elif how == "missing":
        if version == 1:
            return False
        manifest.unlink()
    else:
        data = manifest.read_bytes()
        manifest.write_bytes(b"" if how == "empty" else data[: len(data) // 2])
    return True


def read_links(shop: Shop) -> None:
    """What a searcher does first: open the served release and read it."""
    released_links(ReleaseSnapshot.open(shop.request.store))


def look_and_complete(shop: Shop, undisturbed: Store, tally: Tally, what: str) -> None:
    """Read what is served, run the next night, compare."""
    tally.harms += 1
    tally.answered += tally.tried(f"{what}, search", lambda: read_links(shop))
    if tally.tried(f"{what}, night", lambda: shop.run(small_config()).or_raise()):
        tally.completed += 1
        tally.tried(f"{what}, verify", lambda: verify(shop.request.store, small_config()))
        store = Store.open(shop.request.store)
        differing = differing_rows(store, undisturbed, notes=False)
        tally.differing += sum(differing.values())
        if any(differing.values()):
            print(f"{what}: rows differ: {differing}", file=sys.stderr, flush=True)


def lose_unsynced(shop: Shop, log: Path, since_ns: int, numbers: random.Random) -> Counter[str]:
    """Keep, empty, cut or remove each file that was written since and not synced."""
    synced = log.read_text(encoding="utf-8").splitlines()
    last = {path: place for place, path in enumerate(synced)}
    lost: Counter[str] = Counter()
    store = Path(shop.request.store)
    for path in sorted(store.rglob("*")):
        if not path.is_file() or path.stat().st_mtime_ns < since_ns:
            continue
        own, folder = last.get(str(path), -1), last.get(str(path.parent), -1)
        if 0 <= own < folder:
            continue
        how = numbers.choice(("keep", "empty", "cut", "remove"))
        lost[how] += 1
        if how == "remove":
            path.unlink()
        elif how != "keep":
            data = path.read_bytes()
            path.write_bytes(b"" if how == "empty" else data[: len(data) // 2])
    return lost


def change(shop: Shop) -> None:
    """What the second night finds."""
    write_nth(shop, 1, 4)
    write_nth(shop, 6)
    list_nth(shop, [0, 1, 2, 4, 5, 6])
    write_clip(shop.root / "videos" / "a.mp4", [BLUE, RED, GREEN])


def copied(base: Path, target: Path) -> Shop:
    """A copy of a shop with its store."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    return Shop(target)


def cut_ends(base: Path, undisturbed: Store, scratch: Path, tally: Tally) -> None:
    """Each harm to each table of a store at rest."""
    store = Store.open(str(base / "store"))
    tables = ["head", *(seen.table_name(name) for name, seen in store.every_table())]
    for table in tables:
        for how in HARMS:
            shop = copied(base, scratch / "shop")
            if harm(Path(shop.request.store), table, how):
                look_and_complete(shop, undisturbed, tally, f"{table}, {how}")


def cut_nights(
    base: Path, undisturbed: Store, scratch: Path, tally: Tally, count: int, seed: int
) -> float:
    """Nights that are killed and lose what they had not synced; the files that were harmed."""
    numbers = random.Random(seed)  # noqa: S311
    timed = copied(base, scratch / "shop")
    change(timed)
    seconds = whole_night(timed, scratch)
    harmed = 0
    for number in range(count):
        shop = copied(base, scratch / "shop")
        change(shop)
        log, since = scratch / "log", time.time_ns()
        log.write_text("")
        process = night(shop, log)
        time.sleep(seconds * numbers.uniform(0.4, 1.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.sync()
        lost = lose_unsynced(shop, log, since, numbers)
        harmed += lost.total() - lost["keep"]
        look_and_complete(shop, undisturbed, tally, f"night {number}")
        print(f"{number + 1}: {dict(lost)}", file=sys.stderr, flush=True)
    return float(harmed)


def main() -> int:
    """Harm, look, complete, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, nights=Count(10, 60))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        shop = make_many(scratch / "base", 6)
        whole_night(shop, scratch)
        write_nth(shop, 2, 5)
        whole_night(shop, scratch)
        at_rest = Tally()
        cut_ends(shop.root, Store.open(shop.request.store), scratch, at_rest)
        other = copied(shop.root, scratch / "undisturbed")
        change(other)
        other.ingest(small_config())
        cut = Tally()
        undisturbed = Store.open(other.request.store)
        harmed = cut_nights(shop.root, undisturbed, scratch, cut, args.nights, args.seed)
        releases = len(list_releases(undisturbed))
    wordless = at_rest.without_words + cut.without_words
    for line in wordless:
        print(line, file=sys.stderr)
    figures = {
        "harms_to_tables_at_rest": float(at_rest.harms),
        "of_these_the_served_release_answered": float(at_rest.answered),
        "of_these_the_next_run_completed": float(at_rest.completed),
        "nights_cut_off": float(cut.harms),
        "files_lost_or_cut": harmed,
        "served_release_answered": float(cut.answered),
        "next_run_completed": float(cut.completed),
        "releases": float(releases),
        "rows_that_differ": float(at_rest.differing + cut.differing),
        "errors_without_words": float(len(wordless)),
    }
    asked = [
        Bar("nights cut off", figures["nights_cut_off"], 60, at_least=True),
        # What was released had been synced, so it must answer whatever was lost.
        Bar("served release answered", float(cut.answered), cut.harms, at_least=True),
        Bar("next run completed", float(cut.completed), cut.harms, at_least=True),
        # A table `store` that is lost altogether needs a backup, and says so.
        Bar("of harms at rest: completed", at_rest.completed, at_rest.harms - 1, at_least=True),
        Bar("rows that differ", figures["rows_that_differ"], 0, at_least=False),
        Bar("errors without words", figures["errors_without_words"], 0, at_least=False),
    ]
    return conclude("power_loss", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
