"""Kinds of bad builds that the gate must refuse, and kinds of good ones that it must let pass.

One store is made the real way: a shop of a few hundred videos whose frames, words and sounds are
functions of a number in their files, with fakes for models, and IVF-PQ indexes over frames and
texts. Each case copies the published store, damages or changes it, and goes the way of a run:
`ingest`, or `publish`, which brings indexes and links up, measures and asks the gate. Both would
mend what is wrong with an index only, so those cases ask for the gate's word as it stands.

A bad build is refused by the gate or by an error of ours. A crash publishes nothing either, but it
tells nobody what to do, so it does not count.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.builds import CONFIG, Copy, Outcome, Shop, Verdict, run
from benchmarks.builds_bad import BAD
from benchmarks.builds_good import GOOD
from benchmarks.harness import Bar, conclude, parse, parser_of
from reelshelf.schemas.errors import ReelshelfError
from tests.support.shops import write_lines

# Without --full one case in so many is tried.
_PART = 6
_LEAST_CASES = 20


@dataclass(frozen=True)
class Tried:
    """One case and what came of it."""

    name: str
    bad: bool
    verdict: Verdict
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it ended as it had to."""
        wanted = {Outcome.REFUSED} if self.bad else {Outcome.PASSED, Outcome.UNCHANGED}
        return self.verdict.outcome in wanted


def attempt(name: str, shop: Shop, base: Path, scratch: Path) -> Tried:
    """Try one case on a copy of its own."""
    target = scratch / "case"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    bad = name in BAD
    began = time.monotonic()
    try:
        verdict = (BAD if bad else GOOD)[name](Copy(shop, str(target)))
    except ReelshelfError as error:
        verdict = Verdict(Outcome.REFUSED, f"{type(error).__name__}: {error}")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (native code panics with no Exception)
        verdict = Verdict(Outcome.CRASHED, f"{type(error).__name__}: {error}")
    return Tried(name, bad, verdict, time.monotonic() - began)


class Apart:
    """Tries cases in a process of its own, and in another one where a case has killed that."""

    def __init__(self) -> None:
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def attempt(self, name: str, shop: Shop, base: Path, scratch: Path) -> Tried:
        """Try one case."""
        try:
            return self._pool.submit(attempt, name, shop, base, scratch).result()
        except BrokenProcessPool as error:
            self._pool = self._new()
            verdict = Verdict(Outcome.CRASHED, f"its process is gone: {error}")
            return Tried(name, name in BAD, verdict, 0.0)

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


def show(tried: Sequence[Tried]) -> None:
    """A table of all cases."""
    table = Table("case", "expected", "found", "by", "s", "")
    for item in tried:
        by = " ".join(item.verdict.by.split())
        table.add_row(
            item.name,
            "refused" if item.bad else "passed",
            item.verdict.outcome.value,
            by[:160] + ("..." if len(by) > 160 else ""),
            f"{item.seconds:.1f}",
            "" if item.right else "WRONG",
        )
    Console(width=150).print(table)


def measure(only: Sequence[str], every: int) -> dict[str, float]:
    """Make the store, try the cases that are meant or every n-th, print them."""
    chosen = [name for name in (*BAD, *GOOD) if any(part in name for part in only)]
    if not only:
        chosen = [*list(BAD)[::every], *list(GOOD)[::every]]
    with tempfile.TemporaryDirectory() as folder, Apart() as apart:
        shop, base = Shop(Path(folder) / "shop"), Path(folder) / "base"
        shop.make()
        write_lines(shop.root / "catalog.jsonl", shop.products())
        write_lines(shop.root / "videos.jsonl", shop.videos())
        release = run(shop, str(base), CONFIG).or_raise().newest
        tried = []
        for name in chosen:
            tried.append(apart.attempt(name, shop, base, Path(folder)))
            print(f"{name}: {tried[-1].verdict}", file=sys.stderr, flush=True)
    show(tried)
    bad, good = ([item for item in tried if item.bad is kind] for kind in (True, False))
    return {
        "segments": release.quality.segments,
        "videos": release.quality.videos,
        "videos_linked": release.quality.videos_linked,
        "indexes_ivf_pq": sum(index.kind == "ivf_pq" for index in release.indexes),
        "bad": len(bad),
        "bad_refused": sum(item.right for item in bad),
        "good": len(good),
        "good_passed": sum(item.right for item in good),
        "crashed": sum(item.verdict.outcome is Outcome.CRASHED for item in tried),
        "bad_published": sum(item.bad and item.verdict.outcome is Outcome.PASSED for item in tried),
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--only", action="append", default=[], metavar="WORDS")
    args = parse(parser)
    figures = measure(args.only, 1 if args.full else _PART)
    asked = [
        Bar("kinds of bad builds", figures["bad"], _LEAST_CASES, at_least=True),
        Bar("bad builds refused", figures["bad_refused"], figures["bad"], at_least=True),
        Bar("kinds of good builds", figures["good"], _LEAST_CASES, at_least=True),
        Bar("good builds passed", figures["good_passed"], figures["good"], at_least=True),
        Bar("crashes", figures["crashed"], 0, at_least=False),
    ]
    return conclude("bad_builds", figures, asked, args.out, judged=args.full)


if __name__ == "__main__":
    sys.exit(main())
