"""The command `reindex`: what is asked for on its line, and what it will take."""

import argparse
import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_allow_shrink,
    add_catalog_format,
    add_command,
    console,
    given_config,
    print_json,
    settle_threads,
)
from reelshelf.schemas.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.pipeline.plan import PlanCounts
    from reelshelf.indexer.pipeline.planning import IngestRequest
    from reelshelf.indexer.pipeline.preview import Preview
    from reelshelf.schemas.config import Config

# "frames" is the old name of "visual".
_STAGES = ("visual", "frames", "ocr", "asr", "links", "index")


def add_reindex(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "reindex",
        "redo some of the work on demand, and publish",
        _reindex,
        store=False,
        config="settings (those of the last run)",
    )
    sub.add_argument("--store", metavar="URI", help="the store (the config's nightly.store)")
    sub.add_argument("--catalog", metavar="URI", help="products (where the last run found them)")
    sub.add_argument("--videos", metavar="URI", help="videos (where the last run found them)")
    add_catalog_format(sub)
    what = sub.add_argument_group(
        "what to redo", "conditions of several kinds must all hold; of one kind, any"
    )
    what.add_argument("--video", action="append", default=[], metavar="ID", help="this video")
    what.add_argument(
        "--sku", action="append", default=[], metavar="SKU", help="this product and its videos"
    )
    what.add_argument(
        "--merchant", action="append", default=[], metavar="ID", help="videos of this merchant"
    )
    what.add_argument(
        "--since", type=_instant, metavar="DATE", help="videos published or first seen since then"
    )
    what.add_argument("--failed", action="store_true", help="failed and quarantined videos")
    what.add_argument(
        "--stage",
        action="append",
        default=[],
        choices=_STAGES,
        help="only this stage and what depends on it",
    )
    what.add_argument(
        "--model",
        metavar="NAME",
        help="what this model of the config makes; vectors of a new encoder are built beside those "
        "that are served",
    )
    what.add_argument(
        "--outdated",
        action="store_true",
        help="what an older version made, or made with older defaults (see upgrade --dry-run)",
    )
    what.add_argument("--all", action="store_true", help="everything")
    add_allow_shrink(sub)
    sub.add_argument("--dry-run", action="store_true", help="show calls and time, change nothing")


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2026-01-31") from error
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _reindex(args: argparse.Namespace) -> None:
    settle_threads()
    from reelshelf.indexer.pipeline.ingest import ingest
    from reelshelf.indexer.pipeline.planning import plan_only
    from reelshelf.indexer.pipeline.preview import preview
    from reelshelf.indexer.pipeline.progress import NoProgress
    from reelshelf.indexer.pipeline.scope import ReindexRequest
    from reelshelf.indexer.store.tables import Store
    from reelshelf.jobs.cli.ingest import show_ingest
    from reelshelf.jobs.cli.progress import BarProgress
    from reelshelf.jobs.engines import make_engine

    request, config = _request(args)
    reindex = ReindexRequest(
        videos=tuple(args.video),
        skus=tuple(args.sku),
        merchants=tuple(args.merchant),
        since=args.since,
        failed=args.failed,
        stages=tuple(dict.fromkeys(args.stage)),
        model=args.model,
        everything=args.all,
        outdated=args.outdated,
    )
    planned = plan_only(request, config, reindex)
    expected = preview(planned, Store.open(request.store, config.storage))
    if args.dry_run:
        if args.json:
            print_json({"planned": asdict(planned.counts)} | asdict(expected))
        else:
            _show_preview(planned.counts, expected, console())
        return
    if not args.json:
        _show_preview(planned.counts, expected, console(stderr=True))
    progress = NoProgress() if args.json else BarProgress()
    result = ingest(request, config, make_engine, progress, reindex).or_raise()
    if args.json:
        print_json(
            {
                "published": result.published,
                "planned": asdict(result.planned),
                "outcomes": asdict(result.tally),
                "failed": [asdict(item) for item in result.failed],
                "expected_calls": expected.calls,
                "calls": result.calls,
                "release": result.newest.model_dump(mode="json"),
            }
        )
    else:
        show_ingest(result, console())


def _request(args: argparse.Namespace) -> "tuple[IngestRequest, Config]":
    """Store, source and settings: as given, or as the config says, or as the last run had them."""
    from reelshelf.indexer.pipeline.planning import IngestRequest
    from reelshelf.indexer.pipeline.settings import config_for, config_of_today
    from reelshelf.indexer.store.runs import last_indexing
    from reelshelf.indexer.store.tables import Store

    given = given_config(args)
    nightly, storage = given.resolve().nightly, given.storage
    uri = args.store or nightly.store
    if uri is None:
        raise ConfigError("reindex: name the --store, or a --config with nightly.store")
    last = last_indexing(Store.open(uri, storage))
    catalog, videos = args.catalog or nightly.catalog, args.videos or nightly.videos
    request = IngestRequest(
        catalog or last.source["catalog"],
        videos or last.source["videos"],
        uri,
        allow_shrink=args.allow_shrink,
    )
    if args.outdated:
        return request, config_of_today(given, last.config)
    return request, config_for(given, uri) if args.config else last.config


def _show_preview(counts: "PlanCounts", expected: "Preview", console: "Console") -> None:
    """What a reindex will do, and what that took before."""
    from reelshelf.jobs.cli.tables import make_table

    planned = [[n.replace("_", " "), str(c)] for n, c in asdict(counts).items() if c]
    console.print(make_table("Planned", ["what", "count"], planned))
    calls = [[name.replace("_", " "), str(count)] for name, count in expected.calls.items()]
    if calls:
        console.print(make_table("Calls", ["what", "count"], calls))
    else:
        console.print("No model is asked.")
    if expected.guessed:
        console.print(
            f"{expected.guessed} videos are new or were never indexed: theirs are guessed, "
            "as the mean of the others."
        )
    if expected.cpu_s is not None and expected.seconds is not None:
        console.print(
            f"As past runs went: {expected.cpu_s:.0f} s of CPU, "
            f"{dt.timedelta(seconds=round(expected.seconds))} in all.",
            highlight=False,
        )
