"""Builds that the gate must refuse, kinds by kinds, and builds that it must let pass.

One shop is made the real way: a few hundred videos whose frames, words and sounds are functions of
a number in their files, with fakes for models, and IVF-PQ indexes over frames and texts. Each case
copies a store of it, damages or changes it, and goes the way of a run: `ingest`, or `publish`,
which brings indexes and links up, measures and asks the gate. Both would mend what is wrong with an
index only, so those cases ask for the gate's word as it stands.

Bad builds are accidents told one by one (benchmarks.builds_bad, and on the way to the tables
benchmarks.builds_engine), and every column harmed in every way (benchmarks.builds_columns). One is
refused by the gate or by an error of ours. A crash publishes nothing either, but it tells nobody
what to do, so it does not count. A harm that changes no more than one cell in a hundred of its
scope, or that no table takes, is not counted as a build.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.builds import Case, Copy, Outcome, Shop, Verdict
from benchmarks.builds_bad import BAD
from benchmarks.builds_columns import column_builds
from benchmarks.builds_engine import ENGINE_BAD
from benchmarks.builds_good import GOOD
from benchmarks.harness import Bar, conclude, parse, parser_of
from reelshelf.schemas.errors import ReelshelfError

# Without --full one case in so many is tried.
_PART = 6
_LEAST_BAD, _LEAST_GOOD = 250, 60
_PROCESSES = 2


@dataclass(frozen=True, slots=True)
class Build:
    """A case by its name: what is done, to a copy of which store, and whether that is bad."""

    name: str
    base: str
    bad: bool
    attempt: Case


def every_build() -> list[Build]:
    """All cases."""
    told = [Build(name, "base", True, done) for name, done in (BAD | ENGINE_BAD).items()]
    harmed = [Build(b.name, b.base, True, b.attempt) for b in column_builds()]
    good = [Build(name, "base", False, done) for name, done in GOOD.items()]
    return [*told, *good, *harmed]


@dataclass(frozen=True)
class Tried:
    """One case and what came of it."""

    name: str
    bad: bool
    verdict: Verdict
    seconds: float

    @property
    def counts(self) -> bool:
        """Whether anything was there to be refused."""
        harmless = {Outcome.UNCHANGED, Outcome.MENDED}
        return not self.bad or self.verdict.outcome not in harmless

    @property
    def right(self) -> bool:
        """Whether it ended as it had to."""
        if not self.counts:
            return True
        wanted = {Outcome.REFUSED} if self.bad else {Outcome.PASSED, Outcome.UNCHANGED}
        return self.verdict.outcome in wanted


def attempt(name: str, shop: Shop, stores: Path) -> Tried:
    """Try one case on a copy of its own."""
    build = next(build for build in every_build() if build.name == name)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "case"
        shutil.copytree(stores / build.base, target)
        shop.write_lists()
        began = time.monotonic()
        try:
            verdict = build.attempt(Copy(shop, str(target)))
        except ReelshelfError as error:
            verdict = Verdict(Outcome.REFUSED, f"{type(error).__name__}: {error}")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 (native code panics with no Exception)
            verdict = Verdict(Outcome.CRASHED, f"{type(error).__name__}: {error}")
        return Tried(name, build.bad, verdict, time.monotonic() - began)


def attempt_all(builds: Sequence[Build], shop: Shop, stores: Path) -> list[Tried]:
    """Try cases in processes of their own; what kills its process has crashed."""
    tried: list[Tried] = []
    waiting = list(builds)
    while waiting:
        pool = ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn"))
        running = {pool.submit(attempt, b.name, shop, stores): b for b in waiting}
        for future in as_completed(running):
            build = running[future]
            try:
                tried.append(future.result())
            except BrokenProcessPool as error:
                # Which of those that ran has done it, nobody knows: each is tried alone.
                tried.append(_alone(build, shop, stores, error))
            waiting.remove(build)
            print(f"{build.name}: {tried[-1].verdict}", file=sys.stderr, flush=True)
        pool.shutdown()
    return tried


def _alone(build: Build, shop: Shop, stores: Path, error: Exception) -> Tried:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(attempt, build.name, shop, stores).result()
        except BrokenProcessPool:
            verdict = Verdict(Outcome.CRASHED, f"its process is gone: {error}")
            return Tried(build.name, build.bad, verdict, 0.0)


def show(tried: Sequence[Tried]) -> None:
    """A table of all cases."""
    table = Table("case", "expected", "found", "by", "s", "")
    for item in sorted(tried, key=lambda item: item.right):
        by = " ".join(item.verdict.by.split())
        table.add_row(
            item.name,
            "refused" if item.bad and item.counts else "passed",
            item.verdict.outcome.value,
            by[:160] + ("..." if len(by) > 160 else ""),
            f"{item.seconds:.1f}",
            "" if item.right else "WRONG",
        )
    Console(width=150).print(table)


def _drawn(builds: Sequence[Build], every: int) -> list[Build]:
    """One of so many, at random: what comes in turns would be drawn in step with them."""
    order = np.random.default_rng(0).permutation(len(builds))
    return [builds[int(place)] for place in sorted(order[: -(-len(builds) // every)])]


def measure(only: Sequence[str], every: int) -> dict[str, float]:
    """Make the stores, try the cases that are meant or every n-th, print them."""
    builds = every_build()
    chosen = [b for b in builds if any(part in b.name for part in only)] if only else None
    bad = [b for b in builds if b.bad]
    good = [b for b in builds if not b.bad]
    with tempfile.TemporaryDirectory() as folder:
        shop, stores = Shop(Path(folder) / "shop"), Path(folder) / "stores"
        shop.make_bases(stores)
        release = Copy(shop, str(stores / "base")).release
        if chosen is None:
            chosen = [*_drawn(bad, every), *_drawn(good, every)]
        tried = attempt_all(chosen, shop, stores)
    show(tried)
    counted = [item for item in tried if item.counts]
    found_bad, found_good = ([i for i in counted if i.bad is kind] for kind in (True, False))
    return {
        "segments": release.quality.segments,
        "videos": release.quality.videos,
        "videos_linked": release.quality.videos_linked,
        "indexes_ivf_pq": sum(index.kind == "ivf_pq" for index in release.indexes),
        "bad": len(found_bad),
        "bad_refused": sum(item.right for item in found_bad),
        "harms_that_change_nothing": len(tried) - len(counted),
        "good": len(found_good),
        "good_passed": sum(item.right for item in found_good),
        "crashed": sum(item.verdict.outcome is Outcome.CRASHED for item in tried),
        "bad_published": sum(i.bad and i.verdict.outcome is Outcome.PASSED for i in tried),
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="WORDS")
    args = parse(parser)
    figures = measure(args.only, 1 if args.full else _PART)
    asked = [
        Bar("bad builds", figures["bad"], _LEAST_BAD, at_least=True),
        Bar("bad builds refused", figures["bad_refused"], figures["bad"], at_least=True),
        Bar("good builds", figures["good"], _LEAST_GOOD, at_least=True),
        Bar("good builds passed", figures["good_passed"], figures["good"], at_least=True),
        Bar("crashes", figures["crashed"], 0, at_least=False),
    ]
    return conclude("bad_builds", figures, asked, args.out, judged=args.full)


if __name__ == "__main__":
    sys.exit(main())
