"""The command `restore`: set the tables back to a release."""

import argparse

from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say


def add_restore(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "restore", "set all tables back to a release that is kept", _restore
    )
    sub.add_argument("--to", required=True, metavar="ID", help="that release")


def _restore(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.pipeline.upkeep import restore_store

    config = config_for(given_config(args), args.store)
    release = restore_store(args.store, config, args.to)
    if args.json:
        print_json({"release": release.release_id})
        return
    say(f"The tables are what {release.release_id} names (made {release.created_at}).")
    say("What is served stays as it is. The next run goes on from here, and publishes; after a")
    say("rollback, `reelshelf publish` does.")
