"""What `reindex` asks of models, against what its preview said, for every way to ask for less.

Short videos, some with sound and some with words on them, and fakes for models. Everything is
counted outside the project's own counters: in the fakes, which tell frames from product pictures
by their size and products from videos by their words, and in a wrapper around the decoder. Every
case works on a copy of one published store, previews, runs, and compares the two name by name; rows
of videos outside the scope must be the same to the last bit, run ids included (but those of links,
which copies share). Calls for videos that never had rows can only be guessed: how far off that was
is a figure without a bar.

Another visual model must ask nothing of ears and readers and decode no sound; while its vectors are
made, the head must name the old release.
"""

import datetime as dt
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Bar, Count, conclude, parse, parser_of
from reelshelf.indexer.extract import work
from reelshelf.indexer.extract.work import failed
from reelshelf.indexer.pipeline.ingest import IngestResult, ingest
from reelshelf.indexer.pipeline.planning import IngestRequest, plan_only
from reelshelf.indexer.pipeline.preview import preview
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.pipeline.scope import ReindexRequest
from reelshelf.indexer.store import releases
from reelshelf.indexer.store.head import read_head
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.protocols import ModelSet, TextDetector, Transcript
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.keys import video_key
from reelshelf.schemas.media import DecodedVideo, Pixels, Samples, TextLine, Vectors
from reelshelf.schemas.outcomes import Divided, Failed, VideoJob
from reelshelf.schemas.release import ModelRef, Release
from reelshelf.schemas.run import Ending
from tests.support.clips import WHITE, write_clip
from tests.support.fakes import FakeImages, FakeReader, FakeSpeech, FakeTexts, unit
from tests.support.shops import MIXTURES, Shop, make_shop, small_config

_FRAME = (64, 96)
_INDEX: dict[str, object] = {"flat_below": 256, "partitions": 4}
_MEDIA: dict[str, object] = {"sample_ms": 200, "segment_ms": 400, "near_duplicate": 0.0}
# A white corner has fewer hard edges than letters have.
_READING: dict[str, object] = {"min_edge_density": 0.001}
# What a row holds of other videos: its copies, and what its links were made from.
_OF_OTHERS = ("duplicates", "duplicates_fingerprint", "duplicate_cluster", "links_fingerprint")
_LATE = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def config_of(**sections: dict[str, object]) -> Config:
    """The settings of all cases, with what one of them changes."""
    return small_config(index=_INDEX, media=_MEDIA, reading=_READING, **sections)


class CountedImages(FakeImages):
    """The fake encoder under any name and size, counting frames and pictures."""

    def __init__(self, calls: Counter[str], name: str, dim: int, *, broken: bool) -> None:
        # A space is named otherwise than its model, as those of real models are.
        self.device: Device = "cpu"
        self.ref = ModelRef(name=name, revision="1", sha256="0", dim=dim, space=f"space of {name}")
        self._calls, self._broken = calls, broken

    def encode_images(self, images: Sequence[Pixels]) -> Vectors:
        """Encode n images; another name turns the vectors around."""
        for image in images:
            is_frame = image.shape[:2] == _FRAME
            self._calls["frames_encoded" if is_frame else "pictures_encoded"] += 1
        vectors = super().encode_images(images)
        room = np.zeros((len(images), self.ref.dim), np.float32)
        room[:, : vectors.shape[1]] = np.roll(vectors, len(self.ref.name), axis=1)
        return room * np.float32(0.5) if self._broken else unit(room)


class CountedTexts(FakeTexts):
    """The fake encoder, counting texts of videos, and products, which have two texts each."""

    def __init__(self, calls: Counter[str], products: frozenset[str]) -> None:
        self._calls, self._products = calls, products

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts."""
        for text in texts:
            of_product = text in self._products
            self._calls["product_texts" if of_product else "texts_encoded"] += 1
        return super().encode_texts(texts)


class CountedSpeech(FakeSpeech):
    """The fake recognizer, counting milliseconds."""

    def __init__(self, calls: Counter[str]) -> None:
        self._calls = calls

    def hear(self, audio: Samples) -> Transcript:
        """Recognize."""
        self._calls["audio_ms_heard"] += len(audio) // 16
        return super().hear(audio)


class CountedReader(FakeReader):
    """The fake reader under any name, counting frames, pictures, and lines of frames."""

    def __init__(self, calls: Counter[str], name: str) -> None:
        self.device: Device = "cpu"
        self.ref = ModelRef(name=name, revision="1", sha256="0")
        self._calls = calls

    def detect(self, image: Pixels) -> tuple[TextLine, ...]:
        """Find lines."""
        self._calls["frames_detected" if image.shape[:2] == _FRAME else "pictures_read"] += 1
        return super().detect(image)

    def recognize(self, crops: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Read lines."""
        small = sum(crop.shape[0] <= _FRAME[0] for crop in crops)
        self._calls["lines_recognized"] += small
        return super().recognize(crops)


