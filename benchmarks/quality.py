"""Quality of linking and search on a labeled shop, on folds that no calibration has seen.

    python -m benchmarks.quality BENCH_DIR --out DIR [--config TOML] [--score SCORE_PY]
        [--second SHOP_DIR] [--store URI] [--second-store URI]

BENCH_DIR is a folder as benchmarks.shop reads it, with labels.jsonl. It is ingested from a copy
without answers. Then five calibrations are fitted, each on four fifths of the videos (duplicates
stay together, seed 0), and each links the fifth it has not seen; search runs over these links.
labels.jsonl is read by the calibrations, each on its training folds, and by the scorer. Printed
beside the bars: the same with one modality taken away, each modality alone, and what is lost when
weights fitted on one shop link another (SHOP_DIR, by default examples/shop).
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import (
    EXAMPLE_SHOP,
    Bar,
    bench_folder,
    conclude,
    copy_without_answers,
    parse,
    parser_of,
    write_lines,
)
from benchmarks.shop_worker import answer, duplicates, link_line
from reelshelf.indexer.index.linkers import linker_of
from reelshelf.indexer.linking.calibration import UNFITTED, default_calibration, probability
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.quality.labeled import (
    Labeled,
    LabeledPair,
    calibrate,
    fit_folds,
    labeled_pairs,
    read_labels,
)
from reelshelf.indexer.quality.reliability import SCORED, calibration_error
from reelshelf.indexer.quality.relinking import released_recipe, released_videos
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store.products import read_products
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.jobs.engines import make_engine
from reelshelf.models.registry import load_image_encoder, load_joint_text, load_query_encoder
from reelshelf.schemas.calibration import SIGNALS_OF, Signal
from reelshelf.schemas.config import Config, load_config
from reelshelf.schemas.links import Modality, ProductLink

_SEEDS = 10
_CONTENT = (Modality.VISUAL, Modality.OCR, Modality.ASR)
_BEST_ECE = 0.05


@dataclass(frozen=True)
class Shop:
    """An ingested shop and what its labels say of it."""

    folder: Path
    snapshot: ReleaseSnapshot
    labeled: Labeled


def open_shop(folder: Path, scratch: Path, config: Config) -> Shop:
    """Ingest a copy without answers, then measure the signals of the labeled videos."""
    copy = scratch / "bench"
    copy_without_answers(folder, copy)
    uri = str(scratch / "store")
    request = IngestRequest(
        str(copy / "catalog" / "products.jsonl"), str(copy / "videos.jsonl"), uri
    )
    ingest(request, config, make_engine, NoProgress()).or_raise()
    return measured(folder, uri)


def measured(folder: Path, uri: str) -> Shop:
    """A shop that has been ingested already."""
    snapshot = ReleaseSnapshot.open(uri)
    truth = read_labels(folder / "labels.jsonl")
    return Shop(folder, snapshot, labeled_pairs(snapshot, truth))


def without(pairs: Sequence[LabeledPair], modalities: Iterable[Modality]) -> list[LabeledPair]:
    """The pairs as they would be if some modalities were silent."""
    dropped = {name for modality in modalities for name in SIGNALS_OF[modality]}
    # A declaration counts as backed by what the video itself has to say.
    kept = []
    for pair in pairs:
        signals = {name: value for name, value in pair.signals.items() if name not in dropped}
        if not signals.keys() - set(SIGNALS_OF[Modality.MERCHANT]):
            signals.pop(Signal.MERCHANT_BACKED, None)
        kept.append(replace(pair, signals=signals))
    return kept


def score(
    scorer: Path, folder: Path, out: Path, pairs: Sequence[LabeledPair], scores: Sequence[float]
) -> dict[str, Any]:
    """What the scorer says of scored pairs."""
    rows: list[dict[str, object]] = [
        {"video_id": pair.video_id, "sku": pair.sku, "score": value}
        for pair, value in zip(pairs, scores, strict=True)
    ]
    write_lines(out, rows)
    links: dict[str, Any] = ask(scorer, folder, "--links", out)["links"]
    return links


def ask(scorer: Path, folder: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run the scorer; its answer as its docstring tells it."""
    command = [sys.executable, str(scorer), "--json", "--bench", str(folder)]
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered


def precision_at(recall: float, labeled: Labeled, scores: Sequence[float]) -> float:
    """The highest precision at any threshold whose recall is at least `recall`."""
    ranked = sorted(
        zip(scores, (pair.linked for pair in labeled.pairs), strict=True), key=lambda x: -x[0]
    )
    true = sum(pair.linked for pair in labeled.pairs) + len(labeled.silent)
    best, hits = 0.0, 0
    for place, (value, linked) in enumerate(ranked, start=1):
        hits += linked
        tied = place < len(ranked) and ranked[place][0] == value
        if not tied and hits / max(true, 1) >= recall:
            best = max(best, hits / place)
    return best


