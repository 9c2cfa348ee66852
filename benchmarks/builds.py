"""A shop for builds to go wrong in, copies of its store, and what a run or the gate makes of one.

Frames, words and sounds are functions of a number in the files of a few hundred videos, with fakes
for models; frames and texts have IVF-PQ indexes.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import lance
import numpy as np
import pyarrow as pa
from PIL import Image

from reelshelf.indexer.extract.work import failed
from reelshelf.indexer.index import encode
from reelshelf.indexer.pipeline.engine import ModelLoader
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.pipeline.upkeep import publish
from reelshelf.indexer.quality.gate import check_release
from reelshelf.indexer.quality.measures import Candidate
from reelshelf.indexer.quality.measures import measure as measure_store
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.quantizers import read_quantizer
from reelshelf.indexer.store.rows import vector_array, vector_matrix
from reelshelf.indexer.store.snapshot import PinnedTables, ReleaseSnapshot
from reelshelf.indexer.store.tables import Store, among
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.protocols import (
    ImageEncoder,
    ModelSet,
    Sound,
    TextDetector,
    TextEncoder,
    Transcript,
)
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.gate import GateCheck
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import (
    DecodeCounts,
    DecodedVideo,
    Pixels,
    Samples,
    Shot,
    TimedFrame,
    Vectors,
    VideoInfo,
)
from reelshelf.schemas.outcomes import Failed, Tally, VideoJob
from reelshelf.schemas.quantizer import Quantizer
from reelshelf.schemas.release import ModelRef, Release, VectorIndex
from reelshelf.schemas.run import Ending
from reelshelf.schemas.segments import Utterance
from tests.support.fakes import IMAGE_DIM, FakeImages, FakeReader, FakeSpeech, FakeTexts, unit
from tests.support.shops import small_config, write_lines

_INDEX: dict[str, object] = {"flat_below": 1000, "partitions": 24, "tune_queries": 100}
VIDEOS, PRODUCTS, MOMENTS, KINDS = 240, 80, 12, 30
_SIDE, _CELLS = 64, 8
_WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("ton", "sel", "var")]
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def config_of(**sections: dict[str, object]) -> Config:
    """The settings of all cases, with what one of them changes."""
    index = _INDEX | sections.pop("index", {})
    gate = {"recheck": 300, "recheck_share": 1.0, "recall_queries": 100} | sections.pop("gate", {})
    return small_config(index=index, gate=gate, **sections)


CONFIG = config_of()
# Where it does not matter how vectors are searched.
FLAT = config_of(index={"kind": "flat"})


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
    """A fixed projection of a coarse grid of colors, all leaning one way as real encoders do."""

    _projection = np.random.default_rng(0).normal(0, 1, (_CELLS * _CELLS * 3, IMAGE_DIM))

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images."""
        centers = (np.arange(_CELLS) + 0.5) / _CELLS
        grids = []
        for image in images:
            rows, columns = ((centers * side).astype(int) for side in image.shape[:2])
            grids.append(image[np.ix_(rows, columns)].astype(np.float32))
        flat = np.stack([(grid.ravel() - 128) / 60 for grid in grids])
        lean = np.full(IMAGE_DIM, 6.0, np.float32)
        return unit(np.asarray(flat @ self._projection + lean, np.float32))


class NumberedSpeech(FakeSpeech):
    """Hears a number, and says one sentence for each second that is a function of it."""

    def transcribe(self, sounds: Sequence[Sound]) -> list[Transcript]:
        """Recognize."""
        return [self._hear(sound.samples) for sound in sounds]

    def _hear(self, audio: Samples) -> Transcript:
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


class OtherImages(GridImages):
    """Another space of images, as good as the base's."""

    device: Device = "cpu"
    ref = ModelRef(name="other-grid", revision="1", sha256="1", dim=IMAGE_DIM, space="other-grid")

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images."""
        return np.ascontiguousarray(super().encode_images(images)[:, ::-1])


class OtherTexts(FakeTexts):
    """Another space of texts, as good as the base's."""

    device: Device = "cpu"
    ref = ModelRef(name="other-texts", revision="1", sha256="1", dim=32, space="other-texts")

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts."""
        return np.ascontiguousarray(super().encode_texts(texts)[:, ::-1])


def load_others(config: Config) -> ModelSet:
    """Models of a new generation."""
    del config
    return ModelSet(OtherImages(), OtherTexts(), NumberedSpeech(), FakeReader(), None)


def models_of(images: ImageEncoder | None = None, texts: TextEncoder | None = None) -> ModelLoader:
    """A loader of the base's models but for these."""

    def load_some(config: Config) -> ModelSet:
        del config
        return ModelSet(
            images or GridImages(), texts or FakeTexts(), NumberedSpeech(), FakeReader(), None
        )

    return load_some


def decode(
    job: VideoJob, config: Config, _detector: TextDetector | None = None
) -> DecodedVideo | Failed:
    """Make up a video from the number in its file; every fifth is silent."""
    del config
    content = Path(job.source.path).read_bytes()
    if content.startswith(b"broken"):
        return failed(job, "decode", FailureKind.NO_FRAMES, "is broken")
    return made_video(content, int(content), MOMENTS)


