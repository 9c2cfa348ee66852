"""The command `reindex`: what is asked for on its line, and what it will take."""

import argparse
import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.terminal import Commands, add_command, console, print_json, settle_threads
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from jobs.planning import IngestRequest
    from schemas.config import Config

_STAGES = ("frames", "ocr", "asr", "links", "index")


def add_reindex(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "reindex", "redo some of the work on demand, and publish", _reindex, store=False
    )
    sub.add_argument("--store", metavar="URI", help="the store (the config's nightly.store)")
    sub.add_argument("--catalog", metavar="URI", help="products (where the last run found them)")
    sub.add_argument("--videos", metavar="URI", help="videos (where the last run found them)")
    sub.add_argument("--config", type=Path, metavar="TOML", help="settings (those of the last run)")
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
    what.add_argument("--failed", action="store_true", help="videos that failed, resting or not")
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
    what.add_argument("--all", action="store_true", help="everything")
    sub.add_argument("--dry-run", action="store_true", help="show calls and time, change nothing")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date like 2026-01-31") from error
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _reindex(args: argparse.Namespace) -> None:
    settle_threads()
    from indexer.scope import Demand
    from indexer.store.tables import Store
    from jobs.engines import make_engine
    from jobs.ingest import ingest
    from jobs.planning import plan_only
    from jobs.preview import preview
    from jobs.progress import NoProgress
    from jobs.show import BarProgress, show_ingest, show_preview

    request, config = _request(args)
    demand = Demand(
        videos=tuple(args.video),
        skus=tuple(args.sku),
        merchants=tuple(args.merchant),
        since=args.since,
        failed=args.failed,
        stages=tuple(dict.fromkeys(args.stage)),
        model=args.model,
        everything=args.all,
    )
    planned = plan_only(request, config, demand)
    expected = preview(planned, Store.open(request.store, config.storage))
    if args.dry_run:
        if args.json:
            print_json({"planned": asdict(planned.counts)} | asdict(expected))
        else:
            show_preview(planned.counts, expected, console())
        return
    if not args.json:
        show_preview(planned.counts, expected, console(stderr=True))
    progress = NoProgress() if args.json else BarProgress()
    result = ingest(request, config, make_engine, progress, demand).or_raise()
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
    from indexer.store.runs import last_indexing
    from indexer.store.tables import Store
    from jobs.planning import IngestRequest
    from schemas.config import load_config

    config = load_config(args.config) if args.config else None
    nightly = config.nightly if config else None
    uri = args.store or (nightly.store if nightly else None)
    if uri is None:
        raise ConfigError("reindex: name the --store, or a --config with nightly.store")
    last = last_indexing(Store.open(uri, config.storage if config else None))
    catalogue = args.catalog or (nightly.catalog if nightly else None)
    videos = args.videos or (nightly.videos if nightly else None)
    request = IngestRequest(
        catalogue or last.source["catalogue"], videos or last.source["videos"], uri
    )
    return request, config or last.config
