"""The command `rollback`: have searchers go to an older release."""

import argparse

from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say


def add_rollback(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "rollback", "have searchers go to an older release", _rollback)
    sub.add_argument("--to", metavar="ID", help="that release (the one before)")


def _rollback(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.upkeep import rollback_store

    left, served = rollback_store(args.store, given_config(args).storage, args.to)
    if args.json:
        print_json({"from": left.release_id, "to": served.release_id})
        return
    say(f"Searchers go from {left.release_id} to {served.release_id} (made {served.created_at}).")
    say("From the next run on, links are scored by the calibration of that release again.")
    say("Runs keep the tables up to date and do not publish until `reelshelf publish` says so.")