def made_video(content: bytes, number: int, moments: int) -> DecodedVideo:
    """A video of so many moments, as a function of a number, with the hash of its file's bytes."""
    end = moments * 1000
    frames = tuple(TimedFrame(i * 1000, picture(number % KINDS, number, i)) for i in range(moments))
    audio = None if number % 5 == 4 else np.full(160, number, np.int16)
    return DecodedVideo(
        hashlib.sha256(content).hexdigest(),
        VideoInfo(_SIDE, _SIDE, 0, "made", "up", end, audio is not None),
        frames,
        tuple(Shot(i * 1000, i * 1000 + 1000) for i in range(moments)),
        audio,
        end,
        DecodeCounts(moments, moments, 0, 0),
    )


class Outcome(StrEnum):
    """How a build ended.

    Mended: published, and the release holds what was there before the harm.
    """

    PASSED = "passed"
    MENDED = "mended"
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
    """The shop of all cases: videos lie there, and lists of each process that tries some."""

    root: Path

    def list_of(self, what: str) -> Path:
        """Where this process lists its products, or its videos."""
        return self.root / f"{what}-{os.getpid()}.jsonl"

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
        for number in range(4 * VIDEOS):
            self.write_video(f"v{number}", str(number))
        for number in range(VIDEOS // 2):
            self.write_video(f"broken{number}", f"broken {number}")

    def make_bases(self, folder: Path) -> None:
        """The stores that builds start from, by name, below a folder.

        `base` is published; `grown` holds a night with a tenth more of all that was not published,
        and `again` a generation with other encoders.
        """
        self.make()
        self.write_lists()
        run(self, str(folder / "base"), CONFIG).or_raise()
        run(self, str(folder / "flat"), FLAT).or_raise()
        for name in ("grown", "again"):
            shutil.copytree(folder / "flat", folder / name)
        anew = ReindexRequest(everything=True)
        run(self, str(folder / "again"), _held(), anew, load_others)
        self.write_lists(VIDEOS // 10, PRODUCTS // 10)
        run(self, str(folder / "grown"), _held())

    def write_lists(self, videos: int = 0, products: int = 0) -> None:
        """Write the lists of the base, with so many more of each."""
        rows = self.products()
        rows += [
            row | {"sku": f"{row['sku']}-more", "title": f"{row['title']} more"}
            for row in rows[:products]
        ]
        write_lines(self.list_of("catalog"), rows)
        names = [f"v{i}" for i in range(VIDEOS + videos)]
        write_lines(self.list_of("videos"), self.videos(names))

    def write_videos(self, rows: Sequence[dict[str, object]]) -> None:
        """List these videos."""
        write_lines(self.list_of("videos"), list(rows))

    def products(self) -> list[dict[str, object]]:
        """The rows of the base's catalog."""
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
        return releases.require_served(self.store)

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
        reindex: ReindexRequest | None = None,
    ) -> Verdict:
        """What a run on these lists says of it."""
        lists = {
            "catalog": products or self.shop.products(),
            "videos": videos or self.shop.videos(),
        }
        for name, rows in lists.items():
            write_lines(self.shop.list_of(name), rows)
        return ended(run(self.shop, self.uri, config, reindex))

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
        paths = self.store.files_of(table, self.release.table_version(table))
        found = [Path(self.uri) / path for path in paths if f"/{kind}/" in path]
        return max(found, key=lambda path: path.stat().st_size)


def judge(
    store: Store, indexes: Sequence[VectorIndex], previous: Release, config: Config
) -> list[GateCheck]:
    """The gate's checks of a store as it stands."""
    tables = releases.pin_tables(store)
    tally = Tally(VIDEOS, VIDEOS, 0, 0)
    candidate = Candidate(PinnedTables.at(store, tables), tables, indexes)
    quality = measure_store(candidate, ReleaseSnapshot.of(store, previous), config, tally)
    return check_release(quality, previous.quality, config.gate)


def names(checks: Sequence[GateCheck]) -> str:
    """What refused, in a few words."""
    return "; ".join(f"{check.name}: {check.found}" for check in checks)


def run(
    shop: Shop,
    uri: str,
    config: Config,
    reindex: ReindexRequest | None = None,
    models: ModelLoader = load,
    allow_shrink: bool = False,
) -> IngestResult:
    """One run on the shop's lists as they are."""
    catalog, videos = (str(shop.list_of(name)) for name in ("catalog", "videos"))
    request = IngestRequest(catalog, videos, uri, allow_shrink=allow_shrink)
    return ingest(request, config, lambda c: LocalEngine(c, models, decode), NoProgress(), reindex)


def ended(result: IngestResult) -> Verdict:
    """A run's ending as a verdict."""
    if result.ending is Ending.PUBLISHED:
        return Verdict(Outcome.PASSED)
    if result.ending is Ending.NOTHING_NEW:
        return Verdict(Outcome.UNCHANGED)
    message = (result.message or "").removeprefix("not published, the last release stays. ")
    return Verdict(Outcome.REFUSED, message)


def _held() -> Config:
    """Leaves what a run made in the tables, and publishes nothing."""
    return config_of(index={"kind": "flat"}, gate={"min_videos": 10**6})


Case = Callable[[Copy], Verdict]


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
