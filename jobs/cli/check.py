"""The command `check`: what a run would refuse of a source, and why; nothing is indexed."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_catalog,
    add_command,
    console,
    given_config,
    print_json,
)

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.pipeline.checking import Checked


def add_check(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "check", "read a catalog and videos, and tell what would be refused", _check,
        store=False,
    )  # fmt: skip
    add_catalog(sub)
    sub.add_argument("--videos", metavar="URI", help="a folder or s3:// prefix, or a manifest")
    sub.add_argument(
        "--rows-only", action="store_true", help="open no picture, no video and no subtitles"
    )


def _check(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline.checking import check_source
    from reelshelf.indexer.pipeline.progress import NoProgress
    from reelshelf.jobs.cli.progress import BarProgress

    config = given_config(args).resolve()
    progress = NoProgress() if args.json else BarProgress()
    found = check_source(args.catalog, args.videos, config, progress, rows_only=args.rows_only)
    if args.json:
        print_json(check_json(found))
    else:
        show_check(found, console())


def check_json(found: "Checked") -> dict[str, object]:
    """What was found, for programs. `refused` lists the first thousand."""
    return {
        "lists": found.lists,
        "told": found.told,
        "accepted": dict(found.accepted),
        "refused_count": dict(found.refused),
        "skipped": dict(found.skipped),
        "reasons": [
            {"kind": kind, "reason": reason, "count": count}
            for (kind, reason), count in found.reasons.most_common()
        ],
        "refused": [asdict(item) for item in found.examples],
    }


def show_check(found: "Checked", console: "Console") -> None:
    """How lists are written, what would be taken, and what would be refused and why."""
    from reelshelf.jobs.cli.tables import MOST_LISTED, make_table, plain

    for name, how in found.lists.items():
        console.print(plain(f"{name}: {how}"))
    for told in found.told:
        console.print(plain(f"Note: {told}"))
    kinds = [kind for kind in _KINDS if found.accepted[kind] or found.refused[kind]]
    rows = [[_KINDS[k], f"{found.accepted[k]:,}", f"{found.refused[k]:,}"] for k in kinds]
    console.print(make_table("Read", ["what", "usable", "refused"], rows))
    if found.skipped:
        skipped = [[reason, f"{count:,}"] for reason, count in found.skipped.most_common()]
        console.print(make_table("Left out", ["why", "count"], skipped[:MOST_LISTED]))
    if not found.examples:
        console.print("Nothing would be refused.")
        return
    reasons = [[k, reason, f"{count:,}"] for (k, reason), count in found.reasons.most_common()]
    table = make_table(
        "Would be refused, by reason", ["what", "why", "count"], reasons[:MOST_LISTED]
    )
    console.print(table)
    examples = [
        [r.kind, f"{r.source}:{r.line}" if r.line else r.source, r.item_id or "", r.reason]
        for r in found.examples[:MOST_LISTED]
    ]
    console.print(make_table("The first of them", ["what", "where", "id", "why"], examples))
    total = sum(found.refused.values())
    if total > MOST_LISTED:
        console.print(f"... and {total - MOST_LISTED:,} more; --json lists the first thousand")


_KINDS = {
    "product": "products",
    "picture": "pictures",
    "video": "videos",
    "media": "video files",
    "subtitles": "files of subtitles",
}