def calibration_figures(labeled: Labeled, values: Sequence[float]) -> dict[str, float]:
    """The error over pairs scored from 0.05 on, with its 95 % bootstrap interval over videos.

    A true pair that was missed (scored below that, or no candidate at all) counts as scored 0.
    `ece_scored` leaves the missed ones out. `ece_if_perfect` is what `ece_scored` would be on
    average if each scored pair were a link with exactly the probability that its score says (copies
    of a video sharing their fate), and `perfect_reaches` how often that would be 0.05 or less: no
    calibration, however good, can do better on so few pairs.
    """
    pairs = list(zip(labeled.pairs, values, strict=True))
    kept = [(pair, score) for pair, score in pairs if score >= SCORED]
    missed = [pair.cluster for pair, score in pairs if pair.linked and score < SCORED]
    missed += [pair.cluster for pair in labeled.silent]
    said = np.array([score for _, score in kept])
    true = np.array([pair.linked for pair, _ in kept], float)
    clusters = np.array([pair.cluster for pair, _ in kept] + missed)
    scores = np.concatenate([said, np.zeros(len(missed))])
    linked = np.concatenate([true, np.ones(len(missed))])
    rng = np.random.default_rng(0)
    places = [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    drawn = [
        np.concatenate([places[i] for i in rng.integers(0, len(places), len(places))])
        for _ in range(1000)
    ]
    errors = [calibration_error(scores[i], linked[i]) for i in drawn]
    names = [(pair.cluster, pair.sku) for pair, _ in kept]
    fates = np.array([sorted(set(names)).index(name) for name in names], np.intp)
    perfect = [
        calibration_error(said, (rng.random(len(said))[fates] < said).astype(float))
        for _ in range(1000)
    ]
    low, high = np.quantile(errors, [0.025, 0.975])
    return {
        "ece": calibration_error(scores, linked),
        "ece_low": float(low),
        "ece_high": float(high),
        "ece_missed_pairs": float(len(missed)),
        "ece_scored": calibration_error(said, true),
        "ece_if_perfect": float(np.mean(perfect)),
        "perfect_reaches": float(np.mean(np.array(perfect) <= _BEST_ECE)),
    }


def unseen_links(shop: Shop, seed: int) -> list[tuple[str, ProductLink]]:
    """(video id, link) of every video, by the calibration that has not seen it."""
    folds = fit_folds(shop.labeled.pairs, default_calibration(), seed=seed)
    linkers = {}
    for fitted in folds.fitted:
        linkers[fitted.fitted_on] = linker_of(
            replace(released_recipe(shop.snapshot), calibration=fitted)
        )
    clusters = shop.snapshot.store.clusters(shop.snapshot.versions["videos"])
    links: list[tuple[str, ProductLink]] = []
    for copies in released_videos(shop.snapshot, sorted(clusters)):
        linker = linkers[folds.unseen_by(clusters[copies[0][1].video_key]).fitted_on]
        found = linker.link([video for _, video in copies])
        for (video_id, _), own in zip(copies, found, strict=True):
            links += [(video_id, link) for link in own]
    return links


def chatter_links(folder: Path, pairs: Sequence[LabeledPair]) -> float:
    """Links made by speech alone, on unseen folds, in videos where nobody speaks of a product."""
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    silent = {
        row["video_id"]
        for row in labels
        if not any("asr" in link["evidence"] for link in row["links"])
    }
    heard = without(pairs, set(SIGNALS_OF) - {Modality.ASR})
    scores = fit_folds(pairs, default_calibration()).scores(heard)
    return float(sum(p.video_id in silent and s >= 0.5 for p, s in zip(heard, scores, strict=True)))


def link_figures(scored: dict[str, Any]) -> dict[str, float]:
    """The scorer's answer as flat figures."""
    given = scored["given"]
    figures = {
        "link_f1": given["f1"],
        "link_precision": given["p"],
        "link_recall": given["r"],
        "average_precision": float(scored["average_precision"]),
    }
    if given["tnr"] is not None:
        figures["true_negative_rate"] = given["tnr"]
    return figures


def linking(shop: Shop, scorer: Path, scratch: Path) -> dict[str, float]:
    """Link quality on unseen folds: seed 0, and how much the choice of folds matters."""
    prior, labeled = default_calibration(), shop.labeled
    scores = fit_folds(labeled.pairs, prior).scores(labeled.pairs)
    found = link_figures(score(scorer, shop.folder, scratch / "oof.jsonl", labeled.pairs, scores))
    found["precision_at_recall_0.55"] = precision_at(0.55, labeled, scores)
    found |= calibration_figures(labeled, scores)
    seeds = []
    for seed in range(_SEEDS):
        values = fit_folds(labeled.pairs, prior, seed=seed).scores(labeled.pairs)
        path = scratch / "seed.jsonl"
        seeds.append(link_figures(score(scorer, shop.folder, path, labeled.pairs, values)))
    for name in ("link_f1", "average_precision", "true_negative_rate"):
        if all(name in one for one in seeds):
            found[f"{name}_of_{_SEEDS}_seeds"] = float(np.mean([one[name] for one in seeds]))
    shipped = [probability(prior, pair.signals) for pair in labeled.pairs]
    path = scratch / "shipped.jsonl"
    as_shipped = link_figures(score(scorer, shop.folder, path, labeled.pairs, shipped))
    return found | {f"shipped_{name}": value for name, value in as_shipped.items()}


def ablations(shop: Shop, scorer: Path, scratch: Path, console: Console) -> dict[str, float]:
    """Each modality removed, and alone; refitted each time. Prints recall by evidence tag."""
    cases: dict[str, tuple[Modality, ...]] = {"all": ()}
    cases |= {f"without {modality.value}": (modality,) for modality in SIGNALS_OF}
    cases |= {
        f"{modality.value} alone": (*(set(_CONTENT) - {modality}), Modality.MERCHANT)
        for modality in _CONTENT
    }
    figures: dict[str, float] = {}
    rows: dict[str, dict[str, float]] = {}
    for name, dropped in cases.items():
        pairs = without(shop.labeled.pairs, dropped)
        scores = fit_folds(pairs, UNFITTED).scores(pairs)
        answer_ = score(scorer, shop.folder, scratch / "ablation.jsonl", pairs, scores)
        figures[f"f1 {name}"] = answer_["given"]["f1"]
        rows[name] = recall_by_tag(shop.folder, pairs, scores) | {"F1": answer_["given"]["f1"]}
    tags = list(rows["all"])
    table = Table(
        "modalities", *tags, title="Recall at 0.5 by the evidence a video has", min_width=100
    )
    for name, row in rows.items():
        table.add_row(name, *(f"{row[tag]:.3f}" for tag in tags))
    console.print(table)
    single = max(figures[f"f1 {modality.value} alone"] for modality in _CONTENT)
    return figures | {"fusion_gain_f1": figures["f1 all"] - single}


def recall_by_tag(
    folder: Path, pairs: Sequence[LabeledPair], scores: Sequence[float]
) -> dict[str, float]:
    """Share of true pairs found at 0.5, by the modalities that show them, as labeled."""
    found = {(p.video_id, p.sku) for p, s in zip(pairs, scores, strict=True) if s >= 0.5}
    hits: dict[str, list[bool]] = {}
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        modalities: dict[str, set[str]] = {}
        for link in row["links"]:
            modalities.setdefault(link["sku"], set()).update(set(link["evidence"]) - {"merchant"})
        for sku, evidence in modalities.items():
            tag = "+".join(modality.value for modality in _CONTENT if modality.value in evidence)
            hits.setdefault(tag, []).append((row["video_id"], sku) in found)
    return {tag: sum(values) / len(values) for tag, values in sorted(hits.items())}


def transfer(shop: Shop, second: Shop, scorer: Path, scratch: Path) -> dict[str, float]:
    """F1 at 0.5 with weights of the other shop, and what that loses against unseen own folds."""
    figures = {}
    for name, fitted_on, used_on in (
        ("second shop to this one", second, shop),
        ("this shop to second one", shop, second),
    ):
        fitted = calibrate(fitted_on.labeled.pairs, UNFITTED, fitted_on=name)
        pairs = used_on.labeled.pairs
        path = scratch / "transfer.jsonl"
        foreign = [probability(fitted, pair.signals) for pair in pairs]
        own = fit_folds(pairs, UNFITTED).scores(pairs)
        foreign_f1 = score(scorer, used_on.folder, path, pairs, foreign)["given"]["f1"]
        own_f1 = score(scorer, used_on.folder, path, pairs, own)["given"]["f1"]
        figures[f"f1 {name}"] = foreign_f1
        figures[f"f1 lost, {name}"] = own_f1 - foreign_f1
    return figures


def search(shop: Shop, config: Config, scorer: Path, out: Path) -> dict[str, float]:
    """Links, results and duplicates as a user would see them, scored."""
    links = unseen_links(shop, 0)
    write_lines(out / "links.jsonl", [link_line(video_id, link) for video_id, link in links])
    videos = shop.snapshot.store.video_facts(shop.snapshot.versions["videos"]).values()
    ids, clusters = [v.video_id for v in videos], [v.cluster for v in videos]
    write_lines(out / "dups.jsonl", duplicates(ids, clusters))
    encoders = QueryEncoders(
        load_query_encoder(config), load_image_encoder(config), load_joint_text(config)
    )
    searcher = Searcher(shop.snapshot, encoders, config.search, [link for _, link in links])
    answer(searcher, shop.folder)  # a warm process
    answers, taken = answer(searcher, shop.folder)
    write_lines(out / "results.jsonl", answers)
    scored = ask(
        scorer, shop.folder, "--links", out / "links.jsonl", "--search", out / "results.jsonl",
        "--dups", out / "dups.jsonl",
    )  # fmt: skip
    figures = {"duplicates_f1": float(scored["duplicates"]["f1"])}
    figures["tiou_mean"] = scored["links"]["tiou_all"]["mean"]
    for kind, row in scored["search"]["by_kind"].items():
        figures |= {f"r5_{kind}": row["r5"], f"mrr_{kind}": row["mrr"]}
    figures["r5_category"] = of_facets(searcher, shop, links)
    text = sorted(taken["text"])
    if text:
        figures["text_query_p95_ms"] = text[int(len(text) * 0.95)]
    return figures


def of_facets(searcher: Searcher, shop: Shop, links: Sequence[tuple[str, ProductLink]]) -> float:
    """Mean R@5 of the names of categories and brands: all videos linked to one are relevant."""
    sold: dict[str, set[str]] = defaultdict(set)
    for video_id, link in links:
        if link.score >= shop.snapshot.link_above:
            sold[link.sku].add(video_id)
    named: dict[str, set[str]] = defaultdict(set)
    for item in read_products(shop.snapshot.store, shop.snapshot.versions):
        product = item.product
        for name in {*product.category, *([product.brand] if product.brand else [])}:
            named[name] |= sold[product.sku]
    recalls = []
    for name, relevant in named.items():
        if relevant:
            hits = searcher.search_text(name, k=20).ranked
            found = [video for hit in hits for video in (hit.video_id, *hit.copies)]
            recalls.append(len(relevant & set(found[:5])) / min(5, len(relevant)))
    return float(np.mean(recalls)) if recalls else 0.0


def bars(figures: dict[str, float]) -> list[Bar]:
    """What issue and documentation ask for; only what could be measured."""
    asked = [
        ("link F1 at 0.5", "link_f1", 0.82, True),
        ("average precision", "average_precision", 0.84, True),
        ("precision at recall 0.55", "precision_at_recall_0.55", 0.92, True),
        ("true-negative rate", "true_negative_rate", 0.85, True),
        ("expected calibration error", "ece", _BEST_ECE, False),
        ("R@5, text", "r5_text", 0.88, True),
        ("MRR, text", "mrr_text", 0.85, True),
        ("R@5, paraphrases", "r5_paraphrase", 0.75, True),
        ("R@5, pictures", "r5_image", 0.75, True),
        ("R@5, names of categories and brands", "r5_category", 0.9, True),
        ("duplicates F1", "duplicates_f1", 0.95, True),
        ("fusion beats the best single modality by F1", "fusion_gain_f1", 0.10, True),
        ("links by speech where nobody names a product", "chatter_links", 0.0, False),
        ("text query, 95th percentile, ms", "text_query_p95_ms", 60.0, False),
    ]
    return [Bar(name, figures[key], w, at_least=a) for name, key, w, a in asked if key in figures]


def main() -> int:
    """Measure, score, print, compare with the bars."""
    parser = parser_of(__doc__)
    default = bench_folder("dev") or EXAMPLE_SHOP
    parser.add_argument("bench", type=Path, nargs="?", default=default, metavar="BENCH_DIR")
    parser.add_argument("--second", type=Path, default=EXAMPLE_SHOP, metavar="SHOP_DIR")
    parser.add_argument("--config", type=Path, metavar="TOML")
    parser.add_argument("--score", type=Path, metavar="SCORE_PY")
    parser.add_argument("--store", metavar="URI", help="a store of BENCH_DIR, already ingested")
    parser.add_argument("--second-store", metavar="URI", help="the same for SHOP_DIR")
    args = parse(parser)
    scorer = args.score or args.bench.resolve().parent / "score.py"
    config, console = load_config(args.config), Console()
    with tempfile.TemporaryDirectory() as scratch:
        first, other = Path(scratch) / "first", Path(scratch) / "second"
        out: Path = args.out or Path(scratch)
        shop = (
            measured(args.bench, args.store) if args.store else open_shop(args.bench, first, config)
        )
        second = (
            measured(args.second, args.second_store)
            if args.second_store
            else open_shop(args.second, other, config)
        )
        figures = linking(shop, scorer, out)
        figures |= ablations(shop, scorer, out, console)
        figures |= transfer(shop, second, scorer, out)
        figures |= search(shop, config, scorer, out)
        figures["chatter_links"] = chatter_links(shop.folder, shop.labeled.pairs)
        silent = len(shop.labeled.silent)
        figures["true_links_without_evidence"] = float(silent)
    return conclude("quality", figures, bars(figures), args.out)


if __name__ == "__main__":
    sys.exit(main())
