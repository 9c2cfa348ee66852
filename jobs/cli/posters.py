"""The command `posters`: a picture of each video, for pages that list videos."""

import argparse
from dataclasses import asdict
from pathlib import Path

from reelshelf.jobs.cli.exits import cannot_write
from reelshelf.jobs.cli.terminal import Commands, add_command, given_config, print_json, say


def add_posters(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "posters",
        "make a picture of each video of the served release, for `reelshelf serve --posters`",
        _posters,
    )
    sub.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help="a folder of this store's posters alone: what lacks is made, what left is removed",
    )
    sub.add_argument(
        "--workers", type=int, default=2, metavar="N", help="processes that decode (2)"
    )


def _posters(args: argparse.Namespace) -> None:
    from reelshelf.indexer.pipeline import config_for, make_posters
    from reelshelf.indexer.store import ReleaseSnapshot

    unmade: dict[str, str] = {}

    def note(video_id: str, reason: str) -> None:
        if args.json:
            unmade[video_id] = reason
        else:
            say(f"no poster of {video_id}: {reason}")

    config = config_for(given_config(args), args.store)
    snapshot = ReleaseSnapshot.open(args.store, config.storage)
    try:
        found = make_posters(snapshot, args.out, config, max(1, args.workers), note)
    except OSError as error:
        raise cannot_write(f"--out {args.out}", error) from error
    if args.json:
        print_json({"release": snapshot.release.release_id, **asdict(found), "reasons": unmade})
    else:
        say(
            f"{found.made} posters made, {found.kept} were there, {found.failed} cannot be made, "
            f"{found.removed} of other videos removed"
        )
