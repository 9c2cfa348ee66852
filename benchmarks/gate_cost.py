"""What the gate costs: CPU and memory at a million segments of which one in a hundred is new.

A store is made of rows that are whole: keys that are derived, references that lead somewhere,
checksums, made vectors. Its indexes are built as a run builds them, and the gate publishes it.
Then videos are added, and the gate is asked again, in a process of its own that does nothing else.
A smaller store is asked again as it is. Models are not asked: what they cost is what encoding the
sample costs (`gate.recheck`), whatever the store holds.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from benchmarks.vectors import Cloud
from reelshelf.indexer.index.build import Builder, build_indexes
from reelshelf.indexer.index.parts import in_turn
from reelshelf.indexer.linking.calibration import default_calibration
from reelshelf.indexer.pipeline.gating import NOTHING_AT_HAND, gated
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.run import Baseline, Outcomes, Run, row_context
from reelshelf.indexer.quality.measures import Candidate, measure
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.row_checksums import with_checksums
from reelshelf.indexer.store.rows import now
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import Store
from reelshelf.indexer.store.writing import writing
from reelshelf.schemas import tables
from reelshelf.schemas.keys import child_key, product_key, video_key
from reelshelf.schemas.outcomes import Tally
from reelshelf.schemas.release import ModelRef, ModelRefs, Release, VectorIndex
from tests.support.shops import small_config

_IMAGE_DIM, _TEXT_DIM = 512, 384
_MOMENTS = 50
_PRODUCTS = 2000
_VIDEOS_PER_PIECE = 400
_HASH = "0" * 64
_NEW_SHARE = 0.01
_WORDS = np.array(
    [f"{a}{b}{c}" for a in "bdfgklmn" for b in "aeiou" for c in ("ton", "sel", "var")]
)
CONFIG = small_config(gate={"recheck": 0})


def refs() -> ModelRefs:
    """Models by name alone."""
    image = ModelRef(name="image", revision="1", sha256="0", dim=_IMAGE_DIM, space="image")
    text = ModelRef(name="text", revision="1", sha256="0", dim=_TEXT_DIM, space="text")
    silent = ModelRef(name="none", revision="1", sha256="0")
    return ModelRefs(image=image, text=text, asr=silent, ocr=silent)


@dataclass(frozen=True)
class Made:
    """Makes whole rows of a run."""

    run_id: str
    images: Cloud
    texts: Cloud

    def products(self) -> pa.Table:
        """The catalog."""
        keys = [product_key(CONFIG.shop_id, f"SKU-{i}") for i in range(_PRODUCTS)]
        vectors = self.texts.sample_vectors(_PRODUCTS, 10**7)
        return self._table(
            "products",
            tables.products_schema(_TEXT_DIM),
            _PRODUCTS,
            product_key=keys,
            sku=[f"SKU-{i}" for i in range(_PRODUCTS)],
            title=[f"{_WORDS[i % len(_WORDS)]} {i}" for i in range(_PRODUCTS)],
            category=[[f"C{i % 40}"] for i in range(_PRODUCTS)],
            text_vector=vectors,
            facts_vector=vectors,
        )

    def pictures(self) -> pa.Table:
        """One picture of each product."""
        keys = [product_key(CONFIG.shop_id, f"SKU-{i}") for i in range(_PRODUCTS)]
        return self._table(
            "product_images",
            tables.product_images_schema(_IMAGE_DIM),
            _PRODUCTS,
            image_key=[child_key(key, "a.png") for key in keys],
            product_key=keys,
            sku=[f"SKU-{i}" for i in range(_PRODUCTS)],
            uri=["a.png"] * _PRODUCTS,
            image_vector=self.images.sample_vectors(_PRODUCTS, 10**7),
        )

    def videos(self, first: int, number: int) -> tuple[pa.Table, pa.Table]:
        """Videos, and their moments."""
        ids = [f"v{first + i}" for i in range(number)]
        keys = [video_key(CONFIG.shop_id, name) for name in ids]
        hashes = [f"{first + i:064x}" for i in range(number)]
        videos = self._table(
            "videos",
            tables.videos_schema(),
            number,
            video_key=keys,
            video_id=ids,
            content_sha256=hashes,
            duplicate_cluster=hashes,
            segment_count=[_MOMENTS] * number,
            duration_ms=[_MOMENTS * 1000] * number,
        )
        rows = number * _MOMENTS
        starts = [1000 * (i % _MOMENTS) for i in range(rows)]
        rng = np.random.default_rng(first)
        said = [" ".join(words) for words in _WORDS[rng.integers(0, len(_WORDS), (rows, 6))]]
        segments = self._table(
            "segments",
            tables.segments_schema(_IMAGE_DIM, _TEXT_DIM),
            rows,
            segment_key=[str(uuid.UUID(int=(first * _MOMENTS + i) + 1)) for i in range(rows)],
            video_key=[key for key in keys for _ in range(_MOMENTS)],
            video_id=[name for name in ids for _ in range(_MOMENTS)],
            content_sha256=[found for found in hashes for _ in range(_MOMENTS)],
            start_ms=starts,
            end_ms=[start + 1000 for start in starts],
            keyframe_ms=starts,
            frame_count=[1] * rows,
            text=said,
            utterances=[
                [{"text": t, "start_ms": s, "end_ms": s + 900, "log_probability": -0.1}]
                for t, s in zip(said, starts, strict=True)
            ],
            frame_vector=self.images.sample_vectors(rows, first),
            text_vector=self.texts.sample_vectors(rows, first),
        )
        return videos, segments

    def _table(self, name: str, schema: pa.Schema, rows: int, **cells: object) -> pa.Table:
        common = {"shop_id": CONFIG.shop_id, "run_id": self.run_id}
        arrays = [
            _array(field, cells[field.name], rows)
            if field.name in cells
            else _filler(field, rows, common)
            for field in schema
        ]
        return with_checksums(name, pa.Table.from_arrays(arrays, schema=schema))


def _array(field: pa.Field, cells: object, rows: int) -> pa.Array:
    if isinstance(cells, np.ndarray):
        return pa.FixedSizeListArray.from_arrays(pa.array(cells.ravel()), cells.shape[1])
    assert isinstance(cells, list)
    assert len(cells) == rows
    return pa.array(cells, field.type)


def _filler(field: pa.Field, rows: int, common: dict[str, str]) -> pa.Array:
    if field.nullable:
        return pa.nulls(rows, field.type)
    if field.name in common:
        return pa.array([common[field.name]] * rows)
    if field.name == "schema_version":
        return pa.array([tables.SCHEMA_VERSION] * rows, pa.int32())
    kind = field.type
    if pa.types.is_list(kind):
        return pa.array([[]] * rows, kind)
    if pa.types.is_struct(kind):
        return pa.array([{}] * rows, kind)
    if pa.types.is_string(kind):
        return pa.array([_HASH] * rows)
    return pa.array([0] * rows, kind)


def fill(uri: str, segments: int) -> None:
    """Make a store of so many segments, with indexes, and publish it."""
    store = Store.create(uri, CONFIG.shop_id, refs())
    _add(store, segments, first=0)
    _publish(store, ())


def _add(store: Store, segments: int, *, first: int) -> None:
    made = Made(str(uuid.uuid4()), Cloud(_IMAGE_DIM, 1000, 1), Cloud(_TEXT_DIM, 1000, 2))
    if not first:
        store.dataset("products").insert(made.products())
        store.dataset("product_images").insert(made.pictures())
    videos = segments // _MOMENTS
    for start in range(0, videos, _VIDEOS_PER_PIECE):
        own, moments = made.videos(first + start, min(_VIDEOS_PER_PIECE, videos - start))
        store.dataset("segments").insert(moments)
        store.dataset("videos").insert(own)


def _publish(store: Store, last: Sequence[VectorIndex]) -> Release:
    indexes = build_indexes(store, Builder(CONFIG.index, in_turn), last)
    run_id = str(uuid.uuid4())
    with writing(store, run_id, CONFIG) as (guarded, lease):
        run = Run(CONFIG, guarded, lease, row_context(run_id, CONFIG, refs()), NoProgress())
        made = judged(run, indexes)
        releases.publish(guarded, made, lease)
    return made


def judged(run: Run, indexes: list[VectorIndex]) -> Release:
    """What the gate says of the tables as they are."""
    store, baseline = run.store, Baseline.of(run.store)
    pinned = releases.pin_tables(store)
    served = baseline.readable
    before = ReleaseSnapshot.of(store, served) if served is not None else None
    candidate = Candidate(PinnedTables.at(store, pinned), pinned, indexes)
    quality = measure(candidate, before, run.config, Tally(0, 0, 0, 0))
    sequence = releases.next_sequence(store)
    draft = Release(
        release_id=releases.release_id(sequence),
        sequence=sequence,
        created_at=now().isoformat(),
        schema_version=tables.SCHEMA_VERSION,
        generation=store.generation,
        shop_id=run.config.shop_id,
        profile="made",
        run_id=run.context.run_id,
        tables=pinned,
        models=refs(),
        indexes=indexes,
        quality=quality,
        gate=[],
        visual_stats_id=None,
        calibration=default_calibration(),
        linking_fingerprint="",
        config=run.config.model_dump_json(),
    )
    return gated(run, baseline, Outcomes(), draft, NOTHING_AT_HAND)


def grow(uri: str, segments: int) -> None:
    """Add new videos, and bring the indexes up to them; how they are searched is noted."""
    store = Store.open(uri)
    served = releases.require_served(store)
    first = store.count("videos")
    _add(store, segments, first=first)
    indexes = build_indexes(store, Builder(CONFIG.index, in_turn), served.indexes)
    found = [index.model_dump(mode="json") for index in indexes]
    Path(f"{uri}.indexes.json").write_text(json.dumps(found), encoding="utf-8")


def gate(uri: str) -> dict[str, float]:
    """Ask the gate, and nothing else; what it took."""
    store = Store.open(uri)
    noted = Path(f"{uri}.indexes.json")
    if noted.exists():
        stored = json.loads(noted.read_text(encoding="utf-8"))
        indexes = [VectorIndex.model_validate(item) for item in stored]
    else:
        indexes = releases.require_served(store).indexes
    run_id = str(uuid.uuid4())
    with writing(store, run_id, CONFIG) as (guarded, lease):
        run = Run(CONFIG, guarded, lease, row_context(run_id, CONFIG, refs()), NoProgress())
        wall, cpu = time.perf_counter(), time.process_time()
        made = judged(run, indexes)
        figures = {
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        }
    wrong = [check for check in made.gate if not check.passed]
    for check in wrong:
        print(check.told, file=sys.stderr)
    figures["conditions_not_met"] = len(wrong)
    figures["findings"] = len(made.quality.findings)
    figures["indexes_ivf_pq"] = sum(index.kind == "ivf_pq" for index in indexes)
    return figures


_WORK = {"fill": fill, "grow": grow}


def apart(what: str, uri: str, number: int) -> dict[str, float]:
    """One step in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.gate_cost", "--step", what, uri, str(number)]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def step(what: str, uri: str, number: int) -> None:
    """What `apart` has done in its process."""
    if what == "gate":
        print(json.dumps(gate(uri)))
    else:
        _WORK[what](uri, number)
        print(json.dumps({}))


