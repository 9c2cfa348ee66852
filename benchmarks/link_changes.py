"""How many videos a change of the catalog concerns, and what it costs to find them.

    python -m benchmarks.link_changes [--out DIR] [--products N] [--videos V] [--full]

A made catalog (`benchmarks.link_growth`) of N products, and V made videos of a minute. Then 100
products get another title or picture, 100 are new and 100 are gone, all drawn at random. Videos
whose links one of these has decided, and those that one would decide, are linked again; all others
keep their links. All videos are linked again with the changed catalog as well: `other links` counts
those whose links this changes by more than rounding, beyond those that were found.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.link_growth import (
    Changes,
    Shop,
    Videos,
    _drawing,
    linker_with,
    stats_of,
    write_shop,
)
from reelshelf.indexer.index.candidates import candidates_among
from reelshelf.indexer.index.linkers import opened
from reelshelf.indexer.store import shared
from reelshelf.indexer.store.catalog_files import catalog_in

_OF_EACH = 100
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Night:
    """What a change came to for some videos."""

    link_cpu_s: float
    ask_cpu_s: float
    decided: int
    asked_for: int
    changed: int
    missed: int
    missed_links: int
    off: float


def _changes(count: int) -> Changes:
    drawn = _drawing(5).sample(range(count), 2 * _OF_EACH)
    half = _OF_EACH // 2
    return Changes(
        frozenset(drawn[:half]),
        frozenset(drawn[half:_OF_EACH]),
        frozenset(drawn[_OF_EACH:]),
        _OF_EACH,
    )


def prepare(folder: Path, count: int) -> None:
    """Write the linkers of a catalog before and after the change."""
    shop, changes = Shop(count), _changes(count)
    before, after = folder / "before", folder / "after"
    for place in (before, after):
        (place / "catalog").mkdir(parents=True)
    write_shop(shop, before / "catalog")
    write_shop(shop, after / "catalog", changes)
    stats = stats_of(shop, before)
    for place in (before, after):
        shared.save(linker_with(stats, place, indexed=True), place)


def night(folder: Path, count: int, videos: int) -> Night:
    """Link videos, change the catalog, and compare what is linked again with what should be."""
    shop, changes = Shop(count), _changes(count)
    before, after = opened(folder / "before"), opened(folder / "after")
    catalog = catalog_in(folder / "before" / "catalog", "icu")
    made = Videos(shop, catalog.vectors.image, catalog.facts_vectors)
    sku = {p: shop.item(p).sku for p in range(count + changes.new)}
    touched = [*changes.retitled, *changes.pictured, *range(count, count + changes.new)]
    among = after.among([sku[p] for p in touched], candidates_among)
    old = {*among.known, *(sku[p] for p in changes.removed)}
    for linker in (before, after, among):
        linker.link([made.of(videos)])
    link_s = ask_s = off = 0.0
    decided = asked_for = changed = missed = missed_links = 0
    for number in range(videos):
        video = made.of(number)
        began = time.process_time()
        (links,), trace = before.linked([video])
        link_s += time.process_time() - began
        began = time.process_time()
        has_decided = not old.isdisjoint(before.skus_of(trace.deciding))
        concerned = has_decided or among.concerns([video], trace.contests)
        ask_s += time.process_time() - began
        decided += has_decided
        asked_for += concerned and not has_decided
        ((now),) = after.link([video])
        scores, scores_now = ({link.sku: link.score for link in own} for own in (links, now))
        differs = max(
            (abs(scores.get(s, 0.0) - scores_now.get(s, 0.0)) for s in {*scores, *scores_now}),
            default=0.0,
        )
        changed += differs > _ROUNDING
        if differs > _ROUNDING and not concerned:
            missed += 1
            off = max(off, differs)
            missed_links += sum(
                (scores.get(s, 0.0) >= 0.5) != (scores_now.get(s, 0.0) >= 0.5)
                for s in {*scores, *scores_now}
            )
    return Night(link_s, ask_s, decided, asked_for, changed, missed, missed_links, off)


def main() -> int:
    """Run the benchmark; the exit code."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    args = parse(parser_of(__doc__), products=Count(100_000, 100_000), videos=Count(1000, 20_000))
    with (
        tempfile.TemporaryDirectory(prefix="reelshelf-link-changes-") as name,
        ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        pool.submit(prepare, Path(name), args.products).result()
        found = pool.submit(night, Path(name), args.products, args.videos).result()
    share = (found.decided + found.asked_for) / args.videos
    figures = {
        "products": float(args.products),
        "videos": float(args.videos),
        "one of them decided": float(found.decided),
        "one of them would decide": float(found.asked_for),
        "linked again, %": 100.0 * share,
        "links changed": float(found.changed),
        "other links": float(found.missed),
        "of these, shown or not": float(found.missed_links),
        "score off at most": found.off,
        "link, CPU ms a video": 1e3 * found.link_cpu_s / args.videos,
        "ask, CPU ms a video": 1e3 * found.ask_cpu_s / args.videos,
    }
    bars = [
        Bar("videos linked again, %", 100.0 * share, 2.0, at_least=False),
        Bar("videos with other links than all linked again", found.missed, 0.0, at_least=False),
    ]
    return conclude("link_changes", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
