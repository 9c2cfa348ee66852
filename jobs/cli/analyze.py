"""The command `analyze`: how a query is understood."""

import argparse

from reelshelf.jobs.cli.search import add_reading, query_json, rules_of, told
from reelshelf.jobs.cli.terminal import Commands, add_command, console, print_json, snapshot_of


def add_analyze(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "analyze", "print how a query is understood", _analyze)
    sub.add_argument("text", metavar="TEXT", help="what a shopper would type")
    add_reading(sub)


def _analyze(args: argparse.Namespace) -> None:
    from reelshelf.indexer.search.finding import QueryEncoders
    from reelshelf.indexer.search.searcher import Searcher
    from reelshelf.jobs.cli.tables import plain
    from reelshelf.models.registry import load_query_encoder

    snapshot = snapshot_of(args)
    encoders = QueryEncoders(text=load_query_encoder(snapshot.config))
    searcher = Searcher(snapshot, encoders, rules=rules_of(args))
    query = searcher.analyze(args.text, correct=not args.as_typed, language=args.language)
    if args.json:
        print_json(query_json(query))
        return
    lines = [f"Searched for: {query.corrected or query.text}"]
    for kind, names in (
        ("Brand", query.brands),
        ("Category", query.categories),
        ("Value", query.values),
    ):
        lines += [f"{kind}: {name}." for name in names]
    for line in (*lines, *told(query)):
        console().print(plain(line))
