"""Linking and search among many products that no video shows.

    python -m benchmarks.crowd [BENCH_DIR] [--store URI] [--score SCORE_PY] [--products N] [--full]

BENCH_DIR is ingested from a copy without answers, unless --store is one of it. Then its catalog is
grown by N products without pictures, whose titles are made of the shop's own words and of common
ones, the whole is published again, and links and answers are scored as before.
"""

import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.harness import (
    EXAMPLE_SHOP,
    Bar,
    Count,
    bench_folder,
    conclude,
    parse,
    parser_of,
    write_lines,
)
from benchmarks.quality import ask, open_shop
from benchmarks.shop_worker import answer, link_line
from reelshelf.indexer.pipeline.products_only import ingest_products
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.links import released_links
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.text.languages import stopwords_of
from reelshelf.models.registry import load_image_encoder, load_query_encoder
from reelshelf.schemas.config import Config, load_config

_COMMON = [
    "new",
    "good",
    "best",
    "morning",
    "day",
    "home",
    "fresh",
    "classic",
    "light",
    "dark",
    "soft",
    "hot",
    "cold",
    "little",
    "big",
    "red",
    "green",
    "blue",
    "black",
    "white",
    "gold",
    "silver",
    "set",
    "box",
    "pack",
    "kit",
    "mini",
    "super",
    "summer",
    "winter",
    "garden",
    "kitchen",
    "travel",
    "family",
    "baby",
    "kids",
    "music",
    "happy",
    "love",
    "time",
    "world",
    "night",
    "sun",
    "water",
    "wood",
    "stone",
    "glass",
    "paper",
]


def crowd(snapshot: ReleaseSnapshot, count: int) -> list[dict[str, object]]:
    """Rows of products whose titles are made of the shop's words and of common ones."""
    rng = random.Random(7)  # noqa: S311 - no secret hangs on it
    stop = stopwords_of(("en",))
    titles = [item.product.title for item in read_products(snapshot.store, snapshot.versions)]
    own = sorted({word for title in titles for word in title.split() if word.lower() not in stop})
    taken = {title.lower() for title in titles}
    rows: list[dict[str, object]] = []
    while len(rows) < count:
        words = rng.sample(own, rng.choice((1, 1, 2))) + rng.sample(_COMMON, rng.choice((1, 1, 2)))
        rng.shuffle(words)
        title = " ".join(words).title()
        if title.lower() not in taken:
            rows.append({"sku": f"CROWD-{len(rows):05d}X", "title": title})
    return rows


def scored(
    snapshot: ReleaseSnapshot, folder: Path, config: Config, scorer: Path, out: Path
) -> dict[str, float]:
    """Links and answers of a release, by the scorer."""
    links = released_links(snapshot)
    write_lines(out / "links.jsonl", [link_line(video, link) for video, _, link in links])
    encoders = QueryEncoders(load_query_encoder(config), load_image_encoder(config))
    answers, _ = answer(Searcher(snapshot, encoders, config.search), folder)
    write_lines(out / "results.jsonl", answers)
    found = ask(scorer, folder, "--links", out / "links.jsonl", "--search", out / "results.jsonl")
    given, kinds = found["links"]["given"], found["search"]["by_kind"]
    return {"f1": given["f1"], "tnr": given["tnr"], "r5_text": kinds["text"]["r5"]}


def main() -> int:
    """Score, grow the catalog, score again."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--store", metavar="URI", help="a store of BENCH_DIR, already ingested")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    args = parse(parser, products=Count(2_000, 20_000))
    scorer = args.score or args.bench.resolve().parent / "score.py"
    config = load_config(None)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        store = str(out / "store")
        if args.store:
            shutil.copytree(args.store, store)
        else:
            open_shop(args.bench, out, config)
        snapshot = ReleaseSnapshot.open(store)
        before = scored(snapshot, args.bench, config, scorer, out)
        Console().print(f"alone: {before}")
        rows = crowd(snapshot, args.products)
        catalog = out / "catalog.jsonl"
        own = (args.bench / "catalog" / "products.jsonl").read_text(encoding="utf-8")
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        catalog.write_text(own.rstrip("\n") + "\n" + lines, encoding="utf-8")
        ingest_products(str(catalog), store, snapshot.config, NoProgress()).or_raise()
        publish(store, snapshot.config, NoProgress()).or_raise()
        after = scored(ReleaseSnapshot.open(store), args.bench, config, scorer, out)
    figures = {f"{name}_alone": value for name, value in before.items()}
    figures |= {f"{name}_in_a_crowd": value for name, value in after.items()}
    figures |= {f"{name}_lost": before[name] - after[name] for name in before}
    figures["products_more"] = float(args.products)
    asked = [
        Bar("F1 lost", figures["f1_lost"], 0.02, at_least=False),
        Bar("true-negative rate lost", figures["tnr_lost"], 0.02, at_least=False),
        Bar("R@5 of texts lost", figures["r5_text_lost"], 0.03, at_least=False),
    ]
    return conclude("crowd", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
