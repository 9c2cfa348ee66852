"""The command `releases`: what was published, and what searchers see."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, open_store, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.store.releases import Listed


def add_releases(commands: Commands) -> None:
    """Add it to the command line."""
    add_command(commands, "releases", "list what was published", _releases)


def _releases(args: argparse.Namespace) -> None:
    from reelshelf.indexer.store.head import read_head
    from reelshelf.indexer.store.releases import listed_releases

    store = open_store(args)
    found = listed_releases(store)
    if args.json:
        rows = [
            item.release.model_dump(mode="json")
            | {
                "serving": item.serving,
                "left_at": item.left_at,
                "withdrawn": item.withdrawn,
                "erased": item.erased,
            }
            for item in found
        ]
        print_json(rows)
    else:
        _show_releases(found, read_head(store).hold, console())


def _show_releases(found: "Sequence[Listed]", hold: str | None, console: "Console") -> None:
    """All releases, newest first, and which is served."""
    from reelshelf.jobs.cli.tables import make_table, plain

    rows = []
    for item in reversed(found):
        r = item.release
        standing = "served" if item.serving else f"left {item.left_at:%Y-%m-%d %H:%M}"
        notes = ["rolled back from"] if item.withdrawn else []
        notes += ["holds something erased"] if item.erased else []
        notes += [f"forced: {r.forced}"] if r.forced else []
        notes += [r.corrected] if r.corrected else []
        rows.append(
            [
                r.release_id,
                standing,
                r.created_at[:19].replace("T", " "),
                r.profile,
                str(r.quality.videos),
                str(r.quality.products),
                str(r.quality.links),
                f"{min(r.quality.recall_at_10.values(), default=1.0):.3f}",
                "; ".join(notes),
            ]
        )
    columns = [
        "release",
        "standing",
        "made (UTC)",
        "profile",
        "videos",
        "products",
        "links",
        "least recall@10",
        "",
    ]
    console.print(make_table("Releases", columns, rows))
    if hold:
        console.print(plain(f"On hold: {hold}. `reelshelf publish` goes on."))