@dataclass
class Counted:
    """Models and a decoder that note what they are asked, and which release is served then."""

    uri: str
    image: str = "fake-images"
    dim: int = FakeImages.ref.dim
    reader: str = "fake-reader"
    broken: bool = False
    fails: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    calls: Counter[str] = field(default_factory=Counter)
    served: set[str | None] = field(default_factory=set)
    frames_decoded: int = 0

    def load(self, config: Config) -> ModelSet:
        """The models."""
        del config
        return ModelSet(
            CountedImages(self.calls, self.image, self.dim, broken=self.broken),
            CountedTexts(self.calls, self.products),
            CountedSpeech(self.calls),
            CountedReader(self.calls, self.reader),
            None,
        )

    def decode(
        self, job: VideoJob, config: Config, detector: TextDetector | None = None
    ) -> DecodedVideo | Divided | Failed:
        """The real decoder."""
        if Store.exists(self.uri):
            self.served.add(read_head(Store.open(self.uri)).serving)
        if job.source.video_id in self.fails:
            return failed(job, "decode", FailureKind.CRASHED, "crashed")
        video = work.decode(job, config, detector)
        if isinstance(video, DecodedVideo):
            self.frames_decoded += len(video.frames)
            self.calls["video_ms_decoded"] += video.end_ms if video.frames else 0
            self.calls["audio_ms_decoded"] += 0 if video.audio is None else len(video.audio) // 16
        return video

    @property
    def made(self) -> dict[str, int]:
        """The calls by the names that a preview has for them."""
        calls = Counter(self.calls)
        texts = calls.pop("product_texts", 0)
        calls["products_encoded"] = texts // 2
        return {name: count for name, count in sorted(calls.items()) if count}


@dataclass(frozen=True)
class Case:
    """One way to ask. `inside` are the videos it may touch, None for all."""

    name: str
    reindex: ReindexRequest | None
    config: Config
    models: Callable[[Counted], Counted] = lambda counted: counted
    inside: frozenset[str] | None = None
    visual: bool = False
    prepare: "Callable[[Bench, str], None] | None" = None
    guessed: bool = False
    refused: bool = False
    generation: int = 1


@dataclass(frozen=True)
class Found:
    """What came of one case."""

    case: Case
    expected: dict[str, int]
    guessed: int
    made: dict[str, int]
    noted: dict[str, int]
    ending: Ending
    generation: int
    frames_decoded: int
    served_old: bool
    gate_asked: bool
    touched: int

    @property
    def as_previewed(self) -> bool:
        """Whether the preview was exact."""
        return self.expected == self.made

    @property
    def ended_right(self) -> bool:
        """Whether it was published, or refused where it had to be."""
        wanted = Ending.GATE_REFUSED if self.case.refused else Ending.PUBLISHED
        generation = 1 if self.case.refused else self.case.generation
        return self.ending is wanted and self.generation == generation


@dataclass(frozen=True)
class Bench:
    """A shop, and its published store that every case copies."""

    shop: Shop
    base: str
    videos: int
    release: Release

    def request(self, uri: str) -> IngestRequest:
        """The shop into another store."""
        return replace(self.shop.request, store=uri)

    def run(
        self, uri: str, counted: Counted, config: Config, reindex: ReindexRequest | None
    ) -> IngestResult:
        """One run on a store."""
        return ingest(
            self.request(uri),
            config,
            lambda c: LocalEngine(c, counted.load, counted.decode),
            NoProgress(),
            reindex,
        )

    def counted(self, uri: str) -> Counted:
        """The models of the base, with nothing counted yet."""
        return Counted(uri, products=product_texts(self.base))


