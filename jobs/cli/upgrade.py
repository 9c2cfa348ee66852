"""The command `upgrade`: bring a store of an older version to today's schema."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, given_config, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.pipeline.outdated import Outdated
    from reelshelf.indexer.store.migration import Upgrade


def add_upgrade(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "upgrade",
        "bring a store of an older version to today's schema; nothing is indexed again",
        _upgrade,
    )
    sub.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be done, and what is older than today's defaults",
    )


def _upgrade(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.outdated import outdated
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.pipeline.upkeep import upgrade_store
    from reelshelf.indexer.store.migration import upgrade_of
    from reelshelf.indexer.store.tables import Store

    given = given_config(args)
    config = config_for(given, args.store)
    store = Store.open(args.store, config.storage)
    done = upgrade_of(store, config) if args.dry_run else upgrade_store(args.store, config)
    older = outdated(store, given)
    if args.json:
        print_json({"dry_run": args.dry_run, "upgrade": asdict(done), "outdated": asdict(older)})
        return
    _show(done, older, console(), dry_run=args.dry_run)


def _show(done: "Upgrade", older: "Outdated", console: "Console", *, dry_run: bool) -> None:
    from reelshelf.jobs.cli.tables import make_table, plain

    if not done.is_needed:
        console.print(plain(f"The store has schema {done.before}, which is today's."))
    else:
        verb = "Would upgrade" if dry_run else "Upgraded"
        console.print(plain(f"{verb} the store from schema {done.before} to {done.after}."))
        rows = [[column, "new column"] for column in done.columns]
        rows += [[table, "new table"] for table in done.tables]
        rows += [[table, f"fingerprints of {n} rows renamed"] for table, n in done.renamed.items()]
        console.print(make_table("Changes", ["where", "what"], rows))
    rows = [[item.key, item.stored, item.today] for item in older.settings]
    rows += [
        [f"{item.stage} of {item.rows} rows", f"version {item.stored}", f"version {item.today}"]
        for item in older.versions
    ]
    if not rows:
        console.print("Nothing in it is older than today's defaults.")
        return
    console.print(make_table("Older than today's defaults", ["what", "store", "today"], rows))
    console.print("All of it stays valid. `reelshelf reindex --outdated` makes it anew.")
