"""The command `publish`: make a release of what the tables hold."""

import argparse

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_command,
    given_config,
    print_json,
    say,
    settle_threads,
)
from reelshelf.schemas.errors import ConfigError


def add_publish(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "publish", "make a release of what the tables hold, and end a hold", _publish
    )
    sub.add_argument(
        "--force",
        metavar="REASON",
        help="publish against the gate's word; the reason stands in the release",
    )


def _publish(args: argparse.Namespace) -> None:
    settle_threads()
    from reelshelf.indexer.pipeline.progress import NoProgress
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.pipeline.upkeep import publish
    from reelshelf.jobs.cli.progress import BarProgress

    if args.force is not None and not args.force.strip():
        raise ConfigError("publish: --force: say why; the reason stands in the release")
    config = config_for(given_config(args), args.store) if args.config else None
    progress = NoProgress() if args.json else BarProgress()
    result = publish(args.store, config, progress, forced=args.force).or_raise()
    name = result.newest.release_id
    if args.json:
        print_json(
            {"published": result.published, "release": result.newest.model_dump(mode="json")}
        )
    elif result.published:
        say(f"Published release {name}.")
        for check in result.newest.gate:
            if not check.passed:
                say(f"Against the gate: {check.name}: wanted {check.wanted}, got {check.found}.")
    else:
        say(f"Nothing new; {name} stays.")
