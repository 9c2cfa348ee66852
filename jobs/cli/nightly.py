"""The command `nightly`: the scheduled incremental ingest."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_allow_shrink,
    add_command,
    console,
    given_config,
    print_json,
    settle_threads,
)
from reelshelf.schemas.errors import ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.pipeline.plan import PlanCounts
    from reelshelf.jobs.summary import NightlySummary


def add_nightly(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "nightly",
        "run the scheduled incremental ingest, as the config says, and publish",
        _nightly,
        store=False,
        json_output=False,
        config="with [nightly] catalog, videos, store, and a profile",
    )
    sub.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    sub.add_argument(
        "--verify-content", action="store_true", help="hash every file, whatever its stamp says"
    )
    add_allow_shrink(sub)
    sub.add_argument("--address", metavar="ADDR", help="the Ray cluster to run on (engine.address)")


def _nightly(args: argparse.Namespace) -> int:
    settle_threads()
    from reelshelf.indexer.pipeline.planning import plan_only
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.jobs.cli.progress import LineProgress
    from reelshelf.jobs.nightly import request_of, run_nightly

    given = given_config(args, profile_required=True)
    config = given.resolve()
    config = config_for(given, request_of(config, verify=False).store)
    if args.address is not None:
        engine = config.engine.model_copy(update={"kind": "ray", "address": args.address})
        config = config.model_copy(update={"engine": engine})
    request = request_of(config, verify=args.verify_content)
    request = replace(request, allow_shrink=args.allow_shrink)
    if args.dry_run:
        counts = plan_only(request, config).counts
        _show_plan(counts, console(stderr=True))
        print(json.dumps(asdict(counts)))
        return ExitCode.NOTHING_TO_DO if counts.nothing_to_do else ExitCode.DONE
    return run_nightly(config, request, LineProgress(), _tell)


def _tell(summary: "NightlySummary") -> None:
    print_json(asdict(summary), indent=None)
    print(f"reelshelf nightly: {summary.line}", file=sys.stderr)


def _show_plan(counts: "PlanCounts", console: "Console") -> None:
    """What a run would do, without what is zero."""
    from reelshelf.jobs.cli.tables import make_table

    rows = [[n.replace("_", " "), str(c)] for n, c in asdict(counts).items() if c]
    console.print(make_table("Planned", ["what", "count"], rows) if rows else "Nothing to do.")
