"""Ten appends that drift, under three policies: what recall they keep, and what they cost.

    python -m benchmarks.index_growth [--out DIR] [--rows N] [--dim D]

Each append adds a tenth of the rows. A part of it, one tenth more each time, comes from clusters
that nobody has seen before. `watched` is what the project does: measure, and train anew where it
has to. `always` trains anew after each append. `never` encodes new rows with the first quantizer
and searches them as on the first day. All three are asked the same queries, which are rows; none
of them was tuned on those. CPU is of bringing the index up alone, of all threads.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.vectors import Cloud, append, vector_store
from reelshelf.indexer.index import encode
from reelshelf.indexer.index.build import Builder, update_index
from reelshelf.indexer.index.inspect import fragments_without
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.index.quantizer import sample_vectors
from reelshelf.indexer.index.recall import GroundTruth, bytes_read, exact_search, measure_recall
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.release import VectorIndex

TABLE, COLUMN = "product_images", "image_vector"
APPENDS = 10
# Neither the seed of tuning (0) nor that of the gate (1).
_QUERY_SEED = 77
_OLD_CLUSTERS, _NEW_CLUSTERS = 100, 5
# Tight clusters: with looser ones, growth with the first quantizer loses nothing for months.
_BROAD = 0.08


@dataclass(frozen=True, slots=True)
class Step:
    """One policy after one append. `new` is the share of that append from unseen clusters."""

    append: int
    rows: int
    new: float
    policy: str
    recall: float
    cpu_s: float
    index: VectorIndex
    bytes_read: int


def watched(store: Store, index: VectorIndex, config: IndexConfig) -> VectorIndex:
    """The project's own policy."""
    return update_index(store, TABLE, COLUMN, Builder(config, in_turn), index)


def always(store: Store, index: VectorIndex, config: IndexConfig) -> VectorIndex:
    """Train anew, whatever the index is like."""
    return update_index(store, TABLE, COLUMN, Builder(config, in_turn, retrain=True), index)


def never(store: Store, index: VectorIndex, config: IndexConfig) -> VectorIndex:
    """Encode what is new, and change nothing."""
    quantizer = read_quantizer(store, index.quantizer_sha256)
    assert quantizer is not None
    fresh = fragments_without(store.dataset(TABLE), quantizer.index_name)
    segments = encode.encode_fragments(store, quantizer, fresh, config, in_turn, 1)
    encode.commit(store, quantizer, segments)
    return index.model_copy(update={"rows": store.dataset(TABLE).count_rows(), "rebuilt": None})


POLICIES = {"watched": watched, "always": always, "never": never}


def drifted(cloud: Cloud, rows: int, number: int) -> Iterator[Vectors]:
    """The rows of one append: first those of old clusters, then those of its own new ones."""
    new = round(rows * number / APPENDS)
    begin = _OLD_CLUSTERS + (number - 1) * _NEW_CLUSTERS
    yield cloud.sample_vectors(max(1, rows - new), 1000 + number, range(_OLD_CLUSTERS))
    yield cloud.sample_vectors(new, 2000 + number, range(begin, begin + _NEW_CLUSTERS))


