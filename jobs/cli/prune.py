"""The command `prune`: delete old releases, and what dead runs left behind."""

import argparse
import datetime as dt
from dataclasses import asdict

from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say
from reelshelf.schemas.errors import ConfigError


def add_prune(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "prune", "delete old releases, and dead runs' files", _prune)
    sub.add_argument("--keep", type=int, metavar="N", help="how many stay (release.keep)")
    sub.add_argument(
        "--grace-hours",
        type=float,
        metavar="H",
        help="how long a release stays that searchers were told to leave (release.grace_hours)",
    )
    sub.add_argument("--dry-run", action="store_true", help="show what would go")


def _prune(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.upkeep import prune_store, would_prune

    config = given_config(args).resolve()
    keep = config.release.keep if args.keep is None else args.keep
    hours = config.release.grace_hours if args.grace_hours is None else args.grace_hours
    if keep < 1 or hours < 0:
        raise ConfigError("prune: --keep must be at least 1, --grace-hours at least 0")
    grace = dt.timedelta(hours=hours)
    if args.dry_run:
        names = [r.release_id for r in would_prune(args.store, config, keep=keep, grace=grace)]
        if args.json:
            print_json({"releases": names})
        else:
            say(f"Would go: {', '.join(names) or 'nothing'}.")
        return
    done = prune_store(args.store, config, keep=keep, grace=grace)
    if args.json:
        print_json(asdict(done))
        return
    say(f"Gone: {', '.join(done.releases) or 'no release'}.")
    say(f"{done.versions} old versions of tables, {done.bytes / 1e6:.1f} MB.")
