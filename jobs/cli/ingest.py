"""The command `ingest`: index videos and a catalog, and publish."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_allow_shrink,
    add_catalog,
    add_command,
    console,
    given_config,
    print_json,
    settle_threads,
)
from reelshelf.schemas.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.pipeline.ingest import IngestResult


def add_ingest(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "ingest", "index videos and a catalog, and publish", _ingest)
    add_catalog(sub)
    sub.add_argument(
        "--videos",
        metavar="URI",
        help="a folder or s3:// prefix, or a manifest: CSV, JSON or Parquet",
    )
    sub.add_argument(
        "--profile", choices=["offline", "clip"], help="which models (those of the store)"
    )
    sub.add_argument(
        "--products-only",
        action="store_true",
        help="only prices, stock, ratings and titles: videos, pictures and links stay",
    )
    add_allow_shrink(sub)


def _ingest(args: argparse.Namespace) -> None:
    settle_threads()
    from reelshelf.indexer.pipeline.ingest import ingest
    from reelshelf.indexer.pipeline.planning import IngestRequest
    from reelshelf.indexer.pipeline.products_only import ingest_products
    from reelshelf.indexer.pipeline.progress import NoProgress
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.jobs.cli.progress import BarProgress
    from reelshelf.jobs.engines import make_engine

    config = config_for(given_config(args, profile=args.profile), args.store)
    if args.products_only == bool(args.videos):
        raise ConfigError("ingest: name --videos, or --products-only without them")
    request = IngestRequest(
        args.catalog, args.videos or "", args.store, allow_shrink=args.allow_shrink
    )
    progress = NoProgress() if args.json else BarProgress()
    if args.products_only:
        result = ingest_products(
            args.catalog, args.store, config, progress, allow_shrink=args.allow_shrink
        ).or_raise()
    else:
        result = ingest(request, config, make_engine, progress).or_raise()
    if args.json:
        print_json(ingest_json(result))
    else:
        show_ingest(result, console(), verbose=args.verbose)


def ingest_json(result: "IngestResult") -> dict[str, object]:
    """The end of a run for programs."""
    return {
        "published": result.published,
        "planned": asdict(result.planned),
        "outcomes": asdict(result.tally),
        "failed": [asdict(item) for item in result.failed],
        "skipped": [asdict(item) for item in result.skipped],
        "rejected": [asdict(item) for item in result.rejected],
        "rejected_pictures": [asdict(item) for item in result.rejected_pictures],
        "calls": result.calls,
        "release": result.newest.model_dump(mode="json"),
    }


def show_ingest(result: "IngestResult", console: "Console", *, verbose: bool = False) -> None:
    """What was indexed and linked, what failed, and whether it was published."""
    from reelshelf.jobs.cli.tables import MOST_LISTED, make_table, more, plain

    tally, quality = result.tally, result.newest.quality
    console.print(
        make_table(
            "This run",
            ["outcome", "count"],
            [
                ["videos submitted", str(tally.submitted)],
                ["indexed", str(tally.indexed)],
                ["skipped (unchanged, or no video by name)", str(tally.skipped)],
                ["failed", str(tally.failed)],
                ["rows refused", str(len(result.rejected))],
                ["pictures refused", str(len(result.rejected_pictures))],
            ],
        )
    )
    if result.failed:
        rows = [[f.video_id, f.stage, f.kind.value, f.message] for f in result.failed]
        columns = ["video", "stage", "kind", "why"]
        console.print(make_table("Failed videos", columns, rows[:MOST_LISTED]))
        more(len(rows), console)
    if verbose:
        for item in result.failed:
            if item.trace is not None:
                console.print(plain(f"{item.video_id}: traceback"))
                console.print(item.trace, markup=False, highlight=False)
    unnamed = [[s.video_id, s.reason] for s in result.skipped if s.reason != "unchanged"]
    if unnamed:
        console.print(make_table("Skipped", ["file", "why"], unnamed[:MOST_LISTED]))
        more(len(unnamed), console)
    refused = [[f"{r.source}:{r.line}", r.item_id or "", r.reason] for r in result.rejected]
    refused += [[p.uri, p.sku, p.reason] for p in result.rejected_pictures]
    if refused:
        columns = ["row or picture", "item", "why"]
        console.print(make_table("Refused", columns, refused[:MOST_LISTED]))
        more(len(refused), console)
    console.print(
        f"{quality.links} links: {quality.videos_linked} of {quality.videos} videos, "
        f"{quality.products_linked} of {quality.products} products.",
        markup=False,
    )
    name = result.newest.release_id
    done = f"Published release {name}." if result.published else f"Nothing new; {name} stays."
    console.print(done, style="bold", markup=False, highlight=False)
