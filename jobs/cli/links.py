"""The command `links`: which videos sell which products, and why."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, print_json, snapshot_of

if TYPE_CHECKING:
    from rich.console import Console

    from reelshelf.schemas.links import ProductLink


def add_links(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "links", "show which videos sell which products, and why", _links)
    which = sub.add_mutually_exclusive_group()
    which.add_argument("--video", metavar="ID", help="only links of this video")
    which.add_argument("--sku", metavar="SKU", help="only links to this product")
    sub.add_argument(
        "--min-score", type=float, metavar="S", help="weakest link shown (linking.link_above)"
    )


def _links(args: argparse.Namespace) -> None:
    from reelshelf.indexer.store.links import released_links

    snapshot = snapshot_of(args)
    least = snapshot.link_above if args.min_score is None else args.min_score
    found = released_links(snapshot, video_id=args.video, sku=args.sku, min_score=least)
    if args.json:
        print_json([_link_json(video, title, link) for video, title, link in found])
    else:
        _show_links(found, console())


def _link_json(video_id: str, title: str, link: "ProductLink") -> dict[str, object]:
    return asdict(link) | {"video_id": video_id, "title": title, "scores": dict(link.scores)}


def _show_links(links: "Sequence[tuple[str, str, ProductLink]]", console: "Console") -> None:
    """Links as (video id, product title, link)."""
    from reelshelf.indexer.text.wording import clock, describe, told_override
    from reelshelf.jobs.cli.tables import make_table
    from reelshelf.schemas.links import VariantState

    rows = []
    for video_id, title, link in links:
        modalities = ", ".join(
            f"{modality.value} {score:.2f}" for modality, score in link.scores if score
        )
        spans = ", ".join(f"{clock(s.start_ms)} - {clock(s.end_ms)}" for s in link.spans)
        why = "; ".join(describe(piece) for piece in link.evidence[:1])
        if link.override is not None:
            why = told_override(link.override)
        elif link.variant is VariantState.UNKNOWN:
            why = f"one of the variants of {link.group_id}; {why}"
        rows.append([video_id, link.sku, title, f"{link.score:.2f}", spans, modalities, why])
    columns = ["video", "SKU", "title", "score", "moments", "modalities", "evidence"]
    console.print(make_table("Links", columns, rows) if rows else "No links.")
