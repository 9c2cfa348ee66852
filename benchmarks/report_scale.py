"""Time, memory and size of the quality report of a shop of ten thousand videos and 30 releases.

    python -m benchmarks.report_scale [--out DIR] [--videos N] [--releases N] [--store DIR]

The store is made by real runs, night after night, with made-up frames and speech, fakes for
pictures, speech and print, and the real sentence encoder; frames and texts have IVF-PQ indexes.
What is measured is `reelshelf report` as a process of its own: with no files beside the store, and
with labels, 100 judged queries and a query log, where it loads the encoder and asks two releases.
Making the store takes some minutes; --store keeps it for the next time.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.builds import KINDS, GridImages, made_video, picture
from benchmarks.harness import Bar, Count, TreeMeter, conclude, parse, parser_of
from reelshelf.indexer.extract.work import failed
from reelshelf.indexer.pipeline.ingest import ingest
from reelshelf.indexer.pipeline.planning import IngestRequest
from reelshelf.indexer.pipeline.progress import NoProgress
from reelshelf.indexer.store.releases import list_releases
from reelshelf.indexer.store.tables import Store
from reelshelf.jobs.engines.local import LocalEngine
from reelshelf.models.minilm import MiniLM
from reelshelf.models.protocols import ModelSet, Sound, TextDetector, Transcript
from reelshelf.schemas.config import Config
from reelshelf.schemas.devices import Device
from reelshelf.schemas.errors import FailureKind
from reelshelf.schemas.media import DecodedVideo, Samples, Vectors
from reelshelf.schemas.outcomes import Failed, VideoJob
from reelshelf.schemas.segments import Utterance
from tests.support.clips import BLUE, GREEN, RED, write_clip
from tests.support.fakes import FakeReader, FakeSpeech
from tests.support.shops import small_config, write_lines

ROOT = Path(__file__).parent.parent
VIDEOS, RELEASES, PRODUCTS, MOMENTS = 10_000, 30, 2_000, 4
# Videos that come on each night after the first, beside one that fails and one that goes.
_NIGHTLY = 20
_NEW_PRODUCTS = {10: 40, 20: 25}
_CHATTER = 400
_JUDGED = 100
_ADJECTIVES = (
    *("amber", "brisk", "coral", "dusky", "elder", "frosty", "golden", "humble", "ivory"),
    *("jolly", "keen", "lunar", "mellow", "noble", "olive", "plain", "quiet", "rustic"),
)
_NOUNS = (
    *("anvil", "basket", "candle", "drum", "easel", "flask", "goblet", "hammock", "inkwell"),
    *("jacket", "kettle", "lantern", "mirror", "needle", "oven", "pillow", "quilt", "rug"),
)
_CATEGORIES = ("Home", "Kitchen", "Garden", "Music", "Sport", "Toys", "Office", "Clothing")


def title_of(number: int) -> str:
    """A product's name."""
    first = _ADJECTIVES[number % len(_ADJECTIVES)]
    second = _NOUNS[number // len(_ADJECTIVES) % len(_NOUNS)]
    return f"{first} {second} mark {number // (len(_ADJECTIVES) * len(_NOUNS)) + 1}".title()


class RememberingTexts:
    """The real encoder, which encodes a text once."""

    def __init__(self) -> None:
        self._encoder = MiniLM(threads=2)
        self._known: dict[str, Vectors] = {}
        self.device: Device = "cpu"
        self.ref = self._encoder.ref

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Encode n texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known |= dict(zip(new, self._encoder.encode_texts(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def has_word(self, word: str) -> bool:
        """Whether its vocabulary has a word."""
        return self._encoder.has_word(word)


class ChattingSpeech(FakeSpeech):
    """Hears a number, and says a product's name among sentences that many videos share."""

    def transcribe(self, sounds: Sequence[Sound]) -> list[Transcript]:
        """Recognize."""
        return [self._hear(sound.samples) for sound in sounds]

    def _hear(self, audio: Samples) -> Transcript:
        number = int(audio[0])
        said = [f"this is sentence {(number * 7 + i) % _CHATTER} of many" for i in range(MOMENTS)]
        said[1] = f"look at the {title_of(number % PRODUCTS)}"
        pieces = (Utterance(text, i * 1000, i * 1000 + 900, -0.1) for i, text in enumerate(said))
        return Transcript(tuple(pieces), "en")


def decode(
    job: VideoJob, config: Config, _detector: TextDetector | None = None
) -> DecodedVideo | Failed:
    """Make up a video from the number behind the clip in its file."""
    del config
    content = Path(job.source.path).read_bytes()
    if content.startswith(b"broken"):
        return failed(job, "decode", FailureKind.NO_FRAMES, "is broken")
    return made_video(content, int(content.rpartition(b"\n")[2]), MOMENTS)


def config() -> Config:
    """Indexes in spite of the size, and prices, so that the report has all of its sections."""
    return small_config(
        index={"flat_below": 5_000},
        gate={"verify_files": False},
        cost={"cpu_hour": 0.05},
        engine={"kind": "local", "videos_per_commit": 512},
        release={"keep": 100},
    )


def product_rows(count: int) -> list[dict[str, object]]:
    """The catalog."""
    return [
        {
            "sku": f"SKU-{i}",
            "title": title_of(i),
            "category": [_CATEGORIES[i % len(_CATEGORIES)]],
            "merchant_id": f"m-{i % 40}",
            "images": [f"images/{i % KINDS}.png"] if i < 4 * KINDS else [],
            "availability": "out_of_stock" if i % 17 == 0 else "in_stock",
        }
        for i in range(count)
    ]


def video_rows(first: int, last: int, broken: int) -> list[dict[str, object]]:
    """The manifest; every fifth video is declared, and of these every tenth wrongly."""
    rows: list[dict[str, object]] = []
    for number in range(first, last):
        row: dict[str, object] = {"video_id": f"v{number}", "file": f"videos/v{number}.mp4"}
        row["merchant_id"] = f"m-{number % 40}"
        if number % 5 == 0:
            wrong = 1 if number % 50 == 0 else 0
            row["merchant_skus"] = [f"SKU-{(number + wrong) % PRODUCTS}"]
        rows.append(row)
    rows += [{"video_id": f"broken{i}", "file": f"videos/broken{i}.mp4"} for i in range(broken)]
    return rows


def make_store(root: Path, videos: int, releases: int) -> None:
    """Run night after night until there are so many releases."""
    (root / "images").mkdir(parents=True)
    (root / "videos").mkdir()
    for kind in range(KINDS):
        Image.fromarray(picture(kind, 10_000 + kind, 0)).save(root / "images" / f"{kind}.png")
    # A real clip, for the thumbnails of the report; no run decodes it.
    clip = write_clip(root / "clip.mp4", [RED, GREEN, BLUE], size=(360, 640)).read_bytes()
    for number in range(videos + releases):
        (root / "videos" / f"v{number}.mp4").write_bytes(clip + f"\n{number}".encode())
        (root / "videos" / f"broken{number}.mp4").write_text(f"broken {number}")
    request = IngestRequest(
        str(root / "products.jsonl"), str(root / "videos.jsonl"), str(root / "store")
    )
    texts = RememberingTexts()
    models = ModelSet(GridImages(), texts, ChattingSpeech(), FakeReader(), None)
    products = PRODUCTS
    for night in range(releases):
        products += _NEW_PRODUCTS.get(night, 0)
        last = videos - _NIGHTLY * (releases - 1 - night)
        write_lines(root / "products.jsonl", product_rows(products))
        write_lines(root / "videos.jsonl", video_rows(night, last + night, night))
        began = time.monotonic()
        result = ingest(
            request, config(), lambda c: LocalEngine(c, lambda _: models, decode), NoProgress()
        ).or_raise()
        tally = result.tally
        print(
            f"{result.newest.release_id}: {tally.indexed} indexed, {tally.failed} failed, "
            f"{result.newest.quality.links} links, {time.monotonic() - began:.0f} s",
            file=sys.stderr,
        )


def write_questions(root: Path, videos: int) -> list[str]:
    """Labels, judged queries and a log for the store; the options that name them."""
    rng = np.random.default_rng(0)
    numbers = rng.choice(np.arange(RELEASES, videos), 300, replace=False).tolist()
    labels: list[dict[str, object]] = [
        {"video_id": f"v{n}", "links": [{"sku": f"SKU-{n % PRODUCTS}"}]} for n in numbers
    ]
    judged: list[dict[str, object]] = [
        {
            "query_id": f"q{n}",
            "kind": "title" if i % 2 else "spoken",
            "text": title_of(n % PRODUCTS) if i % 2 else f"look at the {title_of(n % PRODUCTS)}",
            "relevant_video_ids": [f"v{m}" for m in range(n % PRODUCTS, videos, PRODUCTS)],
        }
        for i, n in enumerate(numbers[:_JUDGED])
    ]
    words = [title_of(int(n)).lower() for n in rng.integers(0, PRODUCTS, 3_000)]
    words += [f"spare part number {n}" for n in range(500)]
    log: list[dict[str, object]] = [
        {"text": text, "count": 1 + 5_000 // (i + 1)} for i, text in enumerate(words)
    ]
    for name, rows in (("labels", labels), ("judged", judged), ("query-log", log)):
        write_lines(root / f"{name}.jsonl", rows)
    names = ("labels", "judged", "query-log")
    return [word for name in names for word in (f"--{name}", str(root / f"{name}.jsonl"))]


def measure(root: Path, name: str, *words: str) -> dict[str, float]:
    """Run the command; seconds, peak memory in GB, and megabytes of the page."""
    out = root / f"report-{name}"
    command = [sys.executable, "-m", "reelshelf.jobs.cli", "report", "--store", str(root / "store")]
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--out", str(out), *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    meter = TreeMeter(process.pid)
    lines, _ = process.communicate()
    taken = time.monotonic() - began
    meter.stop()
    if process.returncode != 0:
        raise SystemExit(f"the report ended with exit code {process.returncode}")
    print(lines, file=sys.stderr)
    facts = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return {
        f"{name}_s": taken,
        f"{name}_peak_gb": meter.peak_pss / 1e9,
        f"{name}_page_mb": (out / "report.html").stat().st_size / 1e6,
        f"{name}_json_mb": (out / "report.json").stat().st_size / 1e6,
        f"{name}_trend": len(facts["trend"]),
        f"{name}_videos": facts["coverage"]["videos"],
    }


def main() -> int:
    """Make the store where there is none, measure, compare with the bars."""
    parser = parser_of(__doc__)
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="keep the shop and its store here"
    )
    args = parse(parser, videos=Count(200, VIDEOS), releases=Count(4, RELEASES))
    with tempfile.TemporaryDirectory() as scratch:
        root: Path = args.store or Path(scratch) / "shop"
        if not (root / "store").is_dir():
            make_store(root, args.videos, args.releases)
        asked = write_questions(root, args.videos)
        figures = measure(root, "plain") | measure(root, "asked", *asked)
        releases = len(list_releases(Store.open(str(root / "store"))))
    bars = []
    for name in ("plain", "asked"):
        bars += [
            Bar(f"{name}: seconds", figures[f"{name}_s"], 20, at_least=False),
            Bar(f"{name}: peak memory, GB of PSS", figures[f"{name}_peak_gb"], 1.0, at_least=False),
            Bar(f"{name}: page, MB", figures[f"{name}_page_mb"], 5.0, at_least=False),
            Bar(
                f"{name}: releases in the trend", figures[f"{name}_trend"], releases, at_least=True
            ),
        ]
    return conclude("report_scale", figures, bars, args.out, judged=args.judged)


if __name__ == "__main__":
    sys.exit(main())
