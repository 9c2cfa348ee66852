"""How well products are listed for a text: nDCG@10 on judged queries, without any video.

    python -m benchmarks.relevance --catalog FILE --judged FILE [--vectors yes|no] [--folds]

--judged has a line for each query: {"query_id", "text", "ratings": {sku: 0..3}}. The gain of a
product is its rating; means are over the queries that have a product rated above 0. `ndcg_10`
counts products that nobody rated as 0, `ndcg_10_judged` leaves them out of the list. With --folds,
weights of fields are chosen on four fifths of the queries, and measured on the fifth that was not
looked at.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log2
from pathlib import Path

import numpy as np

from benchmarks.catalog_only import product_search, read_products
from benchmarks.harness import Bar, conclude, parse, parser_of
from reelshelf.indexer.search.product_search import ProductSearch
from reelshelf.indexer.search.words import FieldWeights, ProductWords

_DEPTH = 10
_FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """A query and what somebody thinks of some products, by SKU."""

    text: str
    ratings: Mapping[str, int]


def read_judged(path: Path) -> list[Judged]:
    """The queries that have a product rated above 0."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    judged = [Judged(row["text"], row["ratings"]) for row in rows]
    return [one for one in judged if any(one.ratings.values())]


def ndcg(found: Sequence[str], ratings: Mapping[str, int]) -> float:
    """Discounted gain of the first ten, over that of the best order there is."""
    gain = sum(ratings.get(sku, 0) / log2(place + 2) for place, sku in enumerate(found[:_DEPTH]))
    best = sorted(ratings.values(), reverse=True)[:_DEPTH]
    return gain / sum(rating / log2(place + 2) for place, rating in enumerate(best))


def listed(search: ProductSearch, text: str) -> list[str]:
    """The SKUs that are shown for a text, best first."""
    found = search.list(search.ask(search.analyze(text)))
    return search.catalog.columns.skus.some(found.places)


def scores(search: ProductSearch, judged: Sequence[Judged]) -> tuple[list[float], list[float]]:
    """nDCG@10 of each query, and the same among judged products alone."""
    every, known = [], []
    for query in judged:
        found = listed(search, query.text)
        every.append(ndcg(found, query.ratings))
        known.append(ndcg([sku for sku in found if sku in query.ratings], query.ratings))
    return every, known


def on_folds(search: ProductSearch, catalog: Path, judged: Sequence[Judged]) -> float:
    """nDCG@10 on queries that the weights, chosen among some, have not seen."""
    products = read_products(catalog)
    analyzer = search.catalog.analyzer
    found = []
    for title, values, description in product((4, 6, 8), (1, 2), (1, 3)):
        weights = FieldWeights(title=title, values=values, description=description)
        words = ProductWords.read(products, analyzer, weights)
        other = ProductSearch(replace(search.catalog, words=words))
        found.append(scores(other, judged)[0])
        print(f"{weights}: {np.mean(found[-1]):.4f}", flush=True)
    table = np.array(found)
    folds = np.arange(len(judged)) % _FOLDS
    np.random.default_rng(0).shuffle(folds)
    unseen = np.empty(len(judged))
    for fold in range(_FOLDS):
        held = folds == fold
        unseen[held] = table[table[:, ~held].mean(axis=1).argmax(), held]
    return float(unseen.mean())


def main() -> int:
    """Ask, score, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--catalog", type=Path, required=True, metavar="FILE")
    parser.add_argument("--judged", dest="ratings", type=Path, required=True, metavar="FILE")
    parser.add_argument("--vectors", choices=("auto", "yes", "no"), default="auto")
    parser.add_argument("--folds", action="store_true", help="choose weights on folds as well")
    args = parse(parser)
    began = time.perf_counter()
    search = product_search(args.catalog, args.vectors)
    opened = time.perf_counter() - began
    judged = read_judged(args.ratings)
    every, known = scores(search, judged)
    figures = {
        "ndcg_10": float(np.mean(every)),
        "ndcg_10_judged": float(np.mean(known)),
        "queries": float(len(judged)),
        "products": float(len(search.catalog)),
        "open_s": opened,
    }
    if args.folds:
        figures["ndcg_10_folds"] = on_folds(search, args.catalog, judged)
    bars = [Bar("nDCG@10 of the product list", figures["ndcg_10"], 0.76, at_least=True)]
    return conclude("relevance", figures, bars, args.out)


if __name__ == "__main__":
    sys.exit(main())
