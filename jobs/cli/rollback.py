"""The command `rollback`: have searchers go to an older release."""

import argparse

from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say
from reelshelf.schemas.errors import StoreBusy


def add_rollback(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "rollback", "have searchers go to an older release", _rollback)
    sub.add_argument("--to", metavar="ID", help="that release (the one before)")


def _rollback(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.correcting import reapply_overrides
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.pipeline.upkeep import rollback_store

    given = given_config(args)
    left, served = rollback_store(args.store, given.storage, args.to)
    # What people have said of links since that release was made holds there too.
    corrected, busy = None, ""
    try:
        corrected = reapply_overrides(args.store, config_for(given, args.store)).release
    except StoreBusy as error:
        busy = str(error)
    if args.json:
        name = corrected.release_id if corrected else None
        print_json({"from": left.release_id, "to": served.release_id, "corrected": name})
        return
    say(f"Searchers go from {left.release_id} to {served.release_id} (made {served.created_at}).")
    if corrected is not None:
        say(f"People's corrections were applied to it: searchers see {corrected.release_id}.")
    if busy:
        say(f"What people have said of links since is not in it ({busy})")
        say("Once that has ended: `reelshelf overrides apply`.")
    say("From the next run on, links are scored by the calibration of that release again.")
    say("Runs keep the tables up to date and do not publish until `reelshelf publish` says so.")