def grow(folder: Path, rows: int, dim: int, queries: int, config: IndexConfig) -> Iterator[Step]:
    """Build once, copy the store for each policy, and append."""
    cloud = Cloud(dim, _OLD_CLUSTERS + APPENDS * _NEW_CLUSTERS, broad=_BROAD)
    first = vector_store(folder / "first", dim)
    append(first, TABLE, COLUMN, iter([cloud.sample_vectors(rows, 1, range(_OLD_CLUSTERS))]))
    built = update_index(first, TABLE, COLUMN, Builder(config, in_turn), None)
    stores: dict[str, Store] = {}
    for name in POLICIES:
        shutil.copytree(folder / "first", folder / name)
        stores[name] = Store.open(str(folder / name))
    indexes = dict.fromkeys(POLICIES, built)
    truth = common_truth(first, queries)
    for name in POLICIES:
        yield look(stores[name], built, truth, name, 0, 0.0)
    for number in range(1, APPENDS + 1):
        stored = first.dataset(TABLE).count_rows()
        for store in (first, *stores.values()):
            append(store, TABLE, COLUMN, drifted(cloud, stored // 10, number))
        truth = common_truth(first, queries)
        for name, policy in POLICIES.items():
            began = time.process_time()
            indexes[name] = policy(stores[name], indexes[name], config)
            cpu = time.process_time() - began
            yield look(stores[name], indexes[name], truth, name, number, cpu)


def common_truth(store: Store, queries: int) -> GroundTruth:
    """Rows drawn from all, with what exact search finds for them."""
    dataset = store.dataset(TABLE)
    return exact_search(dataset, COLUMN, sample_vectors(dataset, COLUMN, queries, _QUERY_SEED))


def look(
    store: Store, index: VectorIndex, truth: GroundTruth, policy: str, number: int, cpu: float
) -> Step:
    """Measure one policy after one append."""
    found = measure_recall(store.dataset(TABLE), index, truth)
    read = bytes_read(index, truth.queries.shape[1])
    return Step(number, index.rows, number / APPENDS, policy, found.recall, cpu, index, read)


def show(steps: list[Step]) -> None:
    """Print a line for each step."""
    heads = ["append", "rows", "new", "policy", "recall@10", "CPU s", "probes", "refine", "kB read"]
    table = Table(*heads, "trained anew because")
    for step in steps:
        table.add_row(
            str(step.append),
            str(step.rows),
            f"{step.new:.0%}",
            step.policy,
            f"{step.recall:.4f}",
            f"{step.cpu_s:.2f}",
            f"{step.index.nprobes}/{step.index.partitions}",
            str(step.index.refine_factor),
            f"{step.bytes_read / 1e3:.0f}",
            (step.index.rebuilt or "") if step.append else "",
            end_section=step.policy == "never",
        )
    Console(width=140).print(table)


def summary(steps: list[Step]) -> dict[str, float]:
    """The figures that bars are set on, and those of `never` beside them."""
    grown = [step for step in steps if step.append]
    by = {name: [step for step in grown if step.policy == name] for name in POLICIES}
    cpu = {name: sum(step.cpu_s for step in by[name]) for name in POLICIES}
    figures = {f"{name}_cpu_s": cpu[name] for name in POLICIES}
    for name in ("watched", "never"):
        pairs = zip(by["always"], by[name], strict=True)
        figures[f"{name}_most_recall_lost"] = max(a.recall - b.recall for a, b in pairs)
        figures[f"{name}_share_of_cpu"] = cpu[name] / cpu["always"]
    for name in POLICIES:
        figures[f"{name}_least_recall"] = min(step.recall for step in by[name])
        figures[f"{name}_last_kb_read"] = by[name][-1].bytes_read / 1e3
    figures["watched_trained_anew"] = sum(step.index.rebuilt is not None for step in by["watched"])
    return figures


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("--dim", type=int, default=256, metavar="D")
    parser.add_argument("--queries", type=int, default=300, metavar="N")
    args = parse(parser, rows=Count(20_000, 150_000))
    with tempfile.TemporaryDirectory() as name:
        steps = list(grow(Path(name), args.rows, args.dim, args.queries, IndexConfig()))
    show(steps)
    figures = summary(steps)
    lost, cpu = figures["watched_most_recall_lost"], figures["watched_share_of_cpu"]
    asked = [
        Bar("most recall lost by watching", lost, 0.01, at_least=False),
        Bar("CPU of watching over always", cpu, 0.30, at_least=False),
        # Without a loss there is nothing to watch for, and the other bars would say nothing.
        Bar("most recall lost by never", figures["never_most_recall_lost"], 0.03, at_least=True),
    ]
    return conclude("index_growth", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
