"""A disk that fills up at twenty points of a run.

The shop lies on a small file system in memory. Ballast leaves a share of the room that the run
takes, from nothing to almost all of it; half of the runs are first ones, half are second nights.
Each must end in words and with the code of infrastructure, what is served must answer, and with
room again the next run must complete the store. Mounting takes root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.same_rows import differing_rows
from reelshelf.indexer.pipeline.upkeep import verify
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.errors import ExitCode, ReelshelfError
from tests.support.frozen import start
from tests.support.shops import Shop, make_many, small_config, write_nth

SIZE_MB = 256
_VIDEOS = 12


@dataclass(slots=True)
class Found:
    """What came of one full disk."""

    refused: bool = False
    told: bool = False
    answered: bool = False
    completed: bool = False
    differing: int = 0


@contextmanager
def small_disk(at: Path) -> Iterator[Path]:
    """A file system of its own."""
    at.mkdir()
    size = f"size={SIZE_MB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(at)], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def used(folder: Path) -> int:
    """Bytes that are taken on the file system of a folder."""
    stat = os.statvfs(folder)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def fill(folder: Path, room: int) -> Path:
    """Ballast that leaves so many bytes."""
    stat = os.statvfs(folder)
    ballast = folder / "ballast"
    size = max(0, stat.f_bavail * stat.f_frsize - room)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, size))
    return ballast


def try_point(disk: Path, base: Path, room: int, undisturbed: Store, *, first: bool) -> Found:
    """Run with little room, look, run again."""
    found = Found()
    root = disk / "shop"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)
    shop = Shop(root)
    ballast = fill(disk, room)
    # A process of its own: one that lives would hold its lease, which it cannot give back now.
    process = start("ingest", shop, 0)
    _, told = process.communicate()
    found.refused = process.returncode != ExitCode.DONE
    found.told = process.returncode == ExitCode.INFRASTRUCTURE and "disk is full" in told
    if found.refused and not found.told:
        print(f"room for {room}: {process.returncode}: {told}", file=sys.stderr, flush=True)
    if not first:
        try:
            released_links(ReleaseSnapshot.open(shop.request.store))
            found.answered = True
        except (ReelshelfError, OSError, RuntimeError, ValueError) as error:
            print(f"room for {room}: search: {error}", file=sys.stderr, flush=True)
    ballast.unlink()
    try:
        shop.run(small_config()).or_raise()
        verify(shop.request.store, small_config())
        found.completed = True
    except (ReelshelfError, OSError, RuntimeError, ValueError) as error:
        print(f"room for {room}: next run: {error}", file=sys.stderr, flush=True)
        return found
    rows = differing_rows(Store.open(shop.request.store), undisturbed, notes=False)
    found.differing = sum(rows.values())
    return found


def room_of(disk: Path, base: Path) -> tuple[int, Path]:
    """The room that a run takes where there is enough, and the shop after it."""
    root = disk / "timed"
    shutil.copytree(base, root)
    before = used(disk)
    Shop(root).run(small_config()).or_raise()
    return used(disk) - before, root


def main() -> int:
    """Fill, look, complete, print."""
    args = parse(parser_of(__doc__), points=Count(20, 20))
    results = []
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk") as disk:
        scratch = Path(name)
        for first in (True, False):
            base = make_many(scratch / f"base-{first}", _VIDEOS)
            if not first:
                base.ingest(small_config())
                for number in range(0, _VIDEOS, 2):
                    write_nth(base, number, number + 1)
            taken, after = room_of(disk, base.root)
            kept = scratch / f"undisturbed-{first}"
            shutil.move(after, kept)
            undisturbed = Store.open(Shop(kept).request.store)
            half = args.points // 2
            for number in range(half):
                room = int(taken * number / half)
                found = try_point(disk, base.root, room, undisturbed, first=first)
                results.append((first, found))
                print(f"first={first}, {room} of {taken}: {found}", file=sys.stderr, flush=True)
    seconds = [found for first, found in results if not first]
    figures = {
        "points": float(len(results)),
        "ended_by_the_full_disk": float(sum(f.refused for _, f in results)),
        "told_with_the_code_of_infrastructure": float(sum(f.told for _, f in results)),
        "served_release_answered": float(sum(f.answered for f in seconds)),
        "completed_and_verified_by_the_next": float(sum(f.completed for _, f in results)),
        "rows_that_differ": float(sum(f.differing for _, f in results)),
    }
    refused = figures["ended_by_the_full_disk"]
    asked = [
        Bar("points at which the disk was full", refused, 20, at_least=True),
        Bar("told", figures["told_with_the_code_of_infrastructure"], refused, at_least=True),
        Bar("answered", figures["served_release_answered"], len(seconds), at_least=True),
        Bar(
            "completed", figures["completed_and_verified_by_the_next"], len(results), at_least=True
        ),
        Bar("rows that differ", figures["rows_that_differ"], 0, at_least=False),
    ]
    return conclude("disk_full", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
