"""Search at the size of a shop: opening a release, and the time of a text query with its encoding.

    python -m benchmarks.search_scale [--products N] [--videos N] [--out DIR] [--full] [--large]

The example shop is ingested with MiniLM alone as the encoder of texts, then its tables are grown:
products with titles of the shops that `link_growth` makes up, two moments and six links a video,
with the vectors of real rows and noise. The release is opened by a process of its own, first where
its arrays are not made yet, and again where they are; the second asks --queries distinct texts:
titles in part, misspelled, with prices, and things that the shop does not have. One thread. With
--large there are a million products and moments, and a third process opens the release while the
second has it open: what each holds is its proportional share (PSS), in which memory that several
have mapped counts for each of them in part.
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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.harness import EXAMPLE_SHOP, Bar, Count, conclude, parse, parser_of
from benchmarks.link_growth import Shop
from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.search.finding import QueryEncoders
from reelshelf.indexer.search.searcher import Searcher
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import Lease
from reelshelf.indexer.store.rows import vector_matrix
from reelshelf.indexer.store.snapshot import ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.text import Numbers
from reelshelf.jobs.engines import make_engine
from reelshelf.models.registry import load_query_encoder
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.media import Vectors

_MOMENTS, _LINKS = 2, 6
# Rows of a family, how far families lie from the row that they are made of, and how far apart
# their own are.
_FAMILY, _APART, _WITHIN = 20, 0.8, 0.3
_AT_ONCE = 20_000
_ABSENT = ("lawn mower", "winter tires", "wedding ring", "concert tickets berlin", "dog food")


def config(scratch: Path) -> Config:
    """A shop whose texts MiniLM alone encodes; `scratch` is where arrays are made."""
    return parse_config(
        {
            "models": {"text": {"name": "minilm"}},
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
    growing = Growing(store, Shop(products), products, videos)
    growing.add("products", products, growing.products)
    growing.add("videos", videos, growing.videos)
    growing.add("segments", videos * _MOMENTS, growing.segments)
    growing.add("links", videos * _LINKS, growing.links)
    _publish(store)
    return uri


Cells: TypeAlias = Mapping[str, pa.Array]


class Growing:
    """Adds rows to the tables of a store, in parts: real ones again and again, made different."""

    def __init__(self, store: Store, shop: Shop, products: int, videos: int) -> None:
        self._store = store
        self._shop = shop
        self._counts = (products, videos)
        self._rng = np.random.default_rng(0)

    def add(self, table: str, count: int, cells: Callable[[Numbers], Cells]) -> None:
        """Rows of a table, whose cells differ by their number."""
        real = self._store.table(table).to_arrow()
        for start in range(0, count, _AT_ONCE):
            numbers = np.arange(start, min(start + _AT_ONCE, count))
            rows = _drawn(real, numbers, self._rng)
            for name, column in cells(numbers).items():
                place = rows.schema.get_field_index(name)
                field = rows.schema.field(place)
                rows = rows.set_column(place, field, column.cast(field.type))
            self._store.table(table).to_lance().insert(rows)

    def products(self, numbers: Numbers) -> Cells:
        """Products by number."""
        return {
            "product_key": _keys(1, numbers),
            "sku": _named("G-", numbers),
            "title": pa.array(self._titles(numbers)),
        }

    def _titles(self, numbers: Numbers) -> list[str]:
        return [self._shop.item(number).title for number in numbers.tolist()]

    def videos(self, numbers: Numbers) -> Cells:
        """Videos, none of which is another's copy."""
        names = _named("g", numbers)
        return {"video_key": _keys(2, numbers), "video_id": names, "duplicate_cluster": names}

    def segments(self, numbers: Numbers) -> Cells:
        """Moments of videos, which name products."""
        of = numbers // _MOMENTS
        spoken = self._titles(self._rng.integers(0, self._counts[0], len(numbers)))
        texts = [f"{title} is what we look at today" for title in spoken]
        return {
            "segment_key": _keys(3, numbers),
            "video_key": _keys(2, of),
            "video_id": _named("g", of),
            "text": pa.array(texts),
            "terms": pa.array([text.lower() for text in texts]),
        }

    def links(self, numbers: Numbers) -> Cells:
        """Links of videos to any products."""
        of = numbers // _LINKS
        sold = self._rng.integers(0, self._counts[0], len(numbers))
        return {
            "link_key": _keys(4, numbers),
            "video_key": _keys(2, of),
            "video_id": _named("g", of),
            "product_key": _keys(1, sold),
            "sku": _named("G-", sold),
            "score": pa.array(self._rng.random(len(numbers)), pa.float32()),
        }


