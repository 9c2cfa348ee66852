"""One measurement of benchmarks.index_scale in a process of its own; prints one line of JSON."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from benchmarks.vectors import Cloud, append, vector_store
from reelshelf.indexer.index import build
from reelshelf.indexer.index.build import Builder, update_index
from reelshelf.indexer.index.gpus import gpus_for
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.index.quantizer import index_sizes, null_free, sample_vectors
from reelshelf.indexer.index.recall import exact_search, measure_recall
from reelshelf.indexer.store.tables import Store
from reelshelf.schemas.config import IndexConfig
from reelshelf.schemas.release import VectorIndex

TABLE, COLUMN = "product_images", "image_vector"
_ROWS_PER_FRAGMENT = 131_072
_FRESH = 10**6
# What building is made of, by the functions that do it.
_PARTS = ("draw", "train", "_encode", "exact", "tune", "measure_recall")


def peak_gb() -> float:
    """The most memory that this process ever held. It has no children."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    found = next(line for line in lines if line.startswith("VmHWM:"))
    return int(found.split()[1]) * 1024 / 1e9


@contextmanager
def timed(figures: dict[str, float], names: tuple[str, ...]) -> Iterator[None]:
    """Add up the wall seconds of functions of index.build while this block runs."""

    def timing(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            began = time.perf_counter()
            answer = function(*args)
            part = f"{name.strip('_')}_s"
            figures[part] = figures.get(part, 0.0) + time.perf_counter() - began
            return answer

        return call

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(patch.object(build, name, timing(name, getattr(build, name))))
        yield


def fill(path: Path, rows: int, dim: int) -> dict[str, float]:
    """A store of made vectors, several fragments of them."""
    store, cloud = vector_store(path, dim), cloud_of(rows, dim)
    for number, start in enumerate(range(0, rows, _ROWS_PER_FRAGMENT)):
        count = min(_ROWS_PER_FRAGMENT, rows - start)
        append(store, TABLE, COLUMN, cloud.pieces(count, number * 1000))
    return {"rows": float(store.dataset(TABLE).count_rows())}


def cloud_of(rows: int, dim: int) -> Cloud:
    """As many clusters for each row, whatever the size."""
    return Cloud(dim, max(10, rows // 1000))


def build_index(path: Path, config: IndexConfig) -> dict[str, float]:
    """Build as a run would. What came out is kept beside the store, for `search`."""
    figures: dict[str, float] = {}
    wall, cpu = time.perf_counter(), time.process_time()
    with timed(figures, _PARTS):
        builder = Builder(config, in_turn, gpus=gpus_for("auto"))
        index = update_index(Store.open(str(path)), TABLE, COLUMN, builder, None)
    figures["build_s"] = time.perf_counter() - wall
    figures["build_cpu_s"] = time.process_time() - cpu
    figures["peak_gb"] = peak_gb()
    _index_file(path).write_text(index.model_dump_json(), encoding="utf-8")
    return figures


def search(path: Path, rows: int, dim: int, queries: int) -> dict[str, float]:
    """Recall and latency at the tuned parameters, on vectors that are no rows."""
    index = VectorIndex.model_validate_json(_index_file(path).read_text(encoding="utf-8"))
    dataset = Store.open(str(path)).dataset(TABLE)
    truth = exact_search(dataset, COLUMN, cloud_of(rows, dim).sample_vectors(queries, _FRESH))
    measure_recall(dataset, index, truth)  # once more below, with everything opened
    found = measure_recall(dataset, index, truth)
    return {
        "recall": found.recall,
        "p50_ms": found.p50_ms,
        "p95_ms": found.p95_ms,
        "nprobes": float(index.nprobes),
        "refine_factor": float(index.refine_factor),
        "partitions": float(index.partitions),
        "search_peak_gb": peak_gb(),
    }


def plain_faiss(path: Path, config: IndexConfig) -> dict[str, float]:
    """FAISS alone, with the same sizes, over the same rows."""
    import faiss

    dataset = Store.open(str(path)).dataset(TABLE)
    dim, rows = dataset.schema.field(COLUMN).type.list_size, dataset.count_rows()
    sizes = index_sizes(rows, dim, config)
    sample = sample_vectors(dataset, COLUMN, sizes.train_rows, config.seed)
    index = faiss.IndexIVFPQ(faiss.IndexFlatL2(dim), dim, sizes.partitions, sizes.sub_vectors, 8)
    began = time.perf_counter()
    index.train(sample)
    trained = time.perf_counter()
    for batch in dataset.scanner(columns=[COLUMN], batch_size=32_768).to_batches():
        index.add(null_free(batch[COLUMN]))
    added = time.perf_counter()
    return {"faiss_train_s": trained - began, "faiss_add_s": added - trained}


def lance_alone(path: Path, config: IndexConfig) -> dict[str, float]:
    """Lance training and building by itself, with the same sizes."""
    dataset = Store.open(str(path)).dataset(TABLE)
    sizes = index_sizes(dataset.count_rows(), dataset.schema.field(COLUMN).type.list_size, config)
    began, cpu = time.perf_counter(), time.process_time()
    dataset.create_index(
        COLUMN,
        "IVF_PQ",
        name="lance_alone",
        metric="cosine",
        num_partitions=sizes.partitions,
        num_sub_vectors=sizes.sub_vectors,
    )
    return {
        "lance_s": time.perf_counter() - began,
        "lance_cpu_s": time.process_time() - cpu,
        "lance_peak_gb": peak_gb(),
    }


def _index_file(path: Path) -> Path:
    return path.with_suffix(".index.json")


def main() -> int:
    """Do one thing to one store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["fill", "build", "search", "faiss", "lance"])
    parser.add_argument("store", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--dim", type=int, default=0)
    parser.add_argument("--queries", type=int, default=0)
    parser.add_argument("--build", default="fragments")
    args = parser.parse_args()
    config = IndexConfig(kind="ivf_pq", build=args.build)
    if args.what == "fill":
        figures = fill(args.store, args.rows, args.dim)
    elif args.what == "build":
        figures = build_index(args.store, config)
    elif args.what == "search":
        figures = search(args.store, args.rows, args.dim, args.queries)
    elif args.what == "faiss":
        figures = plain_faiss(args.store, config)
    else:
        figures = lance_alone(args.store, config)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