def product_texts(uri: str) -> frozenset[str]:
    """What a sentence encoder reads of each product, as it is made from a product's row."""
    if not Store.exists(uri):
        return frozenset()
    rows = Store.open(uri).scan("products", ["title", "category"]).to_pylist()
    return frozenset(". ".join([row["title"], *row["category"]]) for row in rows)


def make(root: Path, videos: int) -> Bench:
    """The shop and its first release. Every third video has sound, every fourth words on it."""
    shop = make_shop(root)
    rows: list[dict[str, object]] = []
    for i in range(videos):
        write_clip(
            root / "videos" / f"v{i}.mp4",
            MIXTURES[i % len(MIXTURES)],
            sound=i % 3 == 0,
            corner=WHITE if i % 4 == 0 else None,
        )
        day = _LATE + dt.timedelta(days=i - videos + 5)
        rows.append(
            {
                "video_id": f"v{i}",
                "file": f"videos/v{i}.mp4",
                "merchant_id": f"m{i % 10}",
                "merchant_skus": ["SKU-red"] if i % 8 == 0 else [],
                "published_at": day.isoformat(),
            }
        )
    shop.set_videos(rows)
    base = str(root / "base")
    counted = Counted(base)
    started = Bench(shop, base, videos, release=None)  # type: ignore[arg-type]
    release = started.run(base, counted, config_of(), None).or_raise().newest
    return Bench(shop, base, videos, release)


def fail_first(bench: Bench, uri: str) -> None:
    """Have two videos fail that keep the rows they have."""
    counted = replace(bench.counted(uri), fails=frozenset(["v1", "v4"]))
    bench.run(uri, counted, config_of(), ReindexRequest(videos=("v1", "v4")))


def fail_new(bench: Bench, uri: str) -> None:
    """Have two videos forgotten, and fail when they come again."""
    keys = [video_key(config_of().shop_id, name) for name in ("v1", "v4")]
    Store.open(uri).delete_videos(keys)
    counted = replace(bench.counted(uri), fails=frozenset(["v1", "v4"]))
    bench.run(uri, counted, config_of(), None)


def refuse(bench: Bench, uri: str) -> None:
    """Have another visual model's vectors made, and refused for the sake of the videos' number."""
    counted = replace(bench.counted(uri), image="other-images")
    config = config_of(
        models={"image": {"name": "other-images"}}, gate={"min_videos": bench.videos + 1}
    )
    bench.run(uri, counted, config, ReindexRequest(model="other-images"))


def cases(bench: Bench) -> list[Case]:
    """Every way to ask."""
    plain = config_of()
    image = config_of(models={"image": {"name": "other-images"}})
    reader = config_of(models={"ocr": {"name": "other-reader"}})
    speech = config_of(asr={"min_log_probability": -1.0})
    every = range(bench.videos)
    red = linked_to(bench, "SKU-red")
    late = frozenset(f"v{i}" for i in every if i >= bench.videos - 5)
    of_model = ReindexRequest(model="other-images")

    def other(dim: int, *, broken: bool = False) -> Callable[[Counted], Counted]:
        return lambda c: replace(c, image="other-images", dim=dim, broken=broken)

    same_dim = FakeImages.ref.dim
    nobody: frozenset[str] = frozenset()
    merchant = frozenset(f"v{i}" for i in every if i % 10 == 1)
    return [
        Case("visual model", of_model, image, other(same_dim), visual=True, generation=2),
        Case("visual model, wider", of_model, image, other(48), visual=True, generation=2),
        Case(
            "visual model, vectors too short",
            of_model,
            image,
            other(same_dim, broken=True),
            visual=True,
            refused=True,
            generation=2,
        ),
        Case(
            "visual model, refused before",
            of_model,
            image,
            other(same_dim),
            visual=True,
            prepare=refuse,
            generation=2,
        ),
        Case("speech settings, by a night", None, speech),
        Case("speech settings, --stage asr", ReindexRequest(stages=("asr",)), speech),
        Case(
            "reader",
            ReindexRequest(model="other-reader"),
            reader,
            lambda c: replace(c, reader="other-reader"),
        ),
        Case("--all", ReindexRequest(everything=True), plain),
        Case("--stage frames", ReindexRequest(stages=("frames",)), plain),
        Case("--stage ocr", ReindexRequest(stages=("ocr",)), plain),
        Case("--video", ReindexRequest(videos=("v3",)), plain, inside=frozenset(["v3"])),
        Case(
            "--video --stage asr",
            ReindexRequest(videos=("v3", "v4"), stages=("asr",)),
            plain,
            inside=frozenset(["v3", "v4"]),
        ),
        Case("--merchant", ReindexRequest(merchants=("m1",)), plain, inside=merchant),
        Case("--since", ReindexRequest(since=_LATE), plain, inside=late),
        Case(
            "--failed",
            ReindexRequest(failed=True),
            plain,
            inside=frozenset(["v1", "v4"]),
            prepare=fail_first,
        ),
        Case(
            "--failed, never indexed",
            ReindexRequest(failed=True),
            plain,
            inside=frozenset(["v1", "v4"]),
            prepare=fail_new,
            guessed=True,
        ),
        Case("--sku", ReindexRequest(skus=("SKU-red",)), plain, inside=red),
        Case("--stage links", ReindexRequest(stages=("links",)), plain),
        Case("--stage index", ReindexRequest(stages=("index",)), plain, inside=nobody),
    ]


