"""Kinds of bad builds that the gate must refuse, and kinds of good ones that it must let pass.

One store is made the real way: a shop of a few hundred videos whose frames, words and sounds are
functions of a number in their files, with fakes for models, and IVF-PQ indexes over frames and
texts. Each case copies the published store, damages or changes it, and goes the way of a run:
`ingest`, or `publish`, which brings indexes and links up, measures and asks the gate. Both would
mend what is wrong with an index only, so those cases ask for the gate's word as it stands.

A bad build is refused by the gate or by an error of ours. A crash publishes nothing either, but it
tells nobody what to do, so it does not count.
"""

import argparse
import datetime as dt
import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import lance
import numpy as np
import pyarrow as pa
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.shop import Bar, conclude
from indexer.index import encode
from indexer.index.build import Builder, build_indexes
from indexer.quality.gate import check_release
from indexer.quality.measures import measure as measure_store
from indexer.scope import Demand
from indexer.store import releases
from indexer.store.checksums import version_files
from indexer.store.quantizers import read_quantizer
from indexer.store.rows import vector_array, vector_matrix
from indexer.store.tables import DATA_TABLES, Store, among
from jobs.engine import failed
from jobs.ingest import Ending, IngestResult, ingest
from jobs.local import LocalEngine
from jobs.planning import IngestRequest
from jobs.progress import NoProgress
from jobs.upkeep import prune_store, publish
from models.protocols import ModelSet, Transcript
from schemas.config import Config
from schemas.errors import FailureKind, ReelshelfError
from schemas.keys import video_key
from schemas.media import (
    DecodeCounts,
    DecodedVideo,
    Pixels,
    Samples,
    Shot,
    TimedFrame,
    Vectors,
    VideoInfo,
)
from schemas.outcomes import Failed, Tally, VideoJob
from schemas.quantizer import Quantizer
from schemas.release import GateCheck, Release, VectorIndex
from schemas.segments import Utterance
from tests.fakes import IMAGE_DIM, FakeImages, FakeReader, FakeSpeech, FakeTexts, unit
from tests.shops import small_config, write_lines

_INDEX: dict[str, object] = {"flat_below": 1000, "partitions": 24}
VIDEOS, PRODUCTS, MOMENTS, KINDS = 240, 80, 12, 30
_SIDE, _CELLS = 64, 8
_WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("ton", "sel", "var")]
_LEAST_CASES = 20
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def config_of(**sections: dict[str, object]) -> Config:
    """The settings of all cases, with what one of them changes."""
    index = _INDEX | sections.pop("index", {})
    return small_config(index=index, **sections)


CONFIG = config_of()


