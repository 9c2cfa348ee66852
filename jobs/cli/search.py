"""The command `search`: find videos by words or by a picture."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reelshelf.jobs.cli.terminal import (
    Commands,
    add_command,
    console,
    print_json,
    snapshot_of,
)
from reelshelf.schemas.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from reelshelf.indexer.search.query import Query
    from reelshelf.indexer.search.requests import SearchRequest
    from reelshelf.indexer.search.results import Answer, ProductHit, Result, SearchHit
    from reelshelf.indexer.search.searcher import Searcher
    from reelshelf.indexer.store.snapshot import ReleaseSnapshot
    from reelshelf.schemas.media import Pixels
    from reelshelf.schemas.rules import Rules


def add_search(commands: Commands) -> None:
    """Add it to the command line."""
    sub = add_command(
        commands, "search", "find videos or products by words, a picture, or both", _search
    )
    sub.add_argument("text", nargs="?", metavar="TEXT", help="what a shopper would type")
    sub.add_argument("--image", type=Path, metavar="FILE", help="a picture, alone or with TEXT")
    sub.add_argument(
        "--like",
        metavar="THING",
        help="more like video:ID, video:ID@SECONDS (a moment) or product:SKU",
    )
    sub.add_argument(
        "--rows",
        choices=("videos", "products", "mixed"),
        default="videos",
        help="what is listed; mixed: both in one row (videos)",
    )
    sub.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help='only results that are so: "brand=Acme|Norda", "price=10..20", "color=red", '
        '"category=Home > Kitchen", "kind=live", "published=2026-01-01.."; may be repeated',
    )
    sub.add_argument("--category", metavar="C", help="the same as --filter category=C")
    sub.add_argument(
        "--facet",
        action="append",
        default=[],
        metavar="FIELD",
        help="count the results by brand, category or an attribute; may be repeated",
    )
    sub.add_argument(
        "--sort",
        choices=("relevance", "price", "-price", "newest"),
        default="relevance",
        help="the order of what is relevant (relevance)",
    )
    sub.add_argument("-k", type=int, default=10, metavar="N", help="how many results (10)")
    sub.add_argument("--cursor", metavar="C", help="the next page, as the one before has it")
    sub.add_argument(
        "--why",
        metavar="THING",
        help="tell where video:ID or product:SKU stands in the answer, or why it is not there",
    )
    add_reading(sub)


def add_reading(sub: argparse.ArgumentParser) -> None:
    """The options of commands that read a query."""
    sub.add_argument("--as-typed", action="store_true", help="correct no spelling")
    sub.add_argument("--rules", type=Path, metavar="FILE", help="curation by rules.toml")
    sub.add_argument("--language", metavar="CODE", help="the shopper's, for rules of a language")


def rules_of(args: argparse.Namespace) -> "Rules":
    """The rules that a command line names."""
    from reelshelf.schemas.rules import NO_RULES, read_rules

    return NO_RULES if args.rules is None else read_rules(args.rules)


def _search(args: argparse.Namespace) -> None:
    from reelshelf.indexer.search.filters import read_filter
    from reelshelf.indexer.search.requests import SearchRequest, read_like
    from reelshelf.jobs.cli.tables import plain

    if args.text is None and args.image is None and args.like is None:
        raise ConfigError("search: give TEXT, --image FILE, or both; or --like THING")
    if args.k < 1:
        raise ConfigError(f"search: -k: got {args.k}; it must be at least 1")
    given = [*args.filter, *([f"category={args.category}"] if args.category else [])]
    request = SearchRequest(
        text=args.text,
        image=_picture(args.image) if args.image is not None else None,
        like=read_like(args.like) if args.like is not None else None,
        rows=args.rows,
        filter=read_filter(given),
        facets=tuple(args.facet),
        sort=args.sort,
        page_size=args.k,
        cursor=args.cursor,
        correct=not args.as_typed,
        language=args.language,
    )
    searcher = searcher_for(snapshot_of(args), request, rules_of(args))
    for remark in searcher.unknown:
        console(stderr=True).print(plain(f"rules: {remark.rule}: {remark.told}"))
    if args.why is not None:
        _explain(searcher, request, args)
        return
    found = searcher.search(request)
    if args.json:
        print_json(_answer_json(found))
    else:
        _show_answer(args.text or args.like or str(args.image), found, console())


def _picture(path: Path) -> "Pixels":
    from reelshelf.models.pictures import load_picture

    try:
        return load_picture(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"search: --image {path}: {error}") from error


def _answer_json(found: "Answer") -> dict[str, object]:
    from reelshelf.indexer.search.results import SearchHit

    return {
        "answered": found.answered,
        "outside_filters": found.outside_filters,
        "query": query_json(found.query) if found.query else None,
        "hits": [asdict(hit) for hit in found.hits],
        "products": [asdict(hit) for hit in found.products],
        "row": [
            {"kind": one.kind, "id": one.video_id if isinstance(one, SearchHit) else one.sku}
            for one in found.results
        ],
        "closest": [asdict(hit) for hit in found.closest],
        "facets": [asdict(facet) for facet in found.facets],
        "total": found.total,
        "next_cursor": found.next_cursor,
        "rules": list(found.rules),
        "redirect": found.redirect,
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


def searcher_for(
    snapshot: "ReleaseSnapshot", request: "SearchRequest", rules: "Rules"
) -> "Searcher":
    """A searcher of a release, with those of its models that a request needs."""
    from reelshelf.indexer.search.finding import QueryEncoders
    from reelshelf.indexer.search.searcher import Searcher
    from reelshelf.models.registry import load_image_encoder, load_joint_text, load_query_encoder

    config = snapshot.config
    encoders = QueryEncoders(
        load_query_encoder(config) if request.text is not None else None,
        load_image_encoder(config) if request.image is not None else None,
        load_joint_text(config) if request.text is not None else None,
    )
    return Searcher(snapshot, encoders, rules=rules)


def _explain(searcher: "Searcher", request: "SearchRequest", args: argparse.Namespace) -> None:
    """Where one thing stands in the answer, or why it is not there."""
    from reelshelf.indexer.search.requests import read_like
    from reelshelf.jobs.cli.tables import plain

    why = searcher.why(request, read_like(args.why))
    if args.json:
        print_json(asdict(why))
        return
    place = f"at place {why.position}" if why.position is not None else "not in the list"
    score = f", score {why.score:.2f}" if why.score is not None else ""
    console().print(plain(f"{why.kind} {why.name}: {place}{score}"))
    for line in (*(f"{name} {part:.3f}" for name, part in why.parts), *why.reasons):
        console().print(plain(f"- {line}"))


def _show_answer(title: str, found: "Answer", console: "Console") -> None:
    """How a query was understood, and its results; where there is none, what came closest."""
    from reelshelf.jobs.cli.tables import plain

    for line in told(found.query) if found.query else ():
        console.print(plain(line))
    if found.redirect:
        console.print(plain(f"Leads to {found.redirect}"))
    if found.answered:
        console.print(_table(title, found.results))
        for facet in found.facets:
            counts = [f"{value.name} ({value.count})" for value in facet.values]
            counts += [f"none ({facet.without})"] if facet.without else []
            console.print(plain(f"{facet.field}: {', '.join(counts)}"))
        if found.next_cursor:
            console.print(
                plain(f"{found.total} in all; the next ones: --cursor {found.next_cursor}")
            )
        return
    why = "nothing in the shop comes near it"
    if found.outside_filters:
        why = "what comes near it lies outside the price or the filters that were asked for"
    console.print(plain(f"{title}: nothing found; {why}"))
    if found.closest:
        console.print(_table("What came closest", found.closest))


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


def _table(title: str, results: "Sequence[Result]") -> "Table":
    """Results in order."""
    from reelshelf.indexer.search.results import ProductHit, SearchHit

    products = [one for one in results if isinstance(one, ProductHit)]
    videos = [one for one in results if isinstance(one, SearchHit)]
    if products and videos:
        return _mixed_table(title, results)
    return _product_table(title, products) if products else _hit_table(title, videos)


def _mixed_table(title: str, results: "Sequence[Result]") -> "Table":
    """Videos and products in one row, with how likely each is wanted."""
    from reelshelf.indexer.search.results import ProductHit
    from reelshelf.indexer.text.wording import clock
    from reelshelf.jobs.cli.tables import make_table

    rows = []
    for place, one in enumerate(results, start=1):
        likely = f"{one.probability:.2f}" if one.probability is not None else ""
        if isinstance(one, ProductHit):
            rows.append([str(place), one.kind, one.sku, likely, one.title, _price(one)])
        else:
            sold = ", ".join(f"{sold.sku} {sold.title}" for sold in one.products[:3])
            moment = f"{clock(one.start_ms)} - {clock(one.end_ms)}"
            rows.append([str(place), one.kind, one.video_id, likely, sold, moment])
    return make_table(title, ["", "kind", "id", "likely", "product", "price or moment"], rows)


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


def _product_table(title: str, hits: "Sequence[ProductHit]") -> "Table":
    """Found products: price, variants, and the videos that sell them."""
    from reelshelf.jobs.cli.tables import make_table

    rows = []
    for place, hit in enumerate(hits, start=1):
        others = f"{len(hit.variants)} variants" if hit.variants else ""
        more = hit.video_count - len(hit.videos)
        videos = ", ".join(hit.videos) + (f" and {more} more" if more else "")
        rows.append(
            [str(place), hit.sku, hit.title, _price(hit), others, f"{hit.score:.2f}", videos]
        )
    return make_table(title, ["", "sku", "title", "price", "", "score", "videos"], rows)


def _price(hit: "ProductHit") -> str:
    if hit.price is None:
        return ""
    return f"{hit.price:.2f}".removesuffix(".00") + (f" {hit.currency}" if hit.currency else "")