def _keys(kind: int, numbers: Numbers) -> pa.Array:
    return pa.array([f"{kind:08}-0000-4000-8000-{number:012}" for number in numbers.tolist()])


def _named(prefix: str, numbers: Numbers) -> pa.Array:
    return pa.array([f"{prefix}{number:08}" for number in numbers.tolist()])


def _drawn(real: pa.Table, numbers: Numbers, rng: np.random.Generator) -> pa.Table:
    """Real rows, again and again.

    Their vectors are moved: those of a family together, and each a little, as vectors of things
    that are alike lie in clusters in clusters.
    """
    families = numbers // _FAMILY
    first = int(families[0])
    of_family = np.random.default_rng(first)
    count = int(families[-1]) - first + 1
    chosen = of_family.integers(0, real.num_rows, count)[families - first]
    rows = real.take(pa.array(chosen))
    for place, name in enumerate(rows.schema.names):
        if not name.endswith("_vector"):
            continue
        field = rows.schema.field(place)
        dim = field.type.list_size
        valid = rows[name].is_valid().to_numpy()
        moved = np.zeros((len(numbers), dim), np.float32)
        moved[valid] = vector_matrix(rows[name].drop_null())
        together = _noise(of_family, (count, dim), _APART)[families - first]
        moved[valid] += (together + _noise(rng, moved.shape, _WITHIN))[valid]
        moved /= np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        column = pa.FixedSizeListArray.from_arrays(moved.ravel(), dim, mask=pa.array(~valid))
        rows = rows.set_column(place, field, column.cast(field.type))
    return rows


def _noise(rng: np.random.Generator, shape: tuple[int, int], length: float) -> Vectors:
    """Vectors of about such a length."""
    return rng.standard_normal(shape, np.float32) * np.float32(length / np.sqrt(shape[1]))


def _publish(store: Store) -> None:
    """The next release: as the last one, of the rows as they are now, with their indexes."""
    last = releases.require_served(store)
    sequence = releases.next_sequence(store)
    builder = Builder(releases.config_of(last).index, in_turn)
    indexes = build_indexes(store, builder, last.indexes)
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


class Child:
    """A process that measures, and stays until it is left."""

    def __init__(self, uri: str, products: int, count: int) -> None:
        command = [sys.executable, "-m", "benchmarks.search_scale", "--measure", uri]
        command += ["--products", str(products), "--queries", str(count)]
        env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self.figures: dict[str, float] = json.loads(self._process.stdout.readline())

    @property
    def pss_mb(self) -> float:
        """Its proportional share of memory."""
        return float(psutil.Process(self._process.pid).memory_full_info().pss) / 1e6

    def leave(self) -> dict[str, float]:
        """What it has measured; it ends."""
        self._process.communicate()
        return self.figures


def _args() -> argparse.Namespace:
    parser = parser_of(__doc__)
    parser.add_argument("--measure", metavar="URI", help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the store here, and keep it")
    parser.add_argument("--large", action="store_true", help="a million products and moments")
    parser.add_argument("--store", metavar="URI", help="a store that --keep has left")
    args = parse(
        parser, products=Count(2_000, 20_000), videos=Count(2_000, 20_000), queries=Count(100, 500)
    )
    if args.large:
        args.products, args.videos = 1_000_000, 500_000
    return args


def main() -> int:
    """Make a store, open it in one process after the other, ask."""
    args = _args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.products, args.queries)), flush=True)
        sys.stdin.read()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        uri = args.store or make_store(args.keep or Path(folder), args.products, args.videos)
        first = Child(uri, args.products, 0).leave()
        child = Child(uri, args.products, args.queries)
        figures = {"first_open_s": first["open_s"]} | child.figures
        if args.large:
            other = Child(uri, args.products, args.queries)
            figures |= {"pss_mb": max(child.pss_mb, other.pss_mb)}
            other.leave()
        child.leave()
    limit = 60.0 if args.large else 25.0
    bars = [Bar("text query with encoding, p95, ms", figures["text_p95_ms"], limit, at_least=False)]
    if args.large:
        bars += [Bar("memory of each of two, PSS, MB", figures["pss_mb"], 3000.0, at_least=False)]
    else:
        bars += [
            Bar("opening, s", figures["open_s"], 3.0, at_least=False),
            Bar("memory of its own, opened, MB", figures["anonymous_mb"], 400.0, at_least=False),
        ]
    return conclude("search_scale", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