def noise(*seed: int) -> Vectors:
    """A picture's worth of noise that is a function of the numbers."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (_CELLS, _CELLS, 3)).astype(np.float32)


def picture(kind: int, number: int, moment: int) -> Pixels:
    """A frame: what its kind of video looks like, then the video, then the moment."""
    mixed = 45 * noise(1, kind) + 40 * noise(2, number) + 60 * noise(3, number, moment)
    grid: Pixels = np.clip(128 + mixed, 0, 255).astype(np.uint8)
    return np.kron(grid, np.ones((_SIDE // _CELLS, _SIDE // _CELLS, 1), np.uint8))


class GridImages(FakeImages):
    """A fixed projection of a coarse grid of colours, all leaning one way as real encoders do."""

    _projection = np.random.default_rng(0).normal(0, 1, (_CELLS * _CELLS * 3, IMAGE_DIM))

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images."""
        step = _SIDE // _CELLS
        grids = [image[step // 2 :: step, step // 2 :: step].astype(np.float32) for image in images]
        flat = np.stack([(grid.ravel() - 128) / 60 for grid in grids])
        lean = np.full(IMAGE_DIM, 6.0, np.float32)
        return unit(np.asarray(flat @ self._projection + lean, np.float32))


class NumberedSpeech(FakeSpeech):
    """Hears a number, and says one sentence for each second that is a function of it."""

    def transcribe(self, audio: Samples) -> Transcript:
        """Recognise."""
        rng = np.random.default_rng(int(audio[0]))
        said = [" ".join(rng.choice(_WORDS, 6)) for _ in range(MOMENTS)]
        said[3] = f"look at the {title_of(int(audio[0]) % PRODUCTS)}"
        return Transcript(
            tuple(Utterance(text, i * 1000, i * 1000 + 900, -0.1) for i, text in enumerate(said)),
            "en",
        )


def title_of(number: int) -> str:
    """A product's two words."""
    first, second = _WORDS[number % len(_WORDS)], _WORDS[(number * 7 + number // 18) % len(_WORDS)]
    return f"{first.title()} {second.title()} {number}"


def load(config: Config) -> ModelSet:
    """The models of all cases."""
    del config
    return ModelSet(GridImages(), FakeTexts(), NumberedSpeech(), FakeReader(), None)


def decode(job: VideoJob, config: Config) -> DecodedVideo | Failed:
    """Make up a video from the number in its file; every fifth is silent."""
    del config
    content = Path(job.source.path).read_bytes()
    if content.startswith(b"broken"):
        return failed(job, "decode", FailureKind.NO_FRAMES, "is broken")
    number = int(content)
    end = MOMENTS * 1000
    frames = tuple(TimedFrame(i * 1000, picture(number % KINDS, number, i)) for i in range(MOMENTS))
    audio = None if number % 5 == 4 else np.full(160, number, np.int16)
    return DecodedVideo(
        hashlib.sha256(content).hexdigest(),
        VideoInfo(_SIDE, _SIDE, 0, "made", "up", end, audio is not None),
        frames,
        tuple(Shot(i * 1000, i * 1000 + 1000) for i in range(MOMENTS)),
        audio,
        end,
        DecodeCounts(MOMENTS, MOMENTS, 0, 0),
    )


class Outcome(StrEnum):
    """How a build ended."""

    PASSED = "passed"
    UNCHANGED = "nothing new"
    REFUSED = "refused"
    CRASHED = "crashed"


@dataclass(frozen=True)
class Verdict:
    """An outcome, and what refused it."""

    outcome: Outcome
    by: str = ""


@dataclass(frozen=True)
class Shop:
    """The shop of all cases: lists are written anew for each, videos lie there."""

    root: Path

    def write_video(self, name: str, content: str) -> None:
        """Put a video there."""
        (self.root / "videos" / f"{name}.mp4").write_text(content)

    def make(self) -> None:
        """Make all videos and pictures, and the lists of the base."""
        (self.root / "images").mkdir(parents=True)
        (self.root / "videos").mkdir()
        for number in range(PRODUCTS):
            kind = picture(number % KINDS, 10_000 + number, 0)
            Image.fromarray(kind).save(self.root / "images" / f"{number}.png")
        for number in range(VIDEOS + VIDEOS // 10):
            self.write_video(f"v{number}", str(number))
        for number in range(VIDEOS // 2):
            self.write_video(f"broken{number}", f"broken {number}")

    def products(self) -> list[dict[str, object]]:
        """The rows of the base's catalogue."""
        return [
            {
                "sku": f"SKU-{i}",
                "title": title_of(i),
                "images": [f"images/{i}.png"],
                "category": ["Home"],
                "price": 5 + i,
                "currency": "EUR",
            }
            for i in range(PRODUCTS)
        ]

    def videos(self, names: Sequence[str] | None = None) -> list[dict[str, object]]:
        """The rows of a manifest: those of the base, or of the names given."""
        chosen = [f"v{i}" for i in range(VIDEOS)] if names is None else names
        return [{"video_id": name, "file": f"videos/{name}.mp4"} for name in chosen]


@dataclass(frozen=True)
class Copy:
    """A copy of the published store, to do something to."""

    shop: Shop
    uri: str

    @property
    def store(self) -> Store:
        """It, as it is now."""
        return Store.open(self.uri)

    @property
    def release(self) -> Release:
        """What it serves."""
        return releases.newest_release(self.store)

    @property
    def frame(self) -> VectorIndex:
        """The index over frames."""
        return self.release.index_of("segments", "frame_vector")

    @property
    def quantizer(self) -> Quantizer:
        """What that index is built with."""
        found = read_quantizer(self.store, self.frame.quantizer_sha256)
        assert found is not None
        return found

    @property
    def fragments(self) -> list[int]:
        """The pieces of the segments table."""
        return [piece.fragment_id for piece in self.store.dataset("segments").get_fragments()]

    def published(self, config: Config = CONFIG) -> Verdict:
        """What `publish` says of it."""
        return ended(publish(self.uri, config, NoProgress()))

    def ingested(
        self,
        products: list[dict[str, object]] | None = None,
        videos: list[dict[str, object]] | None = None,
        config: Config = CONFIG,
        demand: Demand | None = None,
    ) -> Verdict:
        """What a run on these lists says of it."""
        lists = {
            "catalog": products or self.shop.products(),
            "videos": videos or self.shop.videos(),
        }
        for name, rows in lists.items():
            write_lines(self.shop.root / f"{name}.jsonl", rows)
        return ended(run(self.shop, self.uri, config, demand))

    def judged(self, indexes: Sequence[VectorIndex] | None = None) -> Verdict:
        """What the gate says of the tables as they stand, and of these indexes over them."""
        release = self.release
        checks = judge(self.store, indexes or release.indexes, release, CONFIG)
        wrong = [check for check in checks if not check.passed]
        return Verdict(Outcome.REFUSED, names(wrong)) if wrong else Verdict(Outcome.PASSED)

    def with_frame(self, **changes: object) -> list[VectorIndex]:
        """The release's indexes, the one over frames with something else in its record."""
        changed = self.frame.model_copy(update=changes)
        others = [i for i in self.release.indexes if i.column != "frame_vector"]
        return [changed, *others]

    def rewrite(self, table: str, key: str, column: str, vectors: Vectors) -> None:
        """Give the rows of a table that have a vector these, in their order."""
        store = self.store
        rows = store.scan(table, None, f"{column} IS NOT NULL")
        array = vector_array(list(vectors), vectors.shape[1])
        place = rows.schema.get_field_index(column)
        rows = rows.set_column(place, rows.schema.field(column), array)
        store.merge(table, key).when_matched_update_all().execute(rows)

    def vectors(self, table: str = "segments", column: str = "frame_vector") -> Vectors:
        """The vectors of a column that are there."""
        rows = self.store.scan(table, [column], f"{column} IS NOT NULL")
        return vector_matrix(rows[column]).copy()

    def touch(self) -> None:
        """Change what makes news and hurts nobody, so that there is a release to make."""
        key = video_key(CONFIG.shop_id, "v0")
        self.store.table("videos").update(where=among("video_key", [key]), values={"title": "New"})

    def file(self, kind: str, table: str = "segments") -> Path:
        """The largest file of a kind that the released version of a table is made of."""
        paths = version_files(self.store, table, self.release.table_version(table))
        found = [Path(self.uri) / path for path in paths if f"/{kind}/" in path]
        return max(found, key=lambda path: path.stat().st_size)


def spread(function: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """Call a function on items, one after the other."""
    return [function(item) for item in items]


def judge(
    store: Store, indexes: Sequence[VectorIndex], previous: Release, config: Config
) -> list[GateCheck]:
    """The gate's checks of a store as it stands."""
    tables = releases.pin_tables(store)
    tally = Tally(VIDEOS, VIDEOS, 0, 0)
    quality = measure_store(store, tables, indexes, previous, config, tally)
    return check_release(quality, previous.quality, config.gate)


def names(checks: Sequence[GateCheck]) -> str:
    """What refused, in a few words."""
    return "; ".join(f"{check.name}: {check.found}" for check in checks)


def run(shop: Shop, uri: str, config: Config, demand: Demand | None = None) -> IngestResult:
    """One run on the shop's lists as they are."""
    request = IngestRequest(str(shop.root / "catalog.jsonl"), str(shop.root / "videos.jsonl"), uri)
    return ingest(request, config, lambda c: LocalEngine(c, load, decode), NoProgress(), demand)


def ended(result: IngestResult) -> Verdict:
    """A run's ending as a verdict."""
    if result.ending is Ending.PUBLISHED:
        return Verdict(Outcome.PASSED)
    if result.ending is Ending.NOTHING_NEW:
        return Verdict(Outcome.UNCHANGED)
    message = (result.message or "").removeprefix("not published, the last release stays. ")
    return Verdict(Outcome.REFUSED, message)


Case = Callable[[Copy], Verdict]
BAD: dict[str, Case] = {}
GOOD: dict[str, Case] = {}


def case(cases: dict[str, Case], name: str) -> Callable[[Case], Case]:
    """Note a case under its name."""

    def noted(attempt: Case) -> Case:
        cases[name] = attempt
        return attempt

    return noted


def flip(path: Path, share: float = 0.5) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    path.write_bytes(bytes(content))


def build_with(copy: Copy, quantizer: Quantizer, metric: str = "cosine", **more: object) -> None:
    """Build the index over frames anew, under the name of the one that is served."""
    copy.store.dataset("segments").create_index(
        "frame_vector",
        "IVF_PQ",
        name=copy.frame.name,
        replace=True,
        metric=metric,
        num_partitions=len(quantizer.centroids),
        num_sub_vectors=len(quantizer.codebook),
        ivf_centroids=quantizer.centroids,
        pq_codebook=quantizer.codebook,
        **more,
    )


def build_from_buffers(copy: Copy, edit: Callable[[pa.Table], pa.Table]) -> None:
    """Build it from partitions and codes that were tampered with."""
    dataset, quantizer = copy.store.dataset("segments"), copy.quantizer
    batches = list(encode.buffer_batches(dataset, quantizer, copy.fragments))
    with tempfile.TemporaryDirectory() as folder:
        buffers = lance.write_dataset(edit(pa.Table.from_batches(batches)), folder)
        files = [file.path for part in buffers.get_fragments() for file in part.data_files()]
        build_with(
            copy,
            quantizer,
            precomputed_shuffle_buffers=files,
            precomputed_shuffle_buffers_path=str(Path(folder) / "data"),
        )


@case(BAD, "index by another metric")
def _metric(copy: Copy) -> Verdict:
    build_with(copy, copy.quantizer, metric="L2")
    return copy.judged()


@case(BAD, "a partition dropped")
def _partition(copy: Copy) -> Verdict:
    def without(rows: pa.Table) -> pa.Table:
        places = rows["__ivf_part_id"].to_numpy()
        return rows.filter(pa.array(places != np.bincount(places).argmax()))

    build_from_buffers(copy, without)
    return copy.judged()


@case(BAD, "codes at random")
def _codes(copy: Copy) -> Verdict:
    def mixed(rows: pa.Table) -> pa.Table:
        shape = (rows.num_rows, len(copy.quantizer.codebook))
        codes = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        array = pa.FixedSizeListArray.from_arrays(pa.array(codes.ravel()), shape[1])
        return rows.set_column(2, rows.schema.field(2), array)

    build_from_buffers(copy, mixed)
    return copy.judged()


@case(BAD, "codebook trained without residuals")
def _residuals(copy: Copy) -> Verdict:
    import faiss

    held = copy.quantizer
    coder = faiss.ProductQuantizer(IMAGE_DIM, len(held.codebook), 8)
    coder.train(copy.vectors())
    raw = faiss.vector_to_array(coder.centroids).reshape(held.codebook.shape).astype(np.float32)
    build_with(copy, replace(held, codebook=raw))
    return copy.judged()


@case(BAD, "quantizer swapped for that of other vectors")
def _other_quantizer(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    held = copy.quantizer
    centroids = unit(rng.normal(0, 1, held.centroids.shape).astype(np.float32))
    codebook = rng.permuted(held.codebook, axis=0)
    build_with(copy, replace(held, centroids=centroids, codebook=codebook))
    return copy.judged()


@case(BAD, "quantizer forgotten")
def _forgotten(copy: Copy) -> Verdict:
    copy.store.table("quantizers").delete(f"sha256 = '{copy.frame.quantizer_sha256}'")
    return copy.judged()


@case(BAD, "quantizer with other bytes")
def _quantizer_bytes(copy: Copy) -> Verdict:
    row = copy.store.scan("quantizers", None, f"sha256 = '{copy.frame.quantizer_sha256}'")
    content = bytearray(row["codebook"][0].as_py())
    content[len(content) // 2] ^= 0x10
    place = row.schema.get_field_index("codebook")
    changed = row.set_column(
        place, row.schema.field(place), pa.array([bytes(content)], pa.large_binary())
    )
    copy.store.merge("quantizers", "sha256").when_matched_update_all().execute(changed)
    return copy.judged()


@case(BAD, "index dropped")
def _dropped(copy: Copy) -> Verdict:
    copy.store.table("segments").drop_index(copy.frame.name)
    return copy.judged()


@case(BAD, "rows appended and not indexed")
def _stale(copy: Copy) -> Verdict:
    store = copy.store
    held = video_key(CONFIG.shop_id, "v0")
    new = video_key(CONFIG.shop_id, "another")
    for name, key in (("segments", "segment_key"), ("videos", "video_key")):
        rows = store.scan(name, None, among("video_key", [held]))
        keys = [new] if name == "videos" else [video_key(new, str(i)) for i in range(len(rows))]
        owners = pa.array([new] * len(rows))
        rows = rows.set_column(rows.schema.get_field_index("video_key"), "video_key", owners)
        rows = rows.set_column(rows.schema.get_field_index(key), key, pa.array(keys))
        store.table(name).to_lance().insert(rows.cast(store.dataset(name).schema))
    return copy.judged()


@case(BAD, "too few probes")
def _probes(copy: Copy) -> Verdict:
    return copy.judged(copy.with_frame(nprobes=1, refine_factor=1))


@case(BAD, "record with other partitions")
def _recorded(copy: Copy) -> Verdict:
    return copy.judged(copy.with_frame(partitions=12))


@case(BAD, "frame vectors of another model")
def _rotated(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(0, 1, (IMAGE_DIM, IMAGE_DIM)))[0].astype(np.float32)
    copy.rewrite("segments", "segment_key", "frame_vector", unit(copy.vectors() @ rotation))
    return copy.published()


@case(BAD, "text vectors of another model")
def _rotated_texts(copy: Copy) -> Verdict:
    rng = np.random.default_rng(0)
    vectors = copy.vectors("segments", "text_vector")
    size = vectors.shape[1]
    rotation = np.linalg.qr(rng.normal(0, 1, (size, size)))[0].astype(np.float32)
    copy.rewrite("segments", "segment_key", "text_vector", unit(vectors @ rotation))
    return copy.published()


@case(BAD, "half of the vectors at random")
def _random(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    rng = np.random.default_rng(0)
    vectors[::2] = unit(rng.normal(0, 1, vectors[::2].shape).astype(np.float32))
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "vectors shuffled between rows")
def _shuffled(copy: Copy) -> Verdict:
    vectors = np.random.default_rng(0).permutation(copy.vectors())
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "one vector for every picture")
def _one_picture(copy: Copy) -> Verdict:
    vectors = copy.vectors("product_images", "image_vector")
    vectors[:] = unit(vectors.mean(axis=0))
    copy.rewrite("product_images", "image_key", "image_vector", vectors)
    return copy.published()


@case(BAD, "NaN in vectors")
def _nan(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[:20] = np.nan
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "one vector with one NaN")
def _one_nan(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[100, 3] = np.nan
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "zero vectors")
def _zero(copy: Copy) -> Verdict:
    vectors = copy.vectors()
    vectors[:20] = 0
    copy.rewrite("segments", "segment_key", "frame_vector", vectors)
    return copy.published()


@case(BAD, "vectors not of unit length")
def _length(copy: Copy) -> Verdict:
    copy.rewrite("segments", "segment_key", "frame_vector", copy.vectors() * np.float32(1.7))
    return copy.published()


@case(BAD, "rows twice")
def _twice(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None).slice(0, 100)
    copy.store.table("segments").to_lance().insert(rows)
    return copy.published()


@case(BAD, "truncated data file")
def _truncated(copy: Copy) -> Verdict:
    copy.touch()
    path = copy.file("data")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return copy.published()


@case(BAD, "flipped bit in a data file of segments")
def _flipped(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("data"), 0.6)
    return copy.published()


@case(BAD, "flipped bit in a data file of products")
def _flipped_products(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("data", "products"))
    return copy.published()


@case(BAD, "flipped bit in an index file")
def _flipped_index(copy: Copy) -> Verdict:
    copy.touch()
    flip(copy.file("_indices"))
    return copy.published()


@case(BAD, "missing data file")
def _missing(copy: Copy) -> Verdict:
    copy.touch()
    copy.file("data").unlink()
    return copy.published()


@case(BAD, "missing index file")
def _missing_index(copy: Copy) -> Verdict:
    copy.touch()
    copy.file("_indices").unlink()
    return copy.published()


@case(BAD, "more than half of the videos gone from the tables")
def _half(copy: Copy) -> Verdict:
    keys = [video_key(CONFIG.shop_id, f"v{i}") for i in range(VIDEOS * 11 // 20)]
    copy.store.delete_videos(keys)
    return copy.published()


@case(BAD, "more than half of the videos gone from the source")
def _half_source(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS * 11 // 20 :])


@case(BAD, "more than half of the products gone from the tables")
def _half_products(copy: Copy) -> Verdict:
    keys = copy.store.scan("products", ["product_key"])["product_key"].to_pylist()
    copy.store.table("products").delete(among("product_key", keys[: PRODUCTS * 11 // 20]))
    return copy.published()


@case(BAD, "all links gone")
def _unlinked(copy: Copy) -> Verdict:
    copy.store.table("links").delete("true")
    return copy.published()


@case(BAD, "links with scores above 1")
def _scores(copy: Copy) -> Verdict:
    copy.store.table("links").update(where="score > 0.9", values={"score": 1.5})
    return copy.published()


@case(BAD, "segments of nobody")
def _orphans(copy: Copy) -> Verdict:
    copy.store.table("videos").delete(among("video_key", [video_key(CONFIG.shop_id, "v3")]))
    return copy.published()


@case(BAD, "a video that misses segments")
def _incomplete(copy: Copy) -> Verdict:
    owner = among("video_key", [video_key(CONFIG.shop_id, "v3")])
    copy.store.table("segments").delete(f"{owner} AND start_ms = 5000")
    return copy.published()


@case(BAD, "all text gone")
def _mute(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None)
    for column, value in (("text", ""), ("text_vector", None)):
        place = rows.schema.get_field_index(column)
        kind = rows.schema.field(column)
        rows = rows.set_column(place, kind, pa.array([value] * len(rows), kind.type))
    copy.store.merge("segments", "segment_key").when_matched_update_all().execute(rows)
    return copy.published()


@case(BAD, "product pictures gone")
def _bare(copy: Copy) -> Verdict:
    copy.store.table("product_images").delete("true")
    return copy.published()


@case(BAD, "too many failures")
def _failures(copy: Copy) -> Verdict:
    broken = [f"broken{i}" for i in range(VIDEOS // 2)]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(broken))


@case(BAD, "a record that names another space")
def _space(copy: Copy) -> Verdict:
    copy.touch()
    models = copy.release.models
    other = models.model_copy(
        update={"image": models.image.model_copy(update={"name": "other", "space": "other"})}
    )
    rows = copy.store.scan("runs", None)
    place = rows.schema.get_field_index("models")
    changed = pa.array([other.model_dump_json()] * len(rows))
    rows = rows.set_column(place, rows.schema.field(place), changed)
    copy.store.table("runs").add(rows, mode="overwrite")
    return copy.published()


@case(GOOD, "unchanged")
def _unchanged(copy: Copy) -> Verdict:
    return copy.ingested()


@case(GOOD, "indexes trained anew")
def _anew(copy: Copy) -> Verdict:
    return copy.ingested(demand=Demand(stages=("index",)))


@case(GOOD, "another seed")
def _seed(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"seed": 7}))


@case(GOOD, "other partitions")
def _partitions(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"partitions": 16}))


@case(GOOD, "partitions by the rule")
def _rule(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"partitions": 0}))


@case(GOOD, "other sub-vectors")
def _sub_vectors(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"sub_vectors": 8}))


@case(GOOD, "built from buffers")
def _buffers(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"build": "buffers", "seed": 3}))


@case(GOOD, "built in four pieces")
def _pieces(copy: Copy) -> Verdict:
    rows = copy.store.scan("segments", None)
    copy.store.table("segments").to_lance().delete("true")
    for start in range(0, len(rows), -(-len(rows) // 4)):
        piece = rows.slice(start, -(-len(rows) // 4))
        copy.store.table("segments").to_lance().insert(piece)
    builder = Builder(CONFIG.index, spread, workers=4, anew=True)
    return copy.judged(build_indexes(copy.store, builder, copy.release.indexes))


@case(GOOD, "encoded again with the same quantizer")
def _again(copy: Copy) -> Verdict:
    segments = encode.encode_fragments(
        copy.store, copy.quantizer, copy.fragments, CONFIG.index, spread, 1
    )
    encode.commit(copy.store, copy.quantizer, segments)
    return copy.published()


@case(GOOD, "a tenth more videos")
def _grown(copy: Copy) -> Verdict:
    more = [f"v{i}" for i in range(VIDEOS + VIDEOS // 10)]
    return copy.ingested(videos=copy.shop.videos(more))


@case(GOOD, "five nights of a few videos more")
def _nights(copy: Copy) -> Verdict:
    found = Verdict(Outcome.UNCHANGED)
    for night in range(1, 6):
        more = [f"v{i}" for i in range(VIDEOS + 4 * night)]
        found = copy.ingested(videos=copy.shop.videos(more))
    return found


@case(GOOD, "a tenth of the videos gone")
def _fewer(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS // 10 :])


@case(GOOD, "a third of the videos gone")
def _many_fewer(copy: Copy) -> Verdict:
    return copy.ingested(videos=copy.shop.videos()[VIDEOS // 3 :])


@case(GOOD, "tuned for more recall")
def _wider(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"recall_target": 0.99}))


@case(GOOD, "probes by hand")
def _by_hand(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"nprobes": 24, "refine_factor": 40}))


@case(GOOD, "flat")
def _flat(copy: Copy) -> Verdict:
    return copy.published(config_of(index={"kind": "flat"}))


@case(GOOD, "compacted tables")
def _compacted(copy: Copy) -> Verdict:
    for name in DATA_TABLES:
        copy.store.table(name).to_lance().optimize.compact_files()
    return copy.published()


@case(GOOD, "some videos deleted by hand")
def _deleted(copy: Copy) -> Verdict:
    copy.store.delete_videos([video_key(CONFIG.shop_id, f"v{i}") for i in range(10)])
    return copy.published()


@case(GOOD, "a few failures")
def _few_failures(copy: Copy) -> Verdict:
    broken = [f"broken{i}" for i in range(VIDEOS // 20)]
    return copy.ingested(videos=copy.shop.videos() + copy.shop.videos(broken))


@case(GOOD, "a few links less")
def _fewer_links(copy: Copy) -> Verdict:
    keys = copy.store.scan("links", ["link_key"])["link_key"].to_pylist()
    copy.store.table("links").delete(among("link_key", keys[::20]))
    return copy.published()


@case(GOOD, "other prices")
def _prices(copy: Copy) -> Verdict:
    return copy.ingested([row | {"price": 3} for row in copy.shop.products()])


@case(GOOD, "some new titles")
def _titles(copy: Copy) -> Verdict:
    rows = copy.shop.products()
    new = [row | {"title": f"New {row['title']}"} for row in rows[:10]]
    return copy.ingested(new + rows[10:])


@case(GOOD, "some products delisted, one new")
def _delisted(copy: Copy) -> Verdict:
    rows = copy.shop.products()
    new = rows[0] | {"sku": "SKU-new", "title": "Something New"}
    return copy.ingested([*rows[5:], new])


@case(GOOD, "merchants of all videos changed")
def _merchants(copy: Copy) -> Verdict:
    rows = [row | {"merchant_id": "new"} for row in copy.shop.videos()]
    return copy.ingested(videos=rows)


@case(GOOD, "some videos cut anew")
def _cut(copy: Copy) -> Verdict:
    rows = [
        row | {"file": f"videos/v{VIDEOS + i}.mp4"} if i < 10 else row
        for i, row in enumerate(copy.shop.videos())
    ]
    return copy.ingested(videos=rows)


@case(GOOD, "another bar for links")
def _link_bar(copy: Copy) -> Verdict:
    return copy.published(config_of(linking={"link_above": 0.55}))


@case(GOOD, "other search settings")
def _search(copy: Copy) -> Verdict:
    return copy.published(config_of(search={"words": 0.4}))


@case(GOOD, "pruned")
def _pruned(copy: Copy) -> Verdict:
    copy.touch()
    copy.published()
    prune_store(copy.uri, CONFIG, keep=1, grace=dt.timedelta(0))
    return copy.ingested(videos=copy.shop.videos()[3:])


@case(GOOD, "published after a rollback")
def _after_rollback(copy: Copy) -> Verdict:
    copy.touch()
    copy.published()
    releases.rollback(copy.store)
    return copy.published()


@dataclass(frozen=True)
class Tried:
    """One case and what came of it."""

    name: str
    bad: bool
    verdict: Verdict
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it ended as it had to."""
        wanted = {Outcome.REFUSED} if self.bad else {Outcome.PASSED, Outcome.UNCHANGED}
        return self.verdict.outcome in wanted


def attempt(name: str, shop: Shop, base: Path, scratch: Path) -> Tried:
    """Try one case on a copy of its own."""
    target = scratch / "case"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(base, target)
    bad = name in BAD
    began = time.monotonic()
    try:
        verdict = (BAD if bad else GOOD)[name](Copy(shop, str(target)))
    except ReelshelfError as error:
        verdict = Verdict(Outcome.REFUSED, f"{type(error).__name__}: {error}")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (native code panics with no Exception)
        verdict = Verdict(Outcome.CRASHED, f"{type(error).__name__}: {error}")
    return Tried(name, bad, verdict, time.monotonic() - began)


class Apart:
    """Tries cases in a process of its own, and in another one where a case has killed that."""

    def __init__(self) -> None:
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def attempt(self, name: str, shop: Shop, base: Path, scratch: Path) -> Tried:
        """Try one case."""
        try:
            return self._pool.submit(attempt, name, shop, base, scratch).result()
        except BrokenProcessPool as error:
            self._pool = self._new()
            verdict = Verdict(Outcome.CRASHED, f"its process is gone: {error}")
            return Tried(name, name in BAD, verdict, 0.0)

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()


def show(tried: Sequence[Tried]) -> None:
    """A table of all cases."""
    table = Table("case", "expected", "found", "by", "s", "")
    for item in tried:
        by = " ".join(item.verdict.by.split())
        table.add_row(
            item.name,
            "refused" if item.bad else "passed",
            item.verdict.outcome.value,
            by[:160] + ("..." if len(by) > 160 else ""),
            f"{item.seconds:.1f}",
            "" if item.right else "WRONG",
        )
    Console(width=150).print(table)


def measure(only: Sequence[str]) -> dict[str, float]:
    """Make the store, try every case, print them."""
    chosen = [name for name in (*BAD, *GOOD) if not only or any(part in name for part in only)]
    with tempfile.TemporaryDirectory() as folder, Apart() as apart:
        shop, base = Shop(Path(folder) / "shop"), Path(folder) / "base"
        shop.make()
        write_lines(shop.root / "catalog.jsonl", shop.products())
        write_lines(shop.root / "videos.jsonl", shop.videos())
        release = run(shop, str(base), CONFIG).or_raise().newest
        tried = []
        for name in chosen:
            tried.append(apart.attempt(name, shop, base, Path(folder)))
            print(f"{name}: {tried[-1].verdict}", file=sys.stderr, flush=True)
    show(tried)
    bad, good = ([item for item in tried if item.bad is kind] for kind in (True, False))
    return {
        "segments": release.quality.segments,
        "videos": release.quality.videos,
        "videos_linked": release.quality.videos_linked,
        "indexes_ivf_pq": sum(index.kind == "ivf_pq" for index in release.indexes),
        "bad": len(bad),
        "bad_refused": sum(item.right for item in bad),
        "good": len(good),
        "good_passed": sum(item.right for item in good),
        "crashed": sum(item.verdict.outcome is Outcome.CRASHED for item in tried),
        "bad_published": sum(item.bad and item.verdict.outcome is Outcome.PASSED for item in tried),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="DIR")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS")
    args = parser.parse_args()
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    figures = measure(args.only)
    asked = [
        Bar("kinds of bad builds", figures["bad"], _LEAST_CASES, at_least=True),
        Bar("bad builds refused", figures["bad_refused"], figures["bad"], at_least=True),
        Bar("kinds of good builds", figures["good"], _LEAST_CASES, at_least=True),
        Bar("good builds passed", figures["good_passed"], figures["good"], at_least=True),
        Bar("crashes", figures["crashed"], 0, at_least=False),
    ]
    return conclude("bad_builds", figures, asked, args.out)


if __name__ == "__main__":
    sys.exit(main())
