"""The command `explain`: why a video is linked to a product, or why not."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, print_json, snapshot_of

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.indexer.quality.explain import Explanation

_MOST_EXPLAINED = 5


def add_explain(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "explain", "tell why a video is linked, or why not", _explain)
    sub.add_argument("--video", required=True, metavar="ID", help="the video")
    sub.add_argument("--sku", metavar="SKU", help="only this product, linked or not")


def _explain(args: argparse.Namespace) -> None:
    from reelshelf.indexer.quality.explain import explain

    snapshot = snapshot_of(args)
    found = explain(snapshot, args.video, args.sku)
    if args.json:
        print_json([asdict(item) for item in found])
    else:
        _show_explanations(args.video, found, snapshot.link_above, console())


def _show_explanations(
    video_id: str, found: "Sequence[Explanation]", link_above: float, console: "Console"
) -> None:
    """Each pair: its score in words, the evidence, and the sum behind it."""
    from reelshelf.indexer.text.wording import describe, told_override
    from reelshelf.jobs.cli.tables import make_table, plain

    if not found:
        console.print(plain(f"{video_id}: no modality speaks for any product"))
    for item in found[:_MOST_EXPLAINED]:
        name = f"{video_id} and {item.sku} {item.title}"
        if item.override is not None:
            console.print(plain(f"{name}: {told_override(item.override)}"))
        if item.shown_instead:
            others = ", ".join(item.shown_instead)
            console.print(plain(f"{name}: not linked, another variant of it is shown: {others}"))
            continue
        if item.link is None:
            console.print(plain(f"{name}: not linked, no modality speaks for it"))
            continue
        verdict = "linked" if item.link.score >= link_above else "not linked"
        if item.override is not None:
            verdict = f"by its evidence {verdict}"
        console.print(
            plain(f"{name}: {verdict}, {item.link.score:.2f} (a link from {link_above:.2f} on)")
        )
        for piece in item.link.evidence[:5]:
            console.print(plain(f"  {describe(piece)} (alone {piece.score:.2f})"))
        rows = [["start", "", f"{item.bias:+.2f}"]]
        rows += [[c.signal.value, f"{c.value:.2f}", f"{c.adds:+.2f}"] for c in item.contributions]
        total = item.bias + sum(c.adds for c in item.contributions)
        rows.append(["log-odds", "", f"{total:+.2f}"])
        console.print(make_table("", ["signal", "value", "adds"], rows))
    if len(found) > _MOST_EXPLAINED:
        console.print(f"... and {len(found) - _MOST_EXPLAINED} weaker; --json lists them all")
