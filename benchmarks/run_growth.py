"""What whole runs cost while a shop grows.

    python -m benchmarks.run_growth [--out DIR] [--videos N] [--rows R] [--full]

Shops of 1,000, 10,000 ... N videos and as many products are ingested by everything that a run is
but its models: files are listed, plans made, rows committed, indexes built, links made, the gate
asked, a release published. The engine answers with made moments, five a video, and made vectors of
few dimensions; titles are those of `link_growth`. Then come a night in which nothing has changed,
and one in which one video in a hundred has. Last comes a shop of few videos and a catalog of R
rows. Each run has a process of its own; CPU is of all its threads, memory what it holds beside
mapped files, which it can do without. What a run gives to tasks is done in another process for the
last shop, as it is by an engine of many.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, own_memory, parse, parser_of
from benchmarks.link_growth import Shop
from benchmarks.store_growth import Made, refs, unit
from reelshelf.indexer.pipeline.engine import ThisProcess
from reelshelf.indexer.pipeline.ingest import EngineFactory, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.schemas.catalog import (
    EncodedPicture,
    PictureJob,
    Product,
    ProductVectors,
    RejectedPicture,
    RejectedText,
)
from reelshelf.schemas.config import Config, parse_config
from reelshelf.schemas.devices import ModelDevices
from reelshelf.schemas.media import Vectors
from reelshelf.schemas.outcomes import Outcome, VideoJob
from reelshelf.schemas.probes import Probe, Probed
from reelshelf.schemas.release import ModelRefs
from reelshelf.schemas.run import Spent, Stage

_IMAGE_DIM, _TEXT_DIM = 32, 32
_CHANGED = 100
_FEW_VIDEOS = 20
_SIZES = (1_000, 10_000, 100_000)
_KINDS = unit(np.random.default_rng(1).standard_normal((1000, _TEXT_DIM), np.float32))


Item = TypeVar("Item")
Answer = TypeVar("Answer")
Texts: TypeAlias = dict[str, ProductVectors | RejectedText]
Picture: TypeAlias = EncodedPicture | RejectedPicture


class MadeAnswers(ThisProcess):
    """An engine without models: it answers at once, with what is made."""

    def __init__(self, config: Config, made: Made) -> None:
        del config
        self._made = made

    @property
    def refs(self) -> ModelRefs:
        """Made ones."""
        return refs(_IMAGE_DIM, _TEXT_DIM)

    @property
    def devices(self) -> ModelDevices:
        """The CPU."""
        return ModelDevices(image="cpu", text="cpu", asr="cpu", ocr="cpu")

    @property
    def spent(self) -> dict[Stage, Spent]:
        """Nothing."""
        return {}

    def encode_texts(self, products: Sequence[Product]) -> Iterator[Texts]:
        """A vector drawn for each SKU."""
        for product in products:
            vector = drawn(product.sku)
            yield {product.sku: ProductVectors(vector, vector)}

    def encode_pictures(self, jobs: Sequence[PictureJob]) -> Iterator[Picture]:
        """There are none."""
        del jobs
        return iter(())

    def encode_probes(self, probes: Sequence[Probe]) -> Iterator[Probed]:
        """None are asked: the gate trusts the encoders here."""
        del probes
        return iter(())

    def index_videos(self, jobs: Iterable[VideoJob]) -> Iterator[Outcome]:
        """Made moments."""
        for job in jobs:
            number = int(job.source.video_id.split("-")[1])
            made = self._made.video(number, str(job.stamp.size))
            yield replace(made, job=job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None


class Beside(MadeAnswers):
    """The same; tasks have a process of their own."""

    def map_tasks(
        self,
        function: Callable[[Item], Answer],
        items: Sequence[Item],
        cores: int | None = None,
    ) -> Iterator[Answer]:
        """Call a function on items, one after the other."""
        del cores
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            yield from pool.map(function, items)


def drawn(name: str) -> Vectors:
    """A vector for a name, of one of some kinds, the same whenever it is asked for."""
    rng = np.random.default_rng(list(name.encode()))
    own = unit(rng.standard_normal((1, _TEXT_DIM), np.float32))
    (vector,) = unit(0.8 * _KINDS[rng.integers(len(_KINDS))] + 0.6 * own)
    return np.asarray(vector)


def write_shop(root: Path, count: int, rows: int) -> IngestRequest:
    """Files of a byte or two, a manifest, a catalog of so many rows."""
    videos = root / "videos"
    videos.mkdir(parents=True)
    with (root / "videos.jsonl").open("w") as lines:
        for number in range(count):
            name = f"made-{number:08d}"
            (videos / f"{name}.mp4").write_bytes(b".")
            lines.write(json.dumps({"video_id": name, "file": f"videos/{name}.mp4"}) + "\n")
    shop = Shop(rows)
    with (root / "products.jsonl").open("w") as lines:
        for number in range(rows):
            item = shop.item(number)
            row = {
                "sku": item.sku,
                "title": item.title,
                "brand": shop.brand(number),
                "price": 1 + number % 199,
                "currency": "EUR",
            }
            lines.write(json.dumps(row) + "\n")
    return IngestRequest(
        str(root / "products.jsonl"), str(root / "videos.jsonl"), str(root / "store")
    )


def made_config() -> Config:
    """No model is asked again, and vectors of few dimensions are coded by two of these each."""
    index = {"sub_vectors": _TEXT_DIM // 2}
    return parse_config({"engine": {"kind": "local"}, "gate": {"recheck": 0}, "index": index})


def grow_catalog(request: IngestRequest) -> tuple[float, float]:
    """Seconds of CPU and bytes of memory of a first run over many rows and few videos."""
    made = Made(6 * _FEW_VIDEOS, _IMAGE_DIM, _TEXT_DIM)
    return _measured(request, lambda config: Beside(config, made))


def grow(request: IngestRequest, count: int) -> tuple[float, float]:
    """The same of a run over a shop of so many videos."""
    made = Made(6 * count, _IMAGE_DIM, _TEXT_DIM)
    return _measured(request, lambda config: MadeAnswers(config, made))


def _measured(request: IngestRequest, engine_for: EngineFactory) -> tuple[float, float]:
    began = time.process_time()
    with own_memory() as peak:
        ingest(request, made_config(), engine_for, NoProgress()).or_raise()
    return time.process_time() - began, float(peak[0])


def main() -> int:
    """Run the benchmark; the exit code."""
    args = parse(parser_of(__doc__), videos=Count(10_000, 100_000), rows=Count(100_000, 1_000_000))
    sizes = [size for size in _SIZES if size <= args.videos]
    found: dict[int, dict[str, float]] = {size: {} for size in sizes}
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:

        def note(size: int, name: str) -> None:
            cpu, memory = pool.submit(grow, request, size).result()
            found[size] |= {f"{name}_cpu_s": cpu, f"{name}_peak_gb": memory / 1e9}

        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="reelshelf-run-growth-") as folder:
                request = write_shop(Path(folder), size, size)
                note(size, "all")
                note(size, "unchanged")
                for number in range(0, size, _CHANGED):
                    (Path(folder) / "videos" / f"made-{number:08d}.mp4").write_bytes(b"..")
                note(size, "changed")
        with tempfile.TemporaryDirectory(prefix="reelshelf-run-growth-") as folder:
            request = write_shop(Path(folder), _FEW_VIDEOS, args.rows)
            cpu, memory = pool.submit(grow_catalog, request).result()
            catalog = {"rows_cpu_s": cpu, "rows_peak_gb": memory / 1e9}
    names = list(found[sizes[0]])
    table = Table("videos", *names)
    for size, own in found.items():
        table.add_row(f"{size:,}", *(f"{own[name]:.4g}" for name in names))
    Console().print(table)
    figures = {f"{name}_{size}": own[name] for size, own in found.items() for name in own}
    Console().print(
        f"{args.rows:,} catalog rows: {catalog['rows_cpu_s']:.0f} s of CPU without tasks, "
        f"{catalog['rows_peak_gb']:.2f} GB"
    )
    figures |= catalog
    bars = [Bar("memory of a catalog of rows, GB", catalog["rows_peak_gb"], 2.0, at_least=False)]
    last = found[sizes[-1]]
    if len(sizes) > 1:
        marginal = [
            (found[b]["all_cpu_s"] - found[a]["all_cpu_s"]) / (b - a) for a, b in pairwise(sizes)
        ]
        figures["marginal_ms_last"] = 1000 * marginal[-1]
        figures["exponent"] = math.log(last["all_cpu_s"] / found[sizes[-2]]["all_cpu_s"]) / (
            math.log(sizes[-1] / sizes[-2])
        )
        if len(marginal) > 1:
            ratio = marginal[-1] / marginal[-2]
            bars.append(Bar("marginal CPU of the step before", ratio, 1.15, at_least=False))
    more = (last["changed_cpu_s"] - last["unchanged_cpu_s"]) / last["all_cpu_s"]
    bars += [
        Bar("memory of a first run, GB", last["all_peak_gb"], 1.5, at_least=False),
        Bar("CPU s of an unchanged night", last["unchanged_cpu_s"], 60.0, at_least=False),
        Bar("memory of an unchanged night, GB", last["unchanged_peak_gb"], 1.0, at_least=False),
        Bar("share of a full run for 1 % changed", more, 0.03, at_least=False),
    ]
    return conclude("run_growth", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
