"""Writers that are stopped between their check and their commit, while others take their place.

Each schedule stops one writing command with SIGSTOP at a seeded one of its writes. The shop
changes, another run takes the store over and publishes, and the first goes on with SIGCONT. It must
change nothing any more: the store must hold the rows of one in which it never was, every release
must be whole, and no row may be of two states of a video.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.upkeep import verify
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.torn import torn_videos
from reelshelf.schemas.errors import ExitCode, ReelshelfError, StoreBusy
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.frozen import COMMANDS, config, start, wait_until_stopped
from tests.support.shops import Shop, make_shop, product_row

# What the shop's video "a" shows before the stopped run, in it, and after it.
_BEFORE, _DURING, _AFTER = [RED, GREEN], [BLUE, RED], [GREEN, BLUE, GREEN]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which command is stopped, at which of its writes."""

    command: str
    at: int


@dataclass(slots=True)
class Found:
    """What came of one schedule."""

    stopped: bool = False
    told: bool = False
    stale: int = 0
    broken: int = 0


def prepare(root: Path) -> Shop:
    """A shop of two releases, about to have a third night."""
    shop = make_shop(root)
    shop.ingest(config())
    write_clip(root / "videos" / "a.mp4", _BEFORE)
    shop.ingest(config())
    write_clip(root / "videos" / "a.mp4", _DURING)
    rows = [product_row(name) for name in ("red", "green", "blue")]
    rows[0]["price"] = 5
    shop.set_products(rows)
    return shop


def take_over(shop: Shop) -> None:
    """A night that begins as soon as the lease of the stopped run has run out."""
    while True:
        try:
            shop.run(config())
        except StoreBusy:
            time.sleep(0.05)
        else:
            return


def writes_of(command: str, base: Path, scratch: Path) -> int:
    """How often a command asks for the lease where nobody disturbs it."""
    shop = copied(base, scratch / "counted")
    out, err = start(command, shop, 0).communicate()
    if not out.strip().isdigit():
        raise SystemExit(f"{command}, undisturbed, failed:\n{err}")
    return int(out)


def copied(base: Path, target: Path) -> Shop:
    """A copy of a shop with its store, as if it had been there when it was indexed."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    return Shop(target)


def run_schedule(schedule: Schedule, base: Path, scratch: Path) -> Found:
    """Stop, take over, go on, look."""
    found = Found()
    shop = copied(base, scratch / "shop")
    process = start(schedule.command, shop, schedule.at)
    found.stopped = wait_until_stopped(process)
    write_clip(shop.root / "videos" / "a.mp4", _AFTER)
    take_over(shop)
    store = Store.open(shop.request.store)
    taken_over = {release.run_id for release in list_releases(store)}
    if found.stopped:
        os.kill(process.pid, signal.SIGCONT)
    process.communicate()
    found.told = process.returncode == ExitCode.BUSY
    # What the stopped run did before it was stopped counts; what it does after, must not.
    found.stale += len({r.run_id for r in list_releases(store)} - taken_over)
    found.stale += sum(_is_mixed(store, r.release_id) for r in list_releases(store))
    try:
        shop.run(config())
        verify(shop.request.store, config())
    except (ReelshelfError, OSError, ValueError, RuntimeError) as error:
        print(f"{schedule}: {error}", file=sys.stderr)
        found.broken += 1
        return found
    found.stale += len(torn_videos(store).videos)
    found.stale += _differs(schedule, shop, scratch)
    return found


def _is_mixed(store: Store, name: str) -> bool:
    """Whether a release has segments of another content than their video's."""
    snapshot = ReleaseSnapshot.open(store.uri, None, name)
    contents = {
        row["video_key"]: row["content_sha256"]
        for row in snapshot.scan("videos", ["video_key", "content_sha256"]).to_pylist()
    }
    segments = snapshot.scan("segments", ["video_key", "content_sha256"]).to_pylist()
    return any(contents.get(row["video_key"]) != row["content_sha256"] for row in segments)


def _differs(schedule: Schedule, shop: Shop, scratch: Path) -> int:
    """Rows that differ from those of a shop in which the stopped run never was."""
    other = copied(scratch / "undisturbed", scratch / "other")
    stores = (Store.open(shop.request.store), Store.open(other.request.store))
    if schedule.command == "erase" and stores[0].count("erased"):
        COMMANDS["erase"](other)
        other.run(config())
    return sum(differing_rows(*stores, notes=False).values())


def main() -> int:
    """Run seeded schedules over all writing commands."""
    parser = parser_of(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parse(parser, schedules=Count(16, 60))
    numbers = random.Random(args.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        base = prepare(scratch / "base").root
        undisturbed = copied(base, scratch / "undisturbed")
        write_clip(undisturbed.root / "videos" / "a.mp4", _AFTER)
        undisturbed.run(config())
        counts = {command: writes_of(command, base, scratch) for command in COMMANDS}
        results = []
        for number in range(args.schedules):
            command = list(COMMANDS)[number % len(COMMANDS)]
            schedule = Schedule(command, numbers.randint(1, counts[command]))
            results.append(run_schedule(schedule, base, scratch))
            print(f"{number + 1}: {schedule} {results[-1]}", file=sys.stderr, flush=True)
    figures = {
        "schedules": float(len(results)),
        "stopped": float(sum(item.stopped for item in results)),
        "told_that_the_lease_is_lost": float(sum(item.told for item in results)),
        "stale_or_mixed": float(sum(item.stale for item in results)),
        "tables_broken": float(sum(item.broken for item in results)),
    }
    asked = [
        Bar("schedules in which a writer was stopped", figures["stopped"], 60, at_least=True),
        Bar("stale or mixed rows", figures["stale_or_mixed"], 0, at_least=False),
        Bar("tables broken", figures["tables_broken"], 0, at_least=False),
    ]
    return conclude("frozen_writers", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