def linked_to(bench: Bench, sku: str) -> frozenset[str]:
    """The videos that have a link to a product, however weak, or that list it."""
    store = Store.open(bench.base)
    linked = store.scan("links", ["video_id", "sku"]).to_pylist()
    listed = store.scan("videos", ["video_id", "merchant_skus"]).to_pylist()
    found = {row["video_id"] for row in linked if row["sku"] == sku}
    return frozenset(found | {row["video_id"] for row in listed if sku in row["merchant_skus"]})


def touched(before: Store, after: Store, inside: frozenset[str] | None) -> int:
    """Rows of videos and segments outside the scope that are not what they were."""
    if inside is None:
        return 0
    count = 0
    keys = {"videos": "video_key", "segments": "segment_key", "links": "link_key"}
    for name, key in keys.items():
        # Copies of one video are linked together: whoever is due takes the others along.
        ignored = {*_OF_OTHERS, *(["run_id"] if name == "links" else [])}
        stored, found = (
            {
                row[key]: {column: cell for column, cell in row.items() if column not in ignored}
                for row in store.scan(name, None).to_pylist()
                if row["video_id"] not in inside
            }
            for store in (before, after)
        )
        count += sum(stored.get(k) != found.get(k) for k in stored.keys() | found.keys())
    return count


def try_case(bench: Bench, case: Case, scratch: Path) -> Found:
    """Preview, run, compare."""
    uri = str(scratch / "store")
    shutil.rmtree(uri, ignore_errors=True)
    shutil.copytree(bench.base, uri)
    if case.prepare is not None:
        case.prepare(bench, uri)
    before = str(scratch / "before")
    shutil.rmtree(before, ignore_errors=True)
    shutil.copytree(uri, before)
    served = releases.require_served(Store.open(uri))
    counted = case.models(bench.counted(uri))
    planned = plan_only(bench.request(uri), case.config, case.reindex)
    told = preview(planned, Store.open(uri))
    result = bench.run(uri, counted, case.config, case.reindex)
    now = releases.require_served(Store.open(uri))
    checks = {check.name.partition(" kept of")[0] for check in now.gate}
    noted = {name: count for name, count in result.calls.items() if count}
    noted.pop("files_hashed", None)
    for table in served.tables:
        old = Store.open(uri).of(served.generation).table(table.name, table.version)
        assert old.count_rows() == table.rows
    return Found(
        case=case,
        expected=dict(sorted(told.calls.items())),
        guessed=told.guessed,
        made=counted.made,
        noted=dict(sorted(noted.items())),
        ending=result.ending,
        generation=now.generation,
        frames_decoded=counted.frames_decoded,
        served_old=counted.served <= {served.run_id}
        and (not case.refused or now.run_id == served.run_id),
        gate_asked={"failure rate", "videos", "damaged files"} <= checks,
        touched=touched(Store.open(before), Store.open(uri).of(1), case.inside),
    )


