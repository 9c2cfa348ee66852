"""The command `serve`: the online searcher over a store's published releases."""

import argparse
from pathlib import Path

from reelshelf.jobs.cli.terminal import Commands, add_command, say


def add_serve(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands,
        "serve",
        "serve searches over HTTP, with a page for shoppers and reviewers",
        _serve,
        json_output=False,
        config="settings of the service, see docs/service.md",
    )
    sub.add_argument("--host", metavar="HOST", help="where it listens (server.host: 127.0.0.1)")
    sub.add_argument("--port", type=int, metavar="PORT", help="(server.port: 8080)")
    sub.add_argument(
        "--workers", type=int, metavar="N", help="processes that search (server.workers: 2)"
    )
    sub.add_argument(
        "--pictures", type=Path, metavar="DIR", help="the folder that the catalog's pictures are in"
    )
    sub.add_argument(
        "--posters", type=Path, metavar="DIR", help="a folder that `reelshelf posters` has filled"
    )


def _serve(args: argparse.Namespace) -> None:
    from reelshelf.indexer.store import ReleaseSnapshot
    from reelshelf.schemas.rules import read_rules
    from reelshelf.searcher import read_settings
    from reelshelf.searcher.app import listening, serve

    settings = read_settings(args.config).with_options(
        host=args.host,
        port=args.port,
        workers=args.workers,
        pictures=args.pictures,
        posters=args.posters,
    )
    # What is wrong with the store and the rules is told before anything is started.
    if settings.rules is not None:
        read_rules(settings.rules)
    release = ReleaseSnapshot.open(args.store, settings.storage).release
    with listening(settings) as own:
        host, port = own.getsockname()[:2]
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        say(f"Opening {release.release_id} of {args.store}")
        serve(
            *(args.store, settings, own, args.log_format),
            on_open=lambda: say(f"Serving on http://{at} (Ctrl-C stops it)"),
        )
        say("Stopped")
