"""The command `rules`: curation of what a search shows."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, print_json, snapshot_of

if TYPE_CHECKING:
    from reelshelf.indexer.search.curation import Remark


def add_rules(commands: Commands) -> None:
    """Add it to the command line."""
    text = "curation of what a search shows, by a file of rules"
    sub = commands.add_parser("rules", help=text, description=text[0].upper() + text[1:] + ".")
    actions = sub.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = add_command(
        actions, "check", "read a file of rules, and hold it against what is published", _check
    )
    check.add_argument("file", type=Path, metavar="FILE", help="rules.toml")


def _check(args: argparse.Namespace) -> None:
    """Raises ConfigError for a file that cannot be read, InputError for what cannot be so."""
    from reelshelf.indexer.search.rule_check import check_rules
    from reelshelf.schemas.rules import read_rules

    rules = read_rules(args.file)
    found = check_rules(rules, snapshot_of(args))
    count = sum(1 for _ in rules.named())
    if args.json:
        print_json({"rules": count, "remarks": [_json(remark) for remark in found]})
        return
    from reelshelf.indexer.text.wording import counted
    from reelshelf.jobs.cli.tables import plain

    for remark in found:
        console().print(plain(f"{remark.rule}: {remark.told}"))
    told = counted(len(found), "remark") if found else "nothing to remark"
    console().print(plain(f"{args.file}: {counted(count, 'rule')}, {told}"))


def _json(remark: "Remark") -> dict[str, str]:
    return {"rule": remark.rule, "told": remark.told}
