"""Search at the size of a shop: opening a release, and the time of a text query with its encoding.

    python -m benchmarks.search_scale [--products N] [--videos N] [--out DIR] [--full]

The example shop is ingested with MiniLM alone as the encoder of texts, then its tables are grown:
products with titles of the shops that `link_growth` makes up, two moments and six links a video,
with the vectors of real rows and noise. The release is opened by a process of its own, first where
its arrays are not made yet, and again where they are; the second asks --queries distinct texts:
titles in part, misspelled, with prices, and things that the shop does not have. One thread.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.harness import EXAMPLE_SHOP, Bar, Count, conclude, parse, parser_of
from benchmarks.link_growth import Shop
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.search.searcher import QueryEncoders, Searcher
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.rows import vector_array, vector_matrix
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines import make_engine
from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.config import Config, parse_config

_MOMENTS, _LINKS = 2, 6
_NOISE = 0.6
_ABSENT = ("lawn mower", "winter tires", "wedding ring", "concert tickets berlin", "dog food")


def config(scratch: Path) -> Config:
    """A shop whose texts MiniLM alone encodes; `scratch` is where arrays are made."""
    return parse_config(
        {
            "models": {"text": {"name": "minilm"}},
            "index": {"flat_below": 10_000_000},
            "storage": {"spool_dir": str(scratch)},
        }
    )


def make_store(root: Path, products: int, videos: int) -> str:
    """A published store of that size; its URI."""
    uri = str(root / "store")
    request = IngestRequest(
        str(EXAMPLE_SHOP / "catalog" / "products.jsonl"), str(EXAMPLE_SHOP / "videos.jsonl"), uri
    )
    ingest(request, config(root), make_engine, NoProgress()).or_raise()
    store = Store.open(uri)
    rng = np.random.default_rng(0)
    shop = Shop(products)
    product_keys = pa.array([str(uuid.UUID(int=n)) for n in range(products)])
    skus = pa.array([f"G-{n:07}" for n in range(products)])
    drawn = _drawn(store, "products", products, rng)
    titles = pa.array([shop.item(n).title for n in range(products)])
    _insert(store, "products", drawn, product_key=product_keys, sku=skus, title=titles)
    first = products
    keys = pa.array([str(uuid.UUID(int=first + n)) for n in range(videos)])
    names = pa.array([f"g{n}" for n in range(videos)])
    cells = {"video_key": keys, "video_id": names, "duplicate_cluster": names}
    _insert(store, "videos", _drawn(store, "videos", videos, rng), **cells)
    of = np.repeat(np.arange(videos), _MOMENTS)
    moments = _drawn(store, "segments", len(of), rng)
    segment_keys = pa.array([str(uuid.UUID(int=first + videos + n)) for n in range(len(of))])
    spoken = [titles[int(n)].as_py() for n in rng.integers(0, products, len(of))]
    texts = pa.array([f"{text} is what we look at today" for text in spoken])
    cells = {
        "segment_key": segment_keys,
        "video_key": keys.take(pa.array(of)),
        "video_id": names.take(pa.array(of)),
        "text": texts,
        "terms": pa.array([text.lower() for text in texts.to_pylist()]),
    }
    _insert(store, "segments", moments, **cells)
    of = np.repeat(np.arange(videos), _LINKS)
    sold = pa.array(rng.integers(0, products, len(of)))
    cells = {
        "link_key": pa.array(
            [str(uuid.UUID(int=9 * (first + videos) + n)) for n in range(len(of))]
        ),
        "video_key": keys.take(pa.array(of)),
        "video_id": names.take(pa.array(of)),
        "product_key": product_keys.take(sold),
        "sku": skus.take(sold),
        "score": pa.array(rng.random(len(of)), pa.float32()),
    }
    _insert(store, "links", _drawn(store, "links", len(of), rng), **cells)
    _publish(store)
    return uri


def _drawn(store: Store, table: str, count: int, rng: np.random.Generator) -> pa.Table:
    """Real rows of a table, again and again, with noise in their vectors."""
    real = store.table(table).to_arrow()
    rows = real.take(pa.array(rng.integers(0, real.num_rows, count)))
    for place, name in enumerate(rows.schema.names):
        if not name.endswith("_vector"):
            continue
        dim = rows.schema.field(place).type.list_size
        valid = rows[name].is_valid().to_numpy()
        base = vector_matrix(rows[name].drop_null())
        moved = base + rng.normal(0, _NOISE / np.sqrt(dim), base.shape).astype(np.float32)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        vectors = iter(moved)
        column = vector_array([next(vectors) if there else None for there in valid], dim)
        rows = rows.set_column(place, rows.schema.field(place), column)
    return rows


def _insert(store: Store, table: str, rows: pa.Table, **cells: pa.Array) -> None:
    for name, column in cells.items():
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        rows = rows.set_column(place, field, column.cast(field.type))
    store.table(table).to_lance().insert(rows)


def _publish(store: Store) -> None:
    """The next release: as the last one, of the rows as they are now."""
    last = releases.require_served(store)
    sequence = releases.next_sequence(store)
    indexes = [i.model_copy(update={"rows": store.count(i.table)}) for i in last.indexes]
    changes = {
        "run_id": str(uuid.uuid4()),
        "release_id": releases.release_id(sequence),
        "sequence": sequence,
        "tables": releases.pin_tables(store),
        "indexes": indexes,
    }
    release = last.model_copy(update=changes)
    with Lease.take(store, release.run_id, 60) as lease:
        releases.publish(store.guarded(lease.check), release, lease)


def queries(products: int, count: int) -> list[str]:
    """Texts that shoppers might type there, each once."""
    shop, rng = Shop(products), random.Random(0)  # noqa: S311
    found: dict[str, None] = {}
    while len(found) < count:
        words = shop.item(rng.randrange(products)).title.split()
        kind = rng.randrange(5)
        text = " ".join(words[: rng.randint(1, len(words))])
        if kind == 1:
            text += f" under {rng.randint(5, 500)} euro"
        elif kind == 2 and len(text) > 6:
            at = rng.randrange(1, len(text) - 1)
            text = text[:at] + text[at + 1 :]
        elif kind == 3:
            text = f"{rng.choice(_ABSENT)} {rng.randint(1, 999)}"
        found[text] = None
    return list(found)


def measure(uri: str, products: int, count: int) -> dict[str, float]:
    """Open the release in this process and ask."""
    snapshot = ReleaseSnapshot.open(uri, config(Path(uri).parent).storage)
    process = psutil.Process()
    before = _anonymous(process)
    began = time.perf_counter()
    Searcher(snapshot, QueryEncoders())
    figures = {"open_s": time.perf_counter() - began}
    if not count:
        return figures
    figures["anonymous_mb"] = (_anonymous(process) - before) / 1e6
    encoder = load_query_encoder(snapshot.config)
    searcher = Searcher(snapshot, QueryEncoders(text=encoder))
    texts = queries(products, count + 20)
    for text in texts[:20]:
        searcher.search_text(text)
    times, encoding = [], []
    for text in texts[20:]:
        began = time.perf_counter()
        searcher.search_text(text)
        times.append((time.perf_counter() - began) * 1000)
    for text in texts[20:]:
        began = time.perf_counter()
        encoder.encode_texts([text])
        encoding.append((time.perf_counter() - began) * 1000)
    figures["text_p50_ms"], figures["text_p95_ms"] = np.quantile(times, [0.5, 0.95]).tolist()
    figures["encoding_p50_ms"] = float(np.median(encoding))
    figures["own_mb_after"] = (_anonymous(process) - before) / 1e6
    return figures


def _anonymous(process: psutil.Process) -> int:
    """Bytes that a process holds beside mapped files."""
    held = process.memory_info()
    return int(held.rss - held.shared)


def _child(uri: str, products: int, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.search_scale", "--measure", uri]
    command += ["--products", str(products), "--queries", str(count)]
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _args() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--measure", metavar="URI", help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the store here, and keep it")
    return parse(
        parser, products=Count(2_000, 20_000), videos=Count(2_000, 20_000), queries=Count(100, 500)
    )


def main() -> int:
    """Make a store, open it twice, ask."""
    args = _args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.products, args.queries)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        uri = make_store(args.keep or Path(folder), args.products, args.videos)
        first = _child(uri, args.products, 0)
        figures = {"first_open_s": first["open_s"]} | _child(uri, args.products, args.queries)
    bars = [
        Bar("opening, s", figures["open_s"], 3.0, at_least=False),
        Bar("memory of its own when opened, MB", figures["anonymous_mb"], 400.0, at_least=False),
        Bar("text query with encoding, p95, ms", figures["text_p95_ms"], 25.0, at_least=False),
    ]
    return conclude("search_scale", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