def show(found: Sequence[Found]) -> None:
    """A table of all cases."""
    table = Table("case", "previewed", "made", "ended", "touched outside", "")
    for item in found:
        right = (item.as_previewed or item.case.guessed) and item.ended_right
        right = right and not item.touched and item.served_old and item.noted == item.made
        table.add_row(
            item.case.name,
            in_words(item.expected) + (f" ({item.guessed} guessed)" if item.guessed else ""),
            "as previewed" if item.as_previewed else in_words(item.made),
            f"{item.ending.value}, g{item.generation}",
            "-" if item.case.inside is None else str(item.touched),
            "" if right else "WRONG",
        )
    Console(width=150).print(table)


def in_words(calls: dict[str, int]) -> str:
    """Calls on one line."""
    return ", ".join(f"{count} {name}" for name, count in calls.items()) or "nothing"


def measure(videos: int) -> dict[str, float]:
    """Try every case."""
    with tempfile.TemporaryDirectory() as folder:
        bench = make(Path(folder) / "shop", videos)
        found = []
        for case in cases(bench):
            found.append(try_case(bench, case, Path(folder)))
            print(f"{case.name}: {in_words(found[-1].made)}", file=sys.stderr, flush=True)
    show(found)
    visual = [item for item in found if item.case.visual]
    speech = [item for item in found if item.case.name.startswith("speech")]
    exact = [item for item in found if not item.case.guessed]
    guessed = [item for item in found if item.case.guessed]

    def total(items: Sequence[Found], *names: str) -> int:
        return sum(item.made.get(name, 0) for item in items for name in names)

    return {
        "videos": videos,
        "segments": bench.release.quality.segments,
        "cases": len(found),
        "cases_unlike_preview": sum(not item.as_previewed for item in exact),
        "cases_unlike_the_record": sum(item.noted != item.made for item in found),
        "cases_that_ended_wrong": sum(not item.ended_right for item in found),
        "cases_not_served_meanwhile": sum(not item.served_old for item in found),
        "cases_past_the_gate": sum(not item.gate_asked for item in found),
        "rows_touched_outside": sum(item.touched for item in found),
        "visual_frames_encoded": total(visual, "frames_encoded"),
        "visual_asr_ms": total(visual, "audio_ms_heard"),
        "visual_ocr_calls": total(visual, "frames_detected", "lines_recognized", "pictures_read"),
        "visual_sound_decoded_ms": total(visual, "audio_ms_decoded"),
        "visual_texts_encoded": total(visual, "texts_encoded", "products_encoded"),
        "speech_ms_heard": total(speech, "audio_ms_heard"),
        "speech_images_encoded": total(speech, "frames_encoded", "pictures_encoded"),
        "speech_frames_decoded": sum(item.frames_decoded for item in speech),
        "guess_off_by": max(
            (abs(sum(g.expected.values()) / max(1, sum(g.made.values())) - 1) for g in guessed),
            default=0.0,
        ),
    }


def main() -> int:
    """Measure and print."""
    parser = parser_of(__doc__)
    args = parse(parser, videos=Count(12, 80))
    figures = measure(args.videos)
    none = {
        "cases_unlike_preview": "cases with other calls than previewed",
        "cases_unlike_the_record": "cases with other calls than recorded",
        "cases_that_ended_wrong": "cases that ended wrong",
        "cases_not_served_meanwhile": "cases without the old release meanwhile",
        "cases_past_the_gate": "cases past the gate",
        "rows_touched_outside": "rows touched outside the scope",
        "visual_asr_ms": "visual model: ASR",
        "visual_ocr_calls": "visual model: OCR",
        "visual_sound_decoded_ms": "visual model: sound decoded",
        "visual_texts_encoded": "visual model: texts",
        "speech_images_encoded": "speech: images encoded",
        "speech_frames_decoded": "speech: frames decoded",
    }
    asked = [Bar(words, figures[name], 0, at_least=False) for name, words in none.items()]
    asked += [
        Bar("visual model: frames encoded", figures["visual_frames_encoded"], 1, at_least=True),
        Bar("speech: ms heard", figures["speech_ms_heard"], 1, at_least=True),
    ]
    return conclude("reindex", figures, asked, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
