"""The command `overrides`: overrides of links by people, against every score."""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.exits import cannot_write
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
    from reelshelf.indexer.pipeline.correcting import Corrected
    from reelshelf.indexer.store.tables import Store
    from reelshelf.schemas.config import Config
    from reelshelf.schemas.overrides import Override

COLUMNS = ("video_id", "sku", "group_id", "verdict", "who", "when", "why")


def add_overrides(commands: Commands) -> None:
    """Add it to the command line."""
    text = "what people say of links, against every score"
    sub = commands.add_parser("overrides", help=text, description=text[0].upper() + text[1:] + ".")
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    take = add_command(
        actions, "import", "take rows in, link their videos again and publish", _import
    )
    take.add_argument(
        "file", type=Path, metavar="FILE", help=f"CSV with {', '.join(COLUMNS)}; or JSON, Parquet"
    )
    give = add_command(actions, "export", "write rows as they can be imported", _export)
    give.add_argument("file", type=Path, metavar="FILE", help="where they go, as CSV")
    add_command(actions, "apply", "bring what is served into line with all overrides", _apply)
    for name, text, run in (
        ("list", "show what people have said", _list),
        ("remove", "take back what people have said of some videos or products", _remove),
    ):
        chosen = add_command(actions, name, text, run)
        chosen.add_argument("--video", metavar="ID", help="only on this video")
        chosen.add_argument("--sku", metavar="SKU", help="only on this product")
        chosen.add_argument("--group", metavar="ID", help="only on this group of variants")


def _opened(args: argparse.Namespace) -> "tuple[Store, Config]":
    from reelshelf.indexer.pipeline.settings import config_for
    from reelshelf.indexer.store.tables import Store

    config = config_for(given_config(args), args.store)
    return Store.open(args.store, config.storage), config


def _import(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.correcting import import_overrides
    from reelshelf.indexer.sources.overrides import read_overrides_file

    store, config = _opened(args)
    overrides, blank = read_overrides_file(args.file, store.generations()[0].shop_id)
    _show(import_overrides(args.store, config, overrides), args, blank)


def _export(args: argparse.Namespace) -> None:
    from reelshelf.indexer.store.overrides import read_overrides

    found = read_overrides(_opened(args)[0])
    _write(args.file, found)
    say(f"{len(found)} rows written to {args.file}.")


def _apply(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.correcting import reapply_overrides

    _, config = _opened(args)
    done = reapply_overrides(args.store, config)
    name = done.release.release_id if done.release else None
    if args.json:
        print_json({"videos_linked_again": done.relinked, "release": name})
    else:
        say(f"{done.relinked} videos linked again." if name else "What is served has them all.")
        if name:
            say(f"Searchers go to {name}.")


def _list(args: argparse.Namespace) -> None:
    from reelshelf.indexer.store.overrides import read_overrides

    _show_all([item for item in read_overrides(_opened(args)[0]) if _is_chosen(item, args)], args)


def _remove(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.correcting import remove_overrides
    from reelshelf.indexer.store.overrides import read_overrides

    if not (args.video or args.sku or args.group):
        raise ConfigError("overrides remove: name a --video, a --sku or a --group")
    store, config = _opened(args)
    chosen = [item for item in read_overrides(store) if _is_chosen(item, args)]
    if not chosen:
        raise ConfigError("overrides remove: nobody has said anything of these")
    _show(remove_overrides(args.store, config, chosen), args, 0)


def _is_chosen(item: "Override", args: argparse.Namespace) -> bool:
    return (
        args.video in (None, item.video_id)
        and args.sku in (None, item.sku)
        and args.group in (None, item.group_id)
    )


def _cells(item: "Override") -> list[str]:
    from reelshelf.indexer.sources import EVERYTHING_ELSE

    when = item.at.isoformat() if item.at else ""
    group = item.group_id if item.sku or item.group_id else EVERYTHING_ELSE
    told = (item.sku, group, item.verdict.value, item.who, when, item.why)
    return [item.video_id, *(cell or "" for cell in told)]


def _write(path: Path, items: "Sequence[Override]") -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *map(_cells, items)])
    except OSError as error:
        raise cannot_write(f"overrides: {path}", error) from error


def _show_all(items: "Sequence[Override]", args: argparse.Namespace) -> None:
    from reelshelf.jobs.cli.tables import make_table

    if args.json:
        print_json([asdict(item) | {"at": str(item.at)} for item in items])
        return
    rows = [
        [item.video_id, item.verdict.value, item.target, item.who or "", item.why or ""]
        for item in items
    ]
    console().print(make_table("Overrides", ["video", "verdict", "product", "who", "why"], rows))


def _show(done: "Corrected", args: argparse.Namespace, blank: int) -> None:
    if args.json:
        print_json(
            {
                "overrides": len(done.overrides),
                "videos_linked_again": done.relinked,
                "release": done.release.release_id if done.release else None,
                "not_in_the_release": [[item.video_id, item.target] for item in done.unknown],
                "rows_without_verdict": blank,
            }
        )
        return
    taken = "taken back" if args.action == "remove" else "taken in"
    say(f"{len(done.overrides)} {taken}; {done.relinked} videos, with their copies, linked again.")
    if blank:
        say(f"{blank} rows have no verdict and were left out.")
    if done.unknown:
        names = ", ".join(f"{item.video_id} {item.target}" for item in done.unknown[:5])
        say(f"{len(done.unknown)} name what the release lacks, and count when it has it: {names}")
    if done.release is not None:
        say(f"Searchers go to {done.release.release_id}.")
    else:
        say("What is served did not change.")
