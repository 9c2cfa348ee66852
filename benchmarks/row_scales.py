"""How likely a result of a mixed row is wanted: the scales of scores, and how far off they are.

    python -m benchmarks.row_scales --shop DIR --store URI --catalog FILE --judged FILE

A logistic function of the score is fitted for videos and for products, on four fifths of the
queries, and held against the fifth that it has not seen: the expected calibration error is the mean
distance of what was said to what was so, in ten bins. Videos: those that a published store of the
shop in DIR lists for the texts in its queries.jsonl. Products: those of FILE that are rated in
--judged; one rated 2 or 3 is wanted. The last lines print the scales of all queries, as
`indexer/search/mixed_row.py` has them.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.catalog_only import product_search
from benchmarks.harness import Bar, conclude, parse, parser_of
from benchmarks.relevance import read_judged
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.mixed_row import Scale
from reelshelf.indexer.search.requests import SearchRequest
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.models.registry import load_query_encoder

_DEPTH, _FOLDS, _BINS, _ROUNDS = 30, 5, 10, 200
_WANTED = 2
_RIDGE = 1e-3


@dataclass(frozen=True)
class Shown:
    """Results that queries showed: scores, whether each is wanted, and the query's number."""

    scores: list[float] = field(default_factory=list)
    wanted: list[bool] = field(default_factory=list)
    queries: list[int] = field(default_factory=list)

    def add(self, query: int, score: float, is_wanted: bool) -> None:
        """One more."""
        self.scores.append(score)
        self.wanted.append(is_wanted)
        self.queries.append(query)


def videos_shown(shop: Path, uri: str) -> Shown:
    """What a store of a shop lists for its judged texts."""
    snapshot = ReleaseSnapshot.open(uri)
    searcher = Searcher(snapshot, QueryEncoders(text=load_query_encoder(snapshot.config)))
    shown = Shown()
    lines = (shop / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    for number, query in enumerate(map(json.loads, lines)):
        if not query.get("text"):
            continue
        relevant = set(query["relevant_video_ids"])
        for hit in searcher.search(SearchRequest(query["text"], page_size=_DEPTH)).hits:
            shown.add(number, hit.score, bool(relevant & {hit.video_id, *hit.copies}))
    return shown


def products_shown(catalog: Path, judged: Path) -> Shown:
    """What a catalog lists of products that somebody has rated."""
    search = product_search(catalog, "no")
    shown = Shown()
    for number, query in enumerate(read_judged(judged)):
        listed = search.list(search.ask(search.analyze(query.text)))
        skus = search.catalog.columns.skus.some(listed.places[:_DEPTH])
        for sku, score in zip(skus, listed.scores[:_DEPTH].tolist(), strict=True):
            if sku in query.ratings:
                shown.add(number, score, query.ratings[sku] >= _WANTED)
    return shown


def fitted(scores: Sequence[float], wanted: Sequence[bool]) -> Scale:
    """The logistic function of likelihood, by Newton's method."""
    x, y = np.stack([scores, np.ones(len(scores))], axis=1), np.array(wanted, np.float64)
    weights = np.zeros(2)
    for _ in range(_ROUNDS):
        said = 1.0 / (1.0 + np.exp(-x @ weights))
        curve = (x * (said * (1.0 - said))[:, None]).T @ x + _RIDGE * np.eye(2)
        weights += np.linalg.solve(curve, x.T @ (y - said) - _RIDGE * weights)
    return Scale(float(weights[0]), float(weights[1]))


def error_unseen(shown: Shown) -> float:
    """Expected calibration error on queries that the scale was not fitted on."""
    folds = np.array(shown.queries) % _FOLDS
    scores, wanted = np.array(shown.scores), np.array(shown.wanted)
    said = np.empty(len(scores))
    for fold in range(_FOLDS):
        held = folds == fold
        scale = fitted(scores[~held].tolist(), wanted[~held].tolist())
        said[held] = [scale.probability(score) for score in scores[held].tolist()]
    bins = np.minimum((said * _BINS).astype(int), _BINS - 1)
    off = [
        abs(wanted[bins == one].mean() - said[bins == one].mean()) * float((bins == one).mean())
        for one in np.unique(bins)
    ]
    return float(sum(off))


def main() -> int:
    """Ask, fit, print."""
    parser = parser_of(__doc__)
    parser.add_argument("--shop", type=Path, required=True, metavar="DIR")
    parser.add_argument("--store", required=True, metavar="URI", help="published from DIR")
    parser.add_argument("--catalog", type=Path, required=True, metavar="FILE")
    parser.add_argument("--judged", dest="ratings", type=Path, required=True, metavar="FILE")
    args = parse(parser)
    figures: dict[str, float] = {}
    for kind, shown in (
        ("videos", videos_shown(args.shop, args.store)),
        ("products", products_shown(args.catalog, args.ratings)),
    ):
        scale = fitted(shown.scores, shown.wanted)
        figures |= {
            kind: float(len(shown.scores)),
            f"{kind}_wanted": float(np.mean(shown.wanted)),
            f"{kind}_slope": scale.slope,
            f"{kind}_offset": scale.offset,
            f"{kind}_error": error_unseen(shown),
        }
    bars = [
        Bar(f"calibration error of {kind}", figures[f"{kind}_error"], 0.1, at_least=False)
        for kind in ("videos", "products")
    ]
    return conclude("row_scales", figures, bars, args.out)


if __name__ == "__main__":
    sys.exit(main())
