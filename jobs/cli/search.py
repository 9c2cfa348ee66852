"""The command `search`: find videos by words or by a picture."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import Commands, add_command, console, print_json, snapshot_of
from reelshelf.schemas.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reelshelf.indexer.search.query import Query
    from reelshelf.indexer.search.results import Answer, SearchHit
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot


def add_search(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(commands, "search", "find videos by words or by a picture", _search)
    sub.add_argument("text", nargs="?", metavar="TEXT", help="what a shopper would type")
    sub.add_argument("--image", type=Path, metavar="FILE", help="a picture instead of words")
    sub.add_argument("-k", type=int, default=10, metavar="N", help="how many results (10)")
    sub.add_argument("--category", metavar="C", help="only videos that sell from this category")
    add_as_typed(sub)


def add_as_typed(sub: argparse.ArgumentParser) -> None:
    """The option of commands that read a query."""
    sub.add_argument("--as-typed", action="store_true", help="correct no spelling")


def _search(args: argparse.Namespace) -> None:
    if (args.text is None) == (args.image is None):
        raise ConfigError("search: give either TEXT or --image FILE")
    if args.k < 1:
        raise ConfigError(f"search: -k: got {args.k}; it must be at least 1")
    found = find(
        snapshot_of(args),
        args.text,
        args.image,
        k=args.k,
        category=args.category,
        correct=not args.as_typed,
    )
    if args.json:
        print_json(_answer_json(found))
    else:
        _show_answer(args.text or str(args.image), found, console())


def _answer_json(found: "Answer") -> dict[str, object]:
    return {
        "answered": found.answered,
        "outside_filters": found.outside_filters,
        "query": query_json(found.query) if found.query else None,
        "hits": [asdict(hit) for hit in found.hits],
        "closest": [asdict(hit) for hit in found.closest],
    }


def query_json(query: "Query") -> dict[str, object]:
    """How a text was understood."""
    price = query.price or query.foreign
    return {
        "text": query.text,
        "corrected": query.corrected,
        "respelled": query.respelled,
        "corrections": [{"typed": typed, "taken": taken} for typed, taken in query.corrections],
        "price": price and {
            "least": price.least,
            "most": price.most,
            "currency": query.currency,
            "filters": query.price is not None,
        },
        "brands": list(query.brands),
        "categories": list(query.categories),
        "values": list(query.values),
        "excluded": list(query.excluded),
        "otherwise": [
            {"words": " ".join(one.words), "as": [" ".join(other) for other in one.alternatives]}
            for one in query.concepts
            if one.alternatives
        ],
        "notes": list(query.notes),
    }  # fmt: skip


def find(
    snapshot: "ReleaseSnapshot",
    text: str | None,
    image: Path | None,
    *,
    k: int,
    category: str | None,
    correct: bool = True,
) -> "Answer":
    """Search a release with the models that it names."""
    from reelshelf.indexer.extract.pictures import load_picture
    from reelshelf.indexer.search.searcher import QueryEncoders, Searcher
    from reelshelf.models.registry import load_image_encoder, load_joint_text, load_text_encoder

    config = snapshot.config
    if text is not None:
        encoders = QueryEncoders(text=load_text_encoder(config), joint_text=load_joint_text(config))
        searcher = Searcher(snapshot, encoders)
        return searcher.search_text(text, k=k, category=category, correct=correct)
    assert image is not None
    try:
        pixels = load_picture(image)
    except (OSError, ValueError) as error:
        raise ConfigError(f"search: --image {image}: {error}") from error
    encoders = QueryEncoders(image=load_image_encoder(config))
    return Searcher(snapshot, encoders).search_image(pixels, k=k, category=category)


def _show_answer(title: str, found: "Answer", console: "Console") -> None:
    """How a query was understood, and its results; where there is none, what came closest."""
    from reelshelf.jobs.cli.tables import plain

    for line in told(found.query) if found.query else ():
        console.print(plain(line))
    if found.answered:
        console.print(_hit_table(title, found.hits))
        return
    why = "nothing in the shop comes near it"
    if found.outside_filters:
        why = "what comes near it lies outside the price or the category that was asked for"
    console.print(plain(f"{title}: nothing found; {why}"))
    if found.closest:
        console.print(_hit_table("What came closest", found.closest))


def told(query: "Query") -> list[str]:
    """How a text was understood, in words: nothing where it was taken as it stands."""
    lines = [f'Corrected: "{typed}" to "{taken}".' for typed, taken in query.corrections]
    if query.price:
        bounds = (("at least", query.price.least), ("at most", query.price.most))
        asked = (
            f"{side} {amount:.2f}".removesuffix(".00")
            for side, amount in bounds
            if amount is not None
        )
        lines.append(f"Price: {', '.join(asked)}.")
    if query.excluded:
        lines.append(f"Without: {', '.join(query.excluded)}.")
    return [*lines, *(f"Note: {note}." for note in query.notes)]


def _hit_table(title: str, hits: "Sequence[SearchHit]") -> "Table":
    """Search results: video, moment, SKUs and the evidence."""
    from reelshelf.indexer.text.wording import clock, describe
    from reelshelf.jobs.cli.tables import make_table

    rows = []
    for place, hit in enumerate(hits, start=1):
        sold = ", ".join(f"{p.sku} {p.title} ({p.score:.2f})" for p in hit.products[:3])
        found = ", ".join(f"{name} {points:.2f}" for name, points in hit.retrievers)
        # A caption may speak as words and as print: it is told once.
        told = dict.fromkeys(describe(piece) for piece in hit.evidence)
        why = "; ".join(list(told)[:2]) or hit.text
        moment = f"{clock(hit.start_ms)} - {clock(hit.end_ms)}"
        rows.append([str(place), hit.video_id, moment, f"{hit.score:.2f}", sold, why, found])
    columns = ["", "video", "moment", "score", "sells", "evidence", "found by"]
    return make_table(title, columns, rows)
