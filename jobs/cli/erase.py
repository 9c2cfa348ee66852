"""The command `erase`: take videos or products down."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_command,
    console,
    given_config,
    print_json,
    say,
)
from reelshelf.schemas.errors import ConfigError

if TYPE_CHECKING:
    from reelshelf.indexer.store.erased import ErasedItem


def add_erase(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "erase", "take videos or products down; without either, list what is", _erase
    )
    sub.add_argument("--video", action="append", default=[], metavar="ID", help="this video")
    sub.add_argument("--sku", action="append", default=[], metavar="SKU", help="this product")
    sub.add_argument("--reason", metavar="TEXT", help="why: it stands in the release and in skips")
    sub.add_argument(
        "--undo", action="store_true", help="let them be indexed again by the next run"
    )


def _erase(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.erasing import erase, lift_erased
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.store.erased import erased_items
    from reelshelf.indexer.store.tables import Store

    config = config_for(given_config(args), args.store)
    if not (args.video or args.sku):
        if args.undo or args.reason:
            raise ConfigError("erase: name a --video or a --sku")
        _list(list(erased_items(Store.open(args.store, config.storage)).values()), args)
        return
    if args.undo:
        lifted = lift_erased(args.store, config, videos=args.video, skus=args.sku)
        if args.json:
            print_json({"lifted": [asdict(item) for item in lifted]})
        else:
            say(f"{len(lifted)} may be indexed again: the next run does.")
        return
    done = erase(args.store, config, videos=args.video, skus=args.sku, reason=args.reason)
    if args.json:
        print_json(
            {
                "erased": [asdict(item) for item in done.items],
                "release": done.release.release_id if done.release else None,
                "held_by": [release.release_id for release in done.held_by],
            }
        )
        return
    for item in done.items:
        say(f"Erased: {item.input} {item.item_id}.")
    if done.release is not None:
        say(f"Searchers go to {done.release.release_id}, which does not have them.")
    if done.held_by:
        names = ", ".join(release.release_id for release in done.held_by)
        say(f"Still held by {names}: nobody goes back there, and `reelshelf prune` deletes them.")


def _list(items: "list[ErasedItem]", args: argparse.Namespace) -> None:
    from reelshelf.jobs.cli.tables import make_table

    if args.json:
        print_json([asdict(item) for item in items])
        return
    rows = [[item.input, item.item_id, item.reason or ""] for item in items]
    console().print(make_table("Erased", ["what", "id", "why"], rows))