def measure_both(segments: int, unchanged: int) -> dict[str, float]:
    """The gate of a store with something new, and of a smaller one without."""
    figures = {"segments": float(segments), "unchanged_segments": float(unchanged)}
    with tempfile.TemporaryDirectory() as folder:
        for name, rows, new in (("same", unchanged, 0), ("new", segments, segments * _NEW_SHARE)):
            uri = str(Path(folder) / name)
            apart("fill", uri, rows)
            if new:
                apart("grow", uri, int(new))
            figures |= {f"{name}_{key}": found for key, found in apart("gate", uri, 0).items()}
    return figures


def main() -> int:
    """Measure and print."""
    if "--step" in sys.argv:
        at = sys.argv.index("--step")
        step(sys.argv[at + 1], sys.argv[at + 2], int(sys.argv[at + 3]))
        return 0
    args = parse(
        parser_of(__doc__), segments=Count(100_000, 1_000_000), unchanged=Count(20_000, 100_000)
    )
    figures = measure_both(args.segments, args.unchanged)
    asked = [
        Bar("CPU seconds, 1 % new", figures["new_cpu_s"], 120, at_least=False),
        Bar("peak GB, 1 % new", figures["new_peak_gb"], 1.5, at_least=False),
        Bar("seconds, unchanged", figures["same_wall_s"], 10, at_least=False),
        Bar("conditions not met", figures["new_conditions_not_met"], 0, at_least=False),
    ]
    return conclude("gate_cost", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
