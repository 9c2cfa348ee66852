"""The command `verify`: compare a release's files with their checksums."""

import argparse

from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say


def add_verify(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "verify", "compare a release's files with checksums", _verify)
    sub.add_argument("--release", metavar="ID", help="that release (the one that is served)")


def _verify(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.upkeep import verify

    release = verify(args.store, given_config(args).resolve(), args.release)
    files = sum(table.files for table in release.tables)
    size = sum(table.bytes for table in release.tables)
    if args.json:
        print_json({"release": release.release_id, "files": files, "bytes": size})
    else:
        say(f"{release.release_id}: {files} files, {size / 1e6:.1f} MB, all as they were written.")
