"""Products found by text alone: each sentence encoder, and the two together.

    python -m benchmarks.text_spaces [BENCH_DIR] [--out DIR] [--full]

Products are ranked by the cosine of a query's vector with that of what the shop says of them. On
the example shop and on BENCH_DIR/dev: R@1 and R@5 of the products that a query was judged to want,
by title and attributes. With --full also BENCH_DIR/electronics: nDCG@10 over 19,406 products by
their whole text, unjudged products counted as 0. No video is looked at.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import EXAMPLE_SHOP, conclude, parse, parser_of
from reelshelf.indexer.sources import Files, read_catalog
from reelshelf.models.protocols import TextEncoder
from reelshelf.models.registry import load_text_encoder
from reelshelf.schemas.catalog import Product
from reelshelf.schemas.config import StorageConfig, parse_config
from reelshelf.schemas.media import Vectors

_ENCODERS = ("minilm", "use", "minilm+use")


def encoders() -> dict[str, TextEncoder]:
    """The encoders that ship."""
    models = {"device": "cpu", "threads": 2}
    return {
        name: load_text_encoder(parse_config({"models": models | {"text": {"name": name}}}))
        for name in _ENCODERS
    }


def products_of(catalog: Path) -> tuple[Product, ...]:
    """The products of a catalog."""
    return tuple(read_catalog(str(catalog), Files(StorageConfig())).products)


def recalls(folder: Path, encoder: TextEncoder) -> tuple[float, float]:
    """R@1 and R@5 of the products that queries want."""
    products = products_of(folder / "catalog" / "products.jsonl")
    places = {product.sku: place for place, product in enumerate(products)}
    queries = [json.loads(line) for line in (folder / "queries.jsonl").open(encoding="utf-8")]
    asked = [
        (query["text"], wanted)
        for query in queries
        if query.get("text")
        and (wanted := {places[s] for s in query.get("relevant_skus") or () if s in places})
    ]
    ranked = _ranked(encoder, [text for text, _ in asked], [p.facts for p in products])
    found = [
        (float(row[0] in wanted), len(wanted & set(row[:5].tolist())) / min(5, len(wanted)))
        for row, (_, wanted) in zip(ranked, asked, strict=True)
    ]
    first, five = np.mean(np.array(found), axis=0)
    return float(first), float(five)


def ndcg(folder: Path, encoder: TextEncoder) -> float:
    """nDCG@10 over judged queries; products that nobody judged count as 0."""
    products = products_of(folder / "products.jsonl.gz")
    judged = [json.loads(line) for line in (folder / "judged.jsonl").open(encoding="utf-8")]
    judged = [query for query in judged if max(query["ratings"].values(), default=0) > 0]
    ranked = _ranked(encoder, [q["text"] for q in judged], [p.text for p in products])
    scores = []
    for row, query in zip(ranked, judged, strict=True):
        ratings = query["ratings"]
        gains = [ratings.get(products[place].sku, 0) for place in row[:10].tolist()]
        best = sorted(ratings.values(), reverse=True)[:10]
        scores.append(_discounted(gains) / _discounted(best))
    return float(np.mean(scores))


def _discounted(gains: Sequence[float]) -> float:
    return float(sum(gain / np.log2(place + 2) for place, gain in enumerate(gains)))


def _ranked(encoder: TextEncoder, queries: Sequence[str], texts: Sequence[str]) -> Vectors:
    scores = encoder.encode_texts(queries) @ encoder.encode_texts(texts).T
    return np.asarray(np.argsort(-scores, axis=1, kind="stable"))


def main() -> int:
    """Rank with each encoder and tell what was found."""
    parser = parser_of(__doc__)
    parser.add_argument("bench", nargs="?", type=Path, metavar="BENCH_DIR")
    args: argparse.Namespace = parse(parser)
    figures: dict[str, float] = {}
    for name, encoder in encoders().items():
        shops = {"example": EXAMPLE_SHOP}
        if args.bench is not None:
            shops["dev"] = args.bench / "dev"
        for shop, folder in shops.items():
            first, five = recalls(folder, encoder)
            figures |= {f"{name}: {shop} R@1": first, f"{name}: {shop} R@5": five}
        if args.full and args.bench is not None:
            figures[f"{name}: electronics nDCG@10"] = ndcg(args.bench / "electronics", encoder)
        print(
            name,
            {k: round(v, 3) for k, v in figures.items() if k.startswith(f"{name}:")},
            flush=True,
        )
    return conclude("text_spaces", figures, [], args.out, judged=False)


if __name__ == "__main__":
    raise SystemExit(main())
