"""Linking in shops never seen: each of some shops with weights that were fitted on the others.

    python -m benchmarks.shops SHOPS_DIR [--stores DIR] [--out DIR] [--score SCORE_PY]
        [--weights FILE]

SHOPS_DIR holds a folder for each shop, as `python -m benchmarks.made` makes them. Each is ingested
from a copy without answers, into --stores where that is given and has no store of it yet. Labels of
a shop are read to fit the weights of the others, to score it, and for its own folds (with the
weights of the others as prior, as `reelshelf calibrate` would have it). --weights receives weights
fitted on all shops: those that ship.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, bench_folder, conclude, parse, parser_of, write_lines
from benchmarks.quality import Shop, ask, link_figures, measured, open_shop, score
from benchmarks.shop_worker import answer, link_line
from reelshelf.indexer.index.linkers import linker_of
from reelshelf.indexer.linking.calibration import UNFITTED, probability
from reelshelf.indexer.quality.labeled import LabeledPair, calibrate, fit_folds
from reelshelf.indexer.quality.reliability import SCORED, calibration_error
from reelshelf.indexer.quality.relinking import released_recipe, released_videos
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.models.registry import load_image_encoder, load_query_encoder
from reelshelf.schemas.calibration import Calibration, Signal
from reelshelf.schemas.config import Config, load_config
from reelshelf.schemas.links import ProductLink


@dataclass(frozen=True)
class Named:
    """A shop with its name."""

    name: str
    shop: Shop


def opened(folder: Path, stores: Path, config: Config) -> list[Named]:
    """All shops of a folder, ingested where they are not yet."""
    found = []
    for path in sorted(path.parent for path in folder.glob("*/labels.jsonl")):
        store = stores / path.name / "store"
        shop = (
            measured(path, str(store)) if store.exists() else open_shop(path, store.parent, config)
        )
        found.append(Named(path.name, shop))
    if len(found) < 2:
        raise SystemExit(f"{folder}: holds fewer than two shops")
    return found


# What is silent in some shops: sound and meaning where speech is of another language, and pictures.
_SILENT = (
    frozenset({Signal.ASR_PHONETIC, Signal.ASR_SEMANTIC}),
    frozenset({Signal.VISUAL_SIMILARITY, Signal.VISUAL_MARGIN}),
)
# What no made shop can teach: none has a text of the post, which names as a caption does, and a
# brand that is named raises its products a little.
_BRAND = 0.2


def fitted_on(shops: list[Named], told: str) -> Calibration:
    """Weights from nothing but the labels of some shops.

    Each shop counts three times: as it is, and as it would be were some matchers silent, so that
    weights hold there too.
    """
    pairs = [pair for named in shops for pair in named.shop.labeled.pairs]
    for silent in _SILENT:
        pairs += [
            replace(pair, signals=left)
            for named in shops
            for pair in named.shop.labeled.pairs
            if any((left := _without(pair, silent)).values())
        ]
    found = calibrate(pairs, UNFITTED, fitted_on=told)
    by_hand = {Signal.POST_TITLE: found.weights[Signal.OCR_TITLE], Signal.BRAND: _BRAND}
    return found.model_copy(update={"weights": found.weights | by_hand})


def _without(pair: LabeledPair, silent: frozenset[Signal]) -> dict[Signal, float]:
    return {name: value for name, value in pair.signals.items() if name not in silent}


def links_by(shop: Shop, weights: Calibration) -> list[tuple[str, ProductLink]]:
    """(video id, link) of every video, with some weights."""
    linker = linker_of(replace(released_recipe(shop.snapshot), calibration=weights))
    clusters = shop.snapshot.store.clusters(shop.snapshot.versions["videos"])
    return [
        (video_id, link)
        for copies in released_videos(shop.snapshot, sorted(clusters))
        for (video_id, _), links in zip(
            copies, linker.link([video for _, video in copies]), strict=True
        )
        for link in links
    ]


def searched(
    shop: Shop, links: list[ProductLink], encoders: QueryEncoders, scorer: Path, out: Path
) -> dict[str, float]:
    """R@5 by kind of query, over some links."""
    searcher = Searcher(shop.snapshot, encoders, shop.snapshot.config.search, links)
    answers, _ = answer(searcher, shop.folder)
    write_lines(out / "results.jsonl", answers)
    kinds = ask(scorer, shop.folder, "--search", out / "results.jsonl")["search"]["by_kind"]
    return {f"r5_{kind}": float(row["r5"]) for kind, row in kinds.items()}


def unseen(
    named: Named, others: list[Named], encoders: QueryEncoders, scorer: Path, out: Path
) -> tuple[dict[str, float], list[tuple[LabeledPair, float]]]:
    """How one shop does with the weights of the others; its pairs with their scores."""
    shop, pairs = named.shop, named.shop.labeled.pairs
    weights = fitted_on(others, f"all shops but {named.name}")
    scores = [probability(weights, pair.signals) for pair in pairs]
    figures = link_figures(score(scorer, shop.folder, out / "unseen.jsonl", pairs, scores))
    own = fit_folds(pairs, weights).scores(pairs)
    own_figures = link_figures(score(scorer, shop.folder, out / "own.jsonl", pairs, own))
    figures["own_folds_f1"] = own_figures["link_f1"]
    links = links_by(shop, weights)
    write_lines(out / f"{named.name}.jsonl", [link_line(name, link) for name, link in links])
    figures |= searched(shop, [link for _, link in links], encoders, scorer, out)
    return figures, list(zip(pairs, scores, strict=True))


def pooled_error(scored: list[tuple[LabeledPair, float]]) -> float:
    """Expected calibration error over all pairs that are scored at all."""
    kept = [(pair, value) for pair, value in scored if value >= SCORED]
    said = np.array([value for _, value in kept])
    return calibration_error(said, np.array([pair.linked for pair, _ in kept], float))


def summary(rows: dict[str, dict[str, float]], error: float) -> dict[str, float]:
    """Means and worst over all shops."""

    def over(key: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array([row[key] for row in rows.values()])

    return {
        "shops": float(len(rows)),
        "f1_mean": float(over("link_f1").mean()),
        "f1_worst": float(over("link_f1").min()),
        "f1_loss_mean": float((over("own_folds_f1") - over("link_f1")).mean()),
        "precision_mean": float(over("link_precision").mean()),
        "precision_worst": float(over("link_precision").min()),
        "tnr_mean": float(over("true_negative_rate").mean()),
        "tnr_worst": float(over("true_negative_rate").min()),
        "average_precision_mean": float(over("average_precision").mean()),
        "pooled_calibration_error": error,
        "r5_text_mean": float(over("r5_text").mean()),
        "r5_text_worst": float(over("r5_text").min()),
        "r5_paraphrase_mean": float(over("r5_paraphrase").mean()),
    }


def bars(figures: dict[str, float]) -> list[Bar]:
    """What the benchmark asks for."""
    return [
        Bar("F1 lost against own folds, mean", figures["f1_loss_mean"], 0.04, at_least=False),
        Bar("true-negative rate, worst", figures["tnr_worst"], 0.90, at_least=True),
        Bar("precision at 0.5, worst", figures["precision_worst"], 0.88, at_least=True),
        Bar("pooled error", figures["pooled_calibration_error"], 0.06, at_least=False),
        Bar("R@5 of texts, mean", figures["r5_text_mean"], 0.90, at_least=True),
        Bar("R@5 of texts, worst", figures["r5_text_worst"], 0.85, at_least=True),
        Bar("R@5 of paraphrases, mean", figures["r5_paraphrase_mean"], 0.82, at_least=True),
    ]


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__)
    parser.add_argument("shops", type=Path, metavar="SHOPS_DIR")
    parser.add_argument("--stores", type=Path, metavar="DIR", help="where stores are kept")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights of all shops go here")
    return parse(parser)


def main() -> int:
    """Measure each shop, print a table, compare with the bars."""
    args = parsed()
    bench = bench_folder("dev")
    scorer = args.score or (bench.parent / "score.py" if bench else None)
    if scorer is None:
        raise SystemExit("name the scorer with --score")
    config, console = load_config(None), Console()
    with tempfile.TemporaryDirectory() as scratch:
        out: Path = args.out or Path(scratch)
        shops = opened(args.shops, args.stores or Path(scratch), config)
        encoders = QueryEncoders(load_query_encoder(config), load_image_encoder(config))
        rows: dict[str, dict[str, float]] = {}
        scored: list[tuple[LabeledPair, float]] = []
        for named in shops:
            others = [other for other in shops if other is not named]
            rows[named.name], own = unseen(named, others, encoders, scorer, out)
            scored += own
        if args.weights is not None:
            told = f"{len(shops)} shops made by benchmarks/made: {', '.join(n.name for n in shops)}"
            weights = fitted_on(shops, told).model_dump_json(indent=1, exclude_defaults=True)
            args.weights.write_text(weights + "\n", encoding="utf-8")
    # A figure a line: a shop has more figures than a terminal has room beside each other.
    table = Table("figure", *rows, title="With the weights of the others", min_width=110)
    for key in next(iter(rows.values())):
        table.add_row(key, *(f"{row[key]:.3f}" for row in rows.values()))
    console.print(table)
    figures = summary(rows, pooled_error(scored))
    return conclude("shops", figures, bars(figures), args.out)


if __name__ == "__main__":
    sys.exit(main())
